"""Regions as files that other tools open: COCO, YOLO, Label Studio, CVAT.

Formats: cocodataset.org "Data format"; docs.ultralytics.com "Ultralytics YOLO format"; labelstud.io "Import
pre-annotated data"; docs.cvat.ai "CVAT for images 1.1".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from skimage.measure import approximate_polygon, find_contours

from acdm.data.images.arrays import Mask
from acdm.data.images.grid import GeoGrid, Grid
from acdm.maps.regions import Region

FORMATS = {  # and where each is written
    "coco": "coco.json",
    "yolo": "yolo",
    "label-studio": "label-studio.json",
    "cvat": "cvat.xml",
    "geojson": "regions.geojson",
    "dicom-seg": "dicom-seg",
}
TOLERANCE = 0.5  # pixels that a polygon may leave the mask's outline


@dataclass(frozen=True, kw_only=True)
class Detections:
    """What was found in one image.

    Attributes:
        file: name relative to the images' folder, with forward slashes.
        height, width: of the image in pixels.
        regions: connected parts of the mask.
        grid: where the image lies in the world, if its file says.
        slice: number of the slice in a volume; None for flat images.
        doubt: how unsure the segmenter is (`acdm.maps.doubt.doubts`); None where another map was cut, or windows.
    """

    file: str
    height: int
    width: int
    regions: Sequence[Region]
    grid: Grid | None = None
    slice: int | None = None
    doubt: float | None = None

    @property
    def on_earth(self) -> GeoGrid | None:
        """The grid, where the image says where on the earth it lies."""
        return self.grid if isinstance(self.grid, GeoGrid) and self.grid.crs else None


def coco(found: Sequence[Detections], category: str) -> dict[str, Any]:
    """COCO "instances" with run-length masks, boxes (x, y, width, height), areas in pixels, and scores."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, d in enumerate(found, start=1):
        images.append({"id": image_id, "file_name": d.file, "height": d.height, "width": d.width})
        for region in d.regions:
            top, left, bottom, right = region.box
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": 1,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": region.area,
                    "iscrowd": 0,
                    "score": region.score,
                    "segmentation": _rle(region, d.height, d.width),
                }
            )
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": category}]}


