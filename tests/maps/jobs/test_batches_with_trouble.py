"""Batches in which images are bad, names clash, the disk is full, or another command writes to the same folder."""

import csv
import json
import subprocess
import sys
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from extras import installed
from PIL import Image

import acdm
from acdm.cli.app import main
from acdm.core.run import lock
from acdm.maps.jobs.annotations import Detections, cvat, label_config, label_studio
from acdm.maps.jobs.folders import map_folder
from acdm.maps.jobs.masks import mask_names
from acdm.maps.jobs.worklist import MapOptions, find_images
from acdm.maps.regions import regions_of

geo = pytest.mark.skipif(installed("rasterio") is None, reason="needs the geo extra")


@pytest.mark.parametrize("trouble", [RuntimeError("surprise"), MemoryError(), KeyError("x"), ZeroDivisionError()])
def test_whatever_one_image_raises_the_others_are_mapped(forty, tmp_path, monkeypatch, trouble):
    model = acdm.load(forty / "run")
    decompose = type(model).decompose

    def shaky(self, image, *rest):
        if str(image).endswith("05.png"):
            raise trouble
        return decompose(self, image, *rest)

    monkeypatch.setattr(type(model), "decompose", shaky)
    outcomes = list(map_folder(model, find_images(forty / "images"), tmp_path / "out", MapOptions(label="with")))
    failed = {outcome.file for outcome in outcomes if outcome.reason}
    assert failed == {"03.png", "05.png", "30.png"}
    assert all("\n" not in outcome.reason for outcome in outcomes)


def test_maps_of_another_folder_are_not_passed_off_as_this_one_s(forty, tmp_path):
    """The same name, size and time."""
    for name, level in (("a", 0), ("b", 255)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.bmp").write_bytes(b"")
        Image.fromarray(np.full((16, 16), level, np.uint8)).save(tmp_path / name / "x.bmp")
        import os

        os.utime(tmp_path / name / "x.bmp", (1e9, 1e9))
    maps = []
    for name in "ab":
        assert (
            main(["map", str(forty / "run"), str(tmp_path / name), "-o", str(tmp_path / "out"), "--label", "with"]) == 0
        )
        maps.append(np.load(tmp_path / "out/x.bmp/residual.npy"))
    assert not np.array_equal(*maps)


def test_every_image_has_a_mask_of_its_own():
    names = ["a.jpg", "a.png", "a.jpg.png", "b.tif", "s.nii", "s.nii.gz", "c/d.jpg", "c/d.png", "c/d.jpg.png"]
    masks = mask_names(names)
    assert len(set(masks.values())) == len(names)
    assert masks["b.tif"] == "b.png"


@pytest.mark.parametrize("more", [[], ["--shard", "10"]])
def test_two_commands_do_not_share_a_folder(forty, tmp_path, capsys, more):
    paths = [str(forty / "run"), str(forty / "images"), "-o", str(tmp_path / "out")]
    with lock(tmp_path / "out"):
        code = main(["map", *paths, "--label", "with", *more])
    assert (code, "in use by process" in capsys.readouterr().err) == (13, True)


def test_masks_and_hidden_files_below_a_folder_are_no_images(tmp_path):
    for name in ("with/a.png", "masks/a.png", ".ipynb_checkpoints/a-checkpoint.png", "with/._a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / name, format="PNG")
    assert list(find_images(tmp_path).paths) == ["with/a.png"]


@geo
@pytest.mark.parametrize("limit", [20_000, 300_000])
def test_a_large_raster_on_a_full_disk_is_code_14_and_leaves_nothing(forty, tmp_path, limit):
    import tifffile

    (tmp_path / "in").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (400, 400), np.uint8)
    tifffile.imwrite(tmp_path / "in/big.tif", pixels, photometric="minisblack")
    code = (
        "import resource, signal, sys; from acdm.cli.app import main; import torch; torch.set_num_threads(1)\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); import rasterio, acdm.maps.jobs.folders\n"
        "import acdm; acdm.load(sys.argv[1])\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "sys.exit(main(['map', sys.argv[1], sys.argv[2], '-o', sys.argv[3], '--label', 'with']))"
    )
    paths = [str(forty / "run"), str(tmp_path / "in"), str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True)
    assert done.returncode in ((14, 2) if limit < 50_000 else (14,)), done.stderr  # 2: not even unpacked
    assert "Traceback" not in done.stderr
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file() and path.suffix in (".tif", ".part")]


@geo
def test_a_raster_in_local_metres_has_masks_and_no_place_on_the_earth(tmp_path, forty):
    rasterio = installed("rasterio")
    (tmp_path / "in").mkdir()
    crs = 'LOCAL_CS["site",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'
    about = {"driver": "GTiff", "count": 1, "height": 16, "width": 16, "dtype": "uint8", "crs": crs}
    with rasterio.open(tmp_path / "in/o.tif", "w", transform=rasterio.Affine(1, 0, 0, 0, -1, 16), **about) as raster:
        raster.write(np.random.default_rng(0).integers(0, 256, (1, 16, 16), np.uint8))
    out = tmp_path / "out"
    options = ["--label", "with", "--map", "psi1", "--threshold", "0", "--to", "coco"]
    assert main(["segment", str(forty / "run"), str(tmp_path / "in"), "-o", str(out), *options]) == 0
    with (out / "regions.csv").open(newline="") as file:
        assert {row["area_m2"] for row in csv.DictReader(file)} == {""}


