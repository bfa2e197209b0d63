"""`--only object`: the segmenter without the branches says what it says beside them."""

import shutil
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from PIL import Image

import acdm
from acdm.cli.app import main
from acdm.core.config import Reading
from acdm.errors import RunError
from acdm.maps.jobs.folders import map_folder
from acdm.maps.jobs.worklist import MapOptions, find_images
from acdm.maps.loading import load


@pytest.fixture
def images(forty, tmp_path, rng):
    """A picture of the run's size, and a large one that is taken in windows."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name, shape in (("one", (16, 16)), ("large", (40, 48))):
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(folder / f"{name}.png")
    return folder


def test_its_maps_are_those_of_the_whole_run(forty, images, tmp_path):
    run, whole, alone = map(str, (forty / "run", tmp_path / "whole", tmp_path / "alone"))
    assert main(["map", run, str(images), "-o", whole, "--label", "with"]) == 0
    assert main(["map", run, str(images), "-o", alone, "--label", "with", "--only", "object"]) == 0
    for name in ("one.png", "large.png"):
        one, two = (np.load(f"{folder}/{name}/object.npy") for folder in (whole, alone))
        np.testing.assert_allclose(one, two, atol=1e-6)
    assert {path.stem for path in (tmp_path / "alone/one.png").glob("*.npy")} == {"object"}


def test_a_volume_s_too(forty, tmp_path, rng):
    values = rng.integers(0, 256, (16, 16, 3)).astype(np.int16)
    (tmp_path / "images").mkdir()
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "images/v.nii.gz")
    drawn = []
    for alone in (False, True):
        model = replace(load(forty / "run", alone), reading=Reading(range=((0, 255),)))
        out = tmp_path / str(alone)
        list(map_folder(model, find_images(tmp_path / "images"), out, MapOptions(label="with")))
        drawn.append(nibabel.load(out / "v.nii.gz/object.nii.gz").get_fdata())
        assert (out / "v.nii.gz/strip.png").is_file()
    np.testing.assert_allclose(*drawn, atol=1e-6)
    assert not (tmp_path / "True/v.nii.gz/psi1.nii.gz").exists()


def test_another_request_maps_anew_in_the_same_folder(forty, images, tmp_path):
    for only in ([], ["--only", "object"], ["--only", "object"]):
        assert main(["map", str(forty / "run"), str(images), "-o", str(tmp_path / "out"), *only]) == 0
    assert (tmp_path / "out/one.png/object.npy").is_file()


def test_masks_of_object_are_cut_without_branches(forty, images, tmp_path, monkeypatch):
    model = acdm.load(forty / "run")
    image = images / "one.png"
    expected = acdm.segment(model.decompose(image, "with").object, 0.4).mask
    monkeypatch.setattr("acdm.method.branches.Branches.forward", lambda *_: pytest.fail("branches were computed"))
    command = ["segment", str(forty / "run"), str(image), "-o", str(tmp_path / "out"), "--map", "object"]
    assert main([*command, "--threshold", "0.4", "--label", "with"]) == 0
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out/masks/one.png")) > 0, expected)


def test_a_run_without_a_segmenter_has_nothing_to_draw_alone(forty, tmp_path):
    shutil.copytree(forty / "run", tmp_path / "run")
    (tmp_path / "run/segmenter.safetensors").unlink()
    with pytest.raises(RunError, match="no map 'object'"):
        load(tmp_path / "run", alone=True)