def together(of_each: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One COCO of those of several findings (`coco`), by their names: a category each.

    >>> one = {"images": [{"id": 1, "file_name": "a.png"}], "annotations": [{"id": 1, "image_id": 1, "category_id": 1}]}
    >>> both = together({"spur": one, "open": one})
    >>> [(a["id"], a["image_id"], a["category_id"]) for a in both["annotations"]], len(both["images"])
    ([(1, 1, 1), (2, 1, 2)], 1)
    """
    images: dict[str, dict[str, Any]] = {}
    annotations: list[dict[str, Any]] = []
    for category, found in enumerate(of_each.values(), start=1):
        places = {}
        for image in found["images"]:
            known = images.setdefault(image["file_name"], {**image, "id": len(images) + 1})
            places[image["id"]] = known["id"]
        for annotation in found["annotations"]:
            own = {"id": len(annotations) + 1, "image_id": places[annotation["image_id"]], "category_id": category}
            annotations.append({**annotation, **own})
    categories = [{"id": number, "name": name} for number, name in enumerate(of_each, start=1)]
    return {"images": list(images.values()), "annotations": annotations, "categories": categories}


def yolo(d: Detections) -> str:
    """Labels of one image, a line a box: class 0, then centre and size as shares of the image's width and height."""
    lines = []
    for top, left, bottom, right in (region.box for region in d.regions):
        x, y = (left + right) / 2 / d.width, (top + bottom) / 2 / d.height
        lines.append(f"0 {x:.6f} {y:.6f} {(right - left) / d.width:.6f} {(bottom - top) / d.height:.6f}\n")
    return "".join(lines)


def label_studio(found: Sequence[Detections], category: str, prefix: str = "/data/local-files/?d=") -> list[Any]:
    """Tasks with boxes and polygons as predictions; `label_config` is the interface they belong to.

    Args:
        found: what was found in each image.
        category: name of the label.
        prefix: stands before a file's name: where Label Studio serves the images from.
    """
    tasks = []
    for d in found:
        results = [result for region in d.regions for result in _predictions(region, d, category)]
        score = max((_share(region.score) for region in d.regions), default=0.0)
        prediction = {"model_version": "acdm", "score": score, "result": results}
        tasks.append({"data": {"image": prefix + quote(d.file)}, "predictions": [prediction]})
    return tasks


def label_config(category: str) -> str:
    """Label Studio's labelling interface for `label_studio`."""
    view = ET.Element("View")
    ET.SubElement(view, "Image", name="image", value="$image")
    for kind, name in (("RectangleLabels", "box"), ("PolygonLabels", "polygon")):
        ET.SubElement(ET.SubElement(view, kind, name=name, toName="image"), "Label", value=_text(category))
    ET.indent(view)
    return ET.tostring(view, encoding="unicode") + "\n"  # no declaration: Label Studio's SDK stops at one


def cvat(found: Sequence[Detections], category: str) -> str:
    """CVAT for images 1.1: a box and a mask a region."""
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    category = _text(category)
    task = ET.SubElement(ET.SubElement(root, "meta"), "task")
    for name, value in (("id", "1"), ("name", "acdm"), ("size", str(len(found))), ("mode", "annotation")):
        ET.SubElement(task, name).text = value
    label = ET.SubElement(ET.SubElement(task, "labels"), "label")
    ET.SubElement(label, "name").text = category
    ET.SubElement(label, "attributes")
    for number, d in enumerate(found):
        size = {"width": str(d.width), "height": str(d.height)}
        image = ET.SubElement(root, "image", {"id": str(number), "name": _text(d.file), **size})
        for region in d.regions:
            top, left, bottom, right = region.box
            about = {"label": category, "source": "auto", "occluded": "0", "z_order": "0"}
            corners = {"xtl": str(left), "ytl": str(top), "xbr": str(right), "ybr": str(bottom)}
            ET.SubElement(image, "box", {**about, **corners})
            place = {"left": str(left), "top": str(top), "width": str(right - left), "height": str(bottom - top)}
            runs = ", ".join(str(run) for run in _runs(region.mask.ravel()))
            ET.SubElement(image, "mask", {**about, **place, "rle": runs})
    return _xml(root)


def _rle(region: Region, height: int, width: int) -> dict[str, Any]:
    """COCO's compressed run lengths, column by column, without ever making a mask of the whole image."""
    top, left = region.box[:2]
    columns, rows = np.nonzero(region.mask.T)
    flat = (columns + left) * height + rows + top  # ascending
    breaks = np.flatnonzero(np.diff(flat) > 1) + 1
    starts, ends = flat[np.r_[0, breaks]], flat[np.r_[breaks - 1, len(flat) - 1]] + 1
    edges = np.r_[0, np.stack([starts, ends], axis=1).ravel(), height * width]
    counts = np.diff(edges).tolist()
    packed = coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return {"size": [height, width], "counts": packed["counts"].decode("ascii")}


def _runs(flat: NDArray[np.bool_]) -> list[int]:
    """Lengths of runs in a mask; the first run is of false pixels, possibly of none."""
    edges = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff(np.r_[0, edges, len(flat)]).tolist()
    return [0, *lengths] if flat[0] else lengths


def _predictions(region: Region, d: Detections, category: str) -> list[dict[str, Any]]:
    common = {"to_name": "image", "original_width": d.width, "original_height": d.height, "image_rotation": 0}
    top, left, bottom, right = region.box
    across, down = 100 / d.width, 100 / d.height  # per cent of the image
    box = {
        "x": left * across, "y": top * down, "width": (right - left) * across, "height": (bottom - top) * down,
        "rotation": 0, "rectanglelabels": [category],
    }  # fmt: skip
    points = [[(left + x) * across, (top + y) * down] for y, x in outline(region.mask)]
    polygon = {"points": points, "polygonlabels": [category]}
    return [
        {**common, "type": "rectanglelabels", "from_name": "box", "score": _share(region.score), "value": box},
        {**common, "type": "polygonlabels", "from_name": "polygon", "score": _share(region.score), "value": polygon},
    ]


def _share(score: float) -> float:
    """A score as Label Studio takes it, at most 1; psi1 and contrast reach 2 where black becomes white."""
    return min(score, 1.0)


def outline(mask: Mask) -> NDArray[np.float64]:
    """The longest outline of a mask (H, W), as (row, column) corners between pixels, from 0 to H and to W."""
    padded = np.pad(mask.astype(float), 1)
    longest = max(find_contours(padded, 0.5), key=len)  # centres of pixels; one off for the padding
    corners = approximate_polygon(longest, TOLERANCE)[:-1] - 0.5
    if len(corners) < 3:  # a line of pixels
        height, width = mask.shape
        corners = np.array([[0, 0], [0, width], [height, width], [height, 0]], float)
    return np.asarray(np.clip(corners, 0, mask.shape))


def _text(words: str) -> str:
    """Words without the characters that XML cannot hold (XML 1.0, 2.2)."""
    return "".join(
        c if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff" else "�" for c in words
    )


def _xml(root: ET.Element) -> str:
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
