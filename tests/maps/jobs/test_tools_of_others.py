"""Files for annotation tools, loaded by the libraries of these tools.

They want other versions of numpy and pandas than acdm's own environment has, so `scripts/setup dev` gives them an
environment beside it, .venv-tools.
"""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from acdm.maps.jobs.annotations import Detections, cvat, label_config, label_studio
from acdm.maps.regions import regions_of

PYTHON = Path(__file__).parents[3] / ".venv-tools/bin/python"
READER = Path(__file__).with_name("read_by_tools.py")
NAMES = ("a b/lesion #1.png", "x&y=1+2.png", "ü/50%.png", "<none>.png")
LABEL = "crack & <flaw>"

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="needs .venv-tools: scripts/setup dev")


@pytest.fixture(scope="module")
def mask():
    return gaussian_filter(np.random.default_rng(0).random((60, 90)), 3) > 0.52


@pytest.fixture(scope="module")
def found(mask):
    """Several images, the last one without regions; maps that are louder than 1, as psi1 can be."""
    regions = regions_of([(0, mask, np.where(mask, 1.5, 0.0))])
    return [Detections(file=n, height=60, width=90, regions=[] if "none" in n else regions) for n in NAMES]


def read(tool: str, folder: Path):
    done = subprocess.run([PYTHON, READER, tool, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_label_studio_takes_interface_and_predictions(found, tmp_path):
    (tmp_path / "label-studio.json").write_text(json.dumps(label_studio(found, LABEL)), encoding="utf-8")
    (tmp_path / "label-studio-config.xml").write_text(label_config(LABEL), encoding="utf-8")
    assert read("label-studio", tmp_path) == [[], [], [], []]


def test_cvat_finds_the_images_boxes_and_masks(found, mask, tmp_path):
    for each in found:
        path = tmp_path / "images" / each.file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((60, 90), np.uint8)).save(path)
    (tmp_path / "cvat.xml").write_text(cvat(found, LABEL), encoding="utf-8")
    seen = read("cvat", tmp_path)
    assert set(seen) == {name.removesuffix(".png") for name in NAMES}
    for each in found:
        item = seen[each.file.removesuffix(".png")]
        corners = [region.box for region in each.regions]
        assert item["labels"] == [LABEL]
        assert item["boxes"] == [[left, top, right - left, bottom - top] for top, left, bottom, right in corners]
        assert item["union"] == (mask.tolist() if each.regions else [])
