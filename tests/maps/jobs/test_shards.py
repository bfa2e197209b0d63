"""Archives of maps: what is in them, and when they are written anew."""

import io
import json
import os
import shutil

import numpy as np
import pytest
import tifffile
from archives import members

import acdm
from acdm.cli.app import main
from acdm.errors import DataError
from acdm.maps.jobs.shards import map_shards
from acdm.maps.jobs.worklist import find_images


@pytest.fixture
def again(forty, tmp_path):
    """Map forty images, two of them none, into shards of ten; the numbers of the shards that were written."""
    out, decomposer = tmp_path / "out", acdm.load(forty / "run")

    def run(label="with", size=10, images=forty / "images"):
        before = {path: path.stat().st_mtime_ns for path in out.glob("*.tar")}
        list(map_shards(decomposer, find_images(images), out, label, size))
        written = [path for path in out.glob("*.tar") if before.get(path) != path.stat().st_mtime_ns]
        return sorted(int(path.stem.split("-")[1]) for path in written)

    return run


def test_an_archive_holds_the_maps_of_its_images(again, forty, tmp_path):
    assert again() == [0, 1, 2, 3]
    held = members(tmp_path / "out" / "shard-00000.tar")
    assert len(held) == 6 * 9, "the fourth image is none"
    d = acdm.load(forty / "run").decompose(forty / "images" / "04.png", "with")
    assert json.loads(held["000003.json"]) == {"file": "04.png", "label": "with"}
    for name, signed in d.maps().items():
        stored = np.load(io.BytesIO(held[f"000003.{name}.npy"]))
        assert stored.dtype == np.float16
        np.testing.assert_allclose(stored, signed.numpy(), atol=2e-3)


def test_a_shard_is_written_once_and_anew_when_something_changed(again, forty, tmp_path):
    out = tmp_path / "out"
    again()
    assert again() == []
    os.utime(forty / "images" / "12.png", ns=(1, 1))
    assert again() == [1]
    (out / "shard-00002.tar").unlink()
    (out / "shard-00003.json").write_text("{")
    assert again() == [2, 3]
    assert again(label="without") == [0, 1, 2, 3]
    assert again(label="without", size=20) == [0, 1]
    assert sorted(path.name for path in out.glob("shard-*.*")) == [
        "shard-00000.json", "shard-00000.tar", "shard-00001.json", "shard-00001.tar"
    ], "nothing of another request is left among them"  # fmt: skip


def test_archives_of_others_stay(again, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for name in ("shard-train-7.tar", "shard-00099.tar", "shard-index.json"):
        (out / name).write_text("{}")
    again()
    again(label="without", size=20)
    assert (out / "shard-train-7.tar").is_file()
    assert (out / "shard-00099.tar").is_file()
    assert (out / "shard-index.json").is_file()


def test_cut_off_between_its_two_files_a_shard_is_not_done(again, monkeypatch):
    again(label="with")
    with monkeypatch.context() as patched:
        patched.setattr("acdm.maps.jobs.shards.write_text", lambda path, text: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            again(label="without")
    assert again(label="with") == [0, 1, 2, 3]


def test_an_image_that_has_become_usable_is_mapped(forty, tmp_path):
    images, out, decomposer = tmp_path / "images", tmp_path / "out", acdm.load(forty / "run")
    shutil.copytree(forty / "images", images)
    os.rename(images / "05.png", images / b"\xff.png".decode("utf-8", "surrogateescape"))
    (images / "gone.png").symlink_to(images / "06.png")
    first = list(map_shards(decomposer, find_images(images), out, "with", 10))
    assert sum(bool(outcome.reason) for outcome in first) == 2
    shutil.copy(images / "04.png", images / "03.png")
    assert sum(bool(outcome.reason) for outcome in map_shards(decomposer, find_images(images), out, "with", 10)) == 1
    assert b"\xff.png" in (out / "maps.csv").read_bytes()


def test_what_cannot_be_used_is_told_of_and_nothing_usable_is_an_error(forty, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["map", str(forty / "run"), str(forty / "images"), "-o", str(out), "--shard", "25", "--label", "with"]
    assert main(command) == main(command) == 3
    assert "2 images failed, first" in capsys.readouterr().err
    lines = (out / "maps.csv").read_text().splitlines()
    assert len(lines) == 41
    assert sum("not a PNG or JPEG" in line for line in lines) == 2
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_text("no image")
    with pytest.raises(DataError, match="none of 1 images can be used"):
        list(map_shards(acdm.load(forty / "run"), find_images(tmp_path / "bad"), tmp_path / "none", None, 5))
    with pytest.raises(DataError, match="lies within"):
        list(map_shards(acdm.load(forty / "run"), find_images(forty / "images"), forty / "images" / "out", None, 5))
    assert main([*command, "--tile", "16"]) == 2
    assert "leave --axis and --tile out" in capsys.readouterr().err
    (tmp_path / "large").mkdir()
    tifffile.imwrite(tmp_path / "large" / "scene.tif", np.zeros((64, 64), np.uint8))
    with pytest.raises(DataError, match="so large that it is mapped in windows"):
        list(map_shards(acdm.load(forty / "run"), find_images(tmp_path / "large"), tmp_path / "none", None, 5))