@geo
@pytest.mark.parametrize("crs", ["EPSG:32660", "EPSG:4326"])
def test_regions_over_the_180th_meridian_are_cut_in_two(crs):
    from acdm.data.images.grid import GeoGrid
    from acdm.maps.jobs.geojson import geojson

    warp = installed("rasterio.warp")
    mask = np.zeros((20, 40), bool)
    mask[5:15, 10:30] = True
    middle = (180.0, 10.0) if crs == "EPSG:4326" else [v[0] for v in warp.transform("EPSG:4326", crs, [180.0], [10.0])]
    size = 0.01 if crs == "EPSG:4326" else 1000.0
    grid = GeoGrid((size, 0, middle[0] - 20 * size, 0, -size, middle[1] + 10 * size), crs)
    found = Detections(
        file="a.tif", height=20, width=40, regions=regions_of([(0, mask, mask.astype(float))]), grid=grid
    )
    (feature,) = geojson([found], "x")["features"]
    polygons = feature["geometry"]["coordinates"]
    longitudes = [[point[0] for ring in polygon for point in ring] for polygon in polygons]
    assert all(-180 <= x <= 180 for each in longitudes for x in each)
    assert all(max(each) - min(each) < 1 for each in longitudes)
    assert {each[0] > 0 for each in longitudes} == {True, False}
    assert feature["properties"]["area_m2"] == pytest.approx(
        200 * (size * 111_000) ** 2 if size < 1 else 200e6, rel=0.05
    )


def test_addresses_are_quoted_and_interfaces_have_no_declaration():
    names = ["a b.png", "lesion #1.png", "x&y=1.png", "50%.png", "a+b.png"]
    found = [Detections(file=name, height=9, width=9, regions=[]) for name in names]
    addresses = [task["data"]["image"].split("?d=")[1] for task in label_studio(found, "x")]
    assert addresses == ["a%20b.png", "lesion%20%231.png", "x%26y%3D1.png", "50%25.png", "a%2Bb.png"]
    assert not label_config("x").startswith("<?xml")


def test_cvat_has_its_meta_and_no_control_characters():
    root = ET.fromstring(cvat([Detections(file="a\x01.png", height=9, width=9, regions=[])], "la\x02bel"))
    assert root.find("meta/task/labels/label/name").text == "la�bel"
    assert root.find("image").get("name") == "a�.png"


def test_cells_that_begin_like_formulas_are_words(forty, tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / "in/=1+1.png")
    assert main(["map", str(forty / "run"), str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--label", "with"]) == 0
    assert "\n'=1+1.png," in (tmp_path / "out/maps.csv").read_text()


@pytest.mark.parametrize("name", ["config.yaml", "data.json", "env.json", "results.json", "gallery/gallery.json"])
@pytest.mark.parametrize("content", [None, "", "{}", '{"a', "[]", "null"])
def test_a_damaged_run_is_a_sentence_for_every_command(forty, tmp_path, capsys, name, content):
    import shutil

    run = tmp_path / "run"
    shutil.copytree(forty / "run", run)
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).unlink(missing_ok=True)
    if content is not None:
        (run / name).write_text(content)
    (tmp_path / "in").mkdir()
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / "in/a.png")
    for words in (["info"], ["report"], ["map", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--label", "with"]):
        code = main([words[0], str(run), *words[1:]])
        said = capsys.readouterr().err
        assert code in (0, 2), (words, said)
        assert "Traceback" not in said
        assert said.count("✗") == (code != 0)


def test_a_run_that_leads_elsewhere_is_refused(forty, tmp_path, capsys):
    import shutil

    run, secret = tmp_path / "run", tmp_path / "secret"
    shutil.copytree(forty / "run", run)
    secret.mkdir()
    shutil.rmtree(run / "report")  # the page of the training
    (run / "report").symlink_to(secret)
    assert main(["report", str(run)]) == 2
    assert "a link" in capsys.readouterr().err
    (run / "report").unlink()
    gallery = {"images": [{"picture": "../../secret", "why": "x", "label": "with", "file": "a"}]}
    (run / "gallery").mkdir(exist_ok=True)
    (run / "gallery/gallery.json").write_text(json.dumps(gallery))
    (run / "results.json").write_text("{}")
    assert main(["report", str(run)]) == 2
    assert list(secret.iterdir()) == []


def test_a_stranger_s_sizes_are_compared_before_memory_is_asked_for(forty, tmp_path, capsys):
    import shutil

    run = tmp_path / "run"
    shutil.copytree(forty / "run", run)
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(
        text.replace("  width: 4", "  width: 1024").replace("max_width: 8", "max_width: 4096")
    )
    assert main(["map", str(run), str(forty / "images"), "-o", str(tmp_path / "out")]) == 2
    assert "does not fit the networks" in capsys.readouterr().err
