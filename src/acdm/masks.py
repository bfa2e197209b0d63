"""Masks and boxes of many images as files."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from torch import Tensor

from acdm.decompose import Decomposer
from acdm.detect import Detections, coco, cvat, label_config, label_studio, yolo
from acdm.figure import outlined
from acdm.files import write_bytes, write_json, write_text
from acdm.images.write import png
from acdm.segmentation import Refine, Segmentation, segment
from acdm.sweep import Outcome, find_images, sweep
from acdm.tables import csv_text


@dataclass(frozen=True)
class Recipe:
    """How masks are made.

    Attributes:
        map: psi1, contrast or residual.
        rule: default, negatives, otsu, two-means, or a number.
        min_area: in pixels.
        refine: by edges of the image, and how.
    """

    map: str = "contrast"
    rule: str = "default"
    min_area: int = 0
    refine: Refine = "none"


def segment_folder(
    decomposer: Decomposer, images: Path, out: Path, label: str | None, recipe: Recipe, formats: Sequence[str]
) -> Iterator[Outcome]:
    """Segment every image below `images` (or one file) into `out`; tells of each as it is done.

    `masks/` and `outlines/` hold a PNG an image, `regions.csv` a line a region, `segment.csv` what became of each
    image; further files by `formats` (`acdm.detect.FORMATS`).

    Raises:
        DataError: as `sweep`, and when there is no such class.
        ConfigError: when there is no such rule.
    """
    decomposer.insist_finished()
    if label is not None:
        decomposer.index(label)
    decomposer.calibration[recipe.map].at(recipe.rule)
    root, paths = find_images(images)
    names = _mask_names([path.relative_to(root).as_posix() for path in paths])
    found: list[Detections] = []

    def job(path: Path, name: str) -> str:
        d = decomposer.decompose(path, label)
        cut = segment(d.maps()[recipe.map], recipe.rule, min_area=recipe.min_area, refine=recipe.refine, image=d.image)
        _write_pictures(out, names[name], d.image, cut)
        height, width = cut.mask.shape
        found.append(Detections(name, height, width, cut.regions))
        return d.label

    yield from sweep(images, out, "segment.csv", job)
    _write_regions(out, found)
    _write_formats(out, found, decomposer.classes[1], formats, names)


def _mask_names(names: list[str]) -> dict[str, str]:
    """a/b.jpg becomes a/b.png, where no other image would become the same, else a/b.jpg.png."""
    short = {name: PurePosixPath(name).with_suffix(".png").as_posix() for name in names}
    taken = Counter(short.values())
    return {name: mask if taken[mask] == 1 else f"{name}.png" for name, mask in short.items()}


def _write_pictures(out: Path, name: str, image: Tensor, cut: Segmentation) -> None:
    write_bytes(out / "masks" / name, png(cut.mask.astype(np.uint8) * 255))
    write_bytes(out / "outlines" / name, png(outlined(image, cut.mask, cut.boxes)))


def _write_regions(out: Path, found: list[Detections]) -> None:
    head = {"file": "", "top": 0, "left": 0, "bottom": 0, "right": 0, "area": 0, "score": 0.0}
    rows = [
        dict(zip(head, (d.file, *region.box, region.area, f"{region.score:.6g}"), strict=True))
        for d in found
        for region in d.regions
    ]
    if rows:
        write_text(out / "regions.csv", csv_text(rows))
    else:
        write_text(out / "regions.csv", ",".join(head) + "\n")


def _write_formats(
    out: Path, found: list[Detections], category: str, formats: Sequence[str], names: dict[str, str]
) -> None:
    if "coco" in formats:
        write_json(out / "coco.json", coco(found, category))
    if "yolo" in formats:
        write_text(out / "yolo" / "classes.txt", category + "\n")
        for d in found:
            write_text((out / "yolo" / names[d.file]).with_suffix(".txt"), yolo(d))
    if "label-studio" in formats:
        write_json(out / "label-studio.json", label_studio(found, category))
        write_text(out / "label-studio-config.xml", label_config(category))
    if "cvat" in formats:
        write_text(out / "cvat.xml", cvat(found, category))
