"""Maps lie on their images: georeferenced rasters and volumes through the command line."""

import csv
import json

import numpy as np
import pytest
from extras import installed
from PIL import Image
from small import SMALL

from acdm.cli.app import main

rasterio, nibabel, highdicom = installed("rasterio"), installed("nibabel"), installed("highdicom")


@pytest.mark.skipif(rasterio is None, reason="the geo extra is not installed")
@pytest.mark.parametrize("side", [16, 90])  # whole, and in windows
def test_a_raster_comes_back_on_its_grid_with_its_holes(run, tmp_path, rng, side):
    values = rng.integers(1, 255, (1, side, side + 7), dtype=np.uint8)
    values[:, :3, :4] = 0
    transform = rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000)
    about = {"driver": "GTiff", "count": 1, "height": side, "width": side + 7, "dtype": "uint8", "nodata": 0}
    with rasterio.open(tmp_path / "x.tif", "w", crs="EPSG:32632", transform=transform, **about) as raster:
        raster.write(values)
    assert main(["map", str(run), str(tmp_path / "x.tif"), "-o", str(tmp_path / "out"), "--label", "with"]) == 0
    for name in ("psi1", "contrast", "residual", "evidence"):
        with rasterio.open(tmp_path / "out" / "x.tif" / f"{name}.tif") as raster:
            assert raster.crs.to_epsg() == 32632
            assert raster.transform == transform
            holes = np.isnan(raster.read(1))
        assert holes[:3, :4].all()
        assert holes.sum() == 12


@pytest.mark.skipif(nibabel is None, reason="the medical extra is not installed")
@pytest.mark.parametrize("axis", [0, 2])
def test_a_volume_comes_back_with_its_affine(run, tmp_path, rng, axis):
    affine = np.array([[-2.0, 0, 0, 90], [0, 0, 3, -40], [0, 2.5, 0, 7], [0, 0, 0, 1]])
    volume = rng.random((12, 14, 9)).astype(np.float32) * 255
    nibabel.save(nibabel.Nifti1Image(volume, affine), tmp_path / "v.nii.gz")
    images, out = str(tmp_path / "v.nii.gz"), tmp_path / "out"
    # a run of 8 bit images has no range for floats
    assert main(["map", str(run), images, "-o", str(out), "--axis", str(axis)]) == 2
    nibabel.save(nibabel.Nifti1Image(volume.astype(np.uint8), affine), tmp_path / "v.nii.gz")
    assert main(["map", str(run), images, "-o", str(out), "--axis", str(axis)]) == 0
    for name in ("psi1", "contrast", "residual", "evidence"):
        back = nibabel.load(out / "v.nii.gz" / f"{name}.nii.gz")
        assert back.shape == volume.shape
        np.testing.assert_allclose(back.affine, affine)
    assert len((out / "v.nii.gz" / "slices.csv").read_text().splitlines()) == 1 + volume.shape[axis]


@pytest.mark.skipif(rasterio is None, reason="the geo extra is not installed")
def test_a_raster_segmented_in_windows_has_no_seams(run, tmp_path, rng):
    """At a threshold that all pixels pass, a raster of many windows is one region, and has its hole."""
    values = rng.integers(1, 255, (1, 90, 97), dtype=np.uint8)
    values[:, 30:34, 40:45] = 0
    transform = rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000)
    about = {"driver": "GTiff", "count": 1, "height": 90, "width": 97, "dtype": "uint8", "nodata": 0}
    with rasterio.open(tmp_path / "x.tif", "w", crs="EPSG:32632", transform=transform, **about) as raster:
        raster.write(values)
    out = tmp_path / "out"
    options = ["--map", "residual", "--threshold", "0", "--to", "coco,geojson", "--tile", "16", "--label", "with"]
    assert main(["segment", str(run), str(tmp_path / "x.tif"), "-o", str(out), *options]) == 0
    with rasterio.open(out / "masks" / "x.tif") as mask:
        assert (mask.crs.to_epsg(), mask.transform) == (32632, transform)
        found = mask.read(1) > 0
    assert not found[30:34, 40:45].any()
    (feature,) = json.loads((out / "regions.geojson").read_text())["features"]
    (annotation,) = json.loads((out / "coco.json").read_text())["annotations"]
    assert feature["properties"]["area_px"] == annotation["area"] == found.sum() > 0.9 * found.size
    assert feature["properties"]["area_m2"] == pytest.approx(found.sum() * 0.25, rel=1e-3)


@pytest.mark.skipif(nibabel is None, reason="the medical extra is not installed")
def test_a_volumes_mask_lies_on_the_volume(run, tmp_path, rng):
    affine = np.array([[-2.0, 0, 0, 90], [0, 0, 3, -40], [0, 2.5, 0, 7], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(rng.integers(0, 255, (12, 14, 9), np.uint8), affine), tmp_path / "v.nii.gz")
    options = ["--map", "residual", "--threshold", "0.05", "--axis", "1", "--to", "coco", "--label", "with"]
    assert main(["segment", str(run), str(tmp_path / "v.nii.gz"), "-o", str(tmp_path / "out"), *options]) == 0
    mask = nibabel.load(tmp_path / "out" / "masks" / "v.nii.gz")
    assert mask.shape == (12, 14, 9)
    np.testing.assert_allclose(mask.affine, affine)
    rows = list(csv.DictReader((tmp_path / "out" / "regions.csv").read_text().splitlines()))
    assert {int(row["slice"]) for row in rows} <= set(range(14))
    assert sum(int(row["area"]) for row in rows) == np.count_nonzero(mask.dataobj) > 0
    assert json.loads((tmp_path / "out" / "coco.json").read_text())["images"] == []
    with Image.open(tmp_path / "out" / "outlines" / "v.nii.gz.png") as picture:  # of one slice along axis 1
        assert set(picture.size) == {12, 9}
    assert "outlines/v.nii.gz.png" in (tmp_path / "out" / "index.html").read_text()


@pytest.mark.skipif(highdicom is None, reason="the medical extra is not installed")
def test_a_dicom_image_gets_a_segmentation_that_refers_to_it(toy, tmp_path, rng, capsys):
    from pydicom import dcmread
    from pydicom.data import get_testdata_file

    run, out = tmp_path / "run", tmp_path / "out"
    options = [*SMALL, "--images.range", "-1024", "3071", "--steps", "2"]
    assert main(["train", str(toy), "-o", str(run), *options]) == 0
    scan = get_testdata_file("CT_small.dcm")  # a real one, 128 x 128
    what = ["--to", "dicom-seg", "--threshold", "0", "--label", "with"]
    assert main(["segment", str(run), scan, "-o", str(out), *what]) == 0
    seg = highdicom.seg.segread(out / "dicom-seg" / "CT_small.dcm")
    image = dcmread(scan)
    assert seg.get_source_image_uids() == [(image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID)]
    with Image.open(out / "masks" / "CT_small.png") as mask:
        pixels = seg.get_pixels_by_source_instance([image.SOPInstanceUID], assert_missing_frames_are_empty=True)
        np.testing.assert_array_equal(pixels[0, :, :, 0] > 0, np.asarray(mask) > 0)
    assert str(image.PatientName).encode() not in (out / "dicom-seg" / "CT_small.dcm").read_bytes()
    assert main(["segment", str(run), str(toy / "test"), "-o", str(tmp_path / "b"), *what]) == 2
    assert "--to dicom-seg: no image is a DICOM file" in capsys.readouterr().err
