import io
import json
from contextlib import redirect_stdout
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from acdm.maps.jobs.annotations import Detections, coco, cvat, label_config, label_studio, outline, yolo
from acdm.maps.regions import regions_of


@pytest.fixture
def mask(rng):
    """Irregular parts, some of them at the borders."""
    noise = rng.random((30, 45))
    mask = noise > 0.7
    mask[0, 0] = mask[-1, -1] = True
    return mask


@pytest.fixture
def found(mask):
    regions = regions_of([(0, mask, np.random.default_rng(1).random(mask.shape))])
    return Detections(file="a/b.png", height=mask.shape[0], width=mask.shape[1], regions=regions)


def test_pycocotools_reads_back_every_mask(found, mask, tmp_path):
    (tmp_path / "coco.json").write_text(json.dumps(coco([found], "crack")))
    with redirect_stdout(io.StringIO()):
        read = COCO(str(tmp_path / "coco.json"))
    annotations = read.loadAnns(read.getAnnIds())
    assert len(annotations) == len(found.regions) > 10
    together = np.zeros(mask.shape, int)
    for annotation in annotations:
        own = read.annToMask(annotation)
        together += own
        assert own.sum() == annotation["area"]
        assert coco_mask.toBbox(annotation["segmentation"]).tolist() == annotation["bbox"]
    assert (together == mask).all()


def test_yolo_boxes_are_shares_of_the_image(found):
    for line, region in zip(yolo(found).splitlines(), found.regions, strict=True):
        name, x, y, w, h = line.split()
        top, left, bottom, right = region.box
        assert name == "0"
        assert float(x) * 45 == pytest.approx((left + right) / 2, abs=1e-3)
        assert float(y) * 30 == pytest.approx((top + bottom) / 2, abs=1e-3)
        assert (float(w) * 45, float(h) * 30) == pytest.approx((right - left, bottom - top), abs=1e-3)


def test_cvat_runs_draw_the_masks_again(found, mask):
    root = ET.fromstring(cvat([found], "crack & flaw"))
    (image,) = root.findall("image")
    assert (image.get("name"), image.get("width"), image.get("height")) == ("a/b.png", "45", "30")
    together = np.zeros(mask.shape, bool)
    for part in image.findall("mask"):
        assert part.get("label") == "crack & flaw"
        left, top, width, height = (int(part.get(k)) for k in ("left", "top", "width", "height"))
        runs = [int(run) for run in part.get("rle").split(",")]
        flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        assert len(flat) == width * height
        together[top : top + height, left : left + width] |= flat.reshape(height, width)
    assert (together == mask).all()


def test_label_studio_results_name_the_controls_of_the_interface(found):
    controls = {e.get("name"): e.tag.lower() for e in ET.fromstring(label_config("crack")) if e.tag != "Image"}
    (task,) = label_studio([found], "crack")
    assert task["data"]["image"].endswith("a/b.png")
    results = task["predictions"][0]["result"]
    assert len(results) == 2 * len(found.regions)
    for result in results:
        assert controls[result["from_name"]] == result["type"]
        assert result["value"][result["type"]] == ["crack"]
    boxes = [r["value"] for r in results if r["type"] == "rectanglelabels"]
    for box, region in zip(boxes, found.regions, strict=True):
        top, left, bottom, right = region.box
        assert (box["x"], box["width"]) == pytest.approx((100 * left / 45, 100 * (right - left) / 45))
        assert (box["y"], box["height"]) == pytest.approx((100 * top / 30, 100 * (bottom - top) / 30))


def test_the_outline_of_a_rectangle_is_its_corners():
    """Up to half a pixel that the contour cuts from each corner."""
    points = outline(np.ones((6, 9), bool))
    for corner in ((0, 0), (0, 9), (6, 0), (6, 9)):
        assert np.abs(points - corner).sum(axis=1).min() <= 1
    assert points.min() >= 0
    assert (points <= (6, 9)).all()


def test_an_image_without_regions_is_listed_all_the_same():
    nothing = Detections(file="c.png", height=10, width=10, regions=[])
    assert coco([nothing], "x")["annotations"] == []
    assert yolo(nothing) == ""
    assert label_studio([nothing], "x")[0]["predictions"][0]["result"] == []
    assert ET.fromstring(cvat([nothing], "x")).find("image").get("name") == "c.png"
