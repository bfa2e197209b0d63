"""Masks and boxes of many images as files."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from statistics import mode

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from acdm.core.config import DEFAULT_MAP, MapName
from acdm.core.files import write_bytes, write_json, write_text
from acdm.core.tables import csv_text
from acdm.data.images.dicom import dicom_seg, is_dicom
from acdm.data.images.nifti import nifti
from acdm.data.images.read import suffix
from acdm.data.images.write import png
from acdm.errors import ConfigError, DataError
from acdm.maps.decomposer import Decomposer
from acdm.maps.decomposition import Decomposition
from acdm.maps.jobs.annotations import Detections, coco, cvat, label_config, label_studio, yolo
from acdm.maps.jobs.geojson import geojson, square_metres
from acdm.maps.jobs.volumes import decomposed, is_volume
from acdm.maps.jobs.windows import claimed, large_geotiff, opened, side_of_windows
from acdm.maps.jobs.worklist import Outcome, find_images, sweep
from acdm.maps.pictures import outlined
from acdm.maps.regions import cut, painted, regions_of, tidied
from acdm.maps.segmentation import Refine, Segmentation, segment


@dataclass(frozen=True)
class Recipe:
    """How masks are made.

    Attributes:
        map: psi1, contrast, residual or evidence.
        rule: default, negatives, otsu, two-means, or a number.
        min_area: in pixels; None takes what the run takes for a speck.
        refine: by edges of the image, and how.
        axis: that volumes are cut along.
        tile: side of the windows that large TIFFs are taken in; None takes the training images' side.
    """

    map: MapName = DEFAULT_MAP
    rule: str = "default"
    min_area: int | None = None
    refine: Refine = "none"
    axis: int = 2
    tile: int | None = None


def segment_folder(
    decomposer: Decomposer,
    images: Path,
    out: Path,
    label: str | None,
    recipe: Recipe,
    formats: Sequence[str],
    tell: Callable[[str], None] = lambda facts: None,
) -> Iterator[Outcome]:
    """Segment every image below `images` (or one file) into `out`; tells of each as it is done.

    `masks/` holds a mask an image (PNG; NIfTI for volumes, GeoTIFF for rasters taken in windows), `outlines/` a picture
    of each flat image taken whole, `regions.csv` a line a region, `segment.csv` what became of each image; further
    files by `formats` (`acdm.maps.jobs.annotations.FORMATS`), without volumes, for which they have no room.

    Raises:
        DataError: as `sweep`, and when there is no such class.
        ConfigError: when there is no such rule, or a format is asked for that no image allows.
    """
    decomposer.insist_ready(label)
    decomposer.calibration[recipe.map].at(recipe.rule)
    root, paths = find_images(images)
    if "dicom-seg" in formats and not any(map(is_dicom, paths)):
        raise ConfigError("--to dicom-seg: no image is a DICOM file, which a segmentation could refer to")
    names = _mask_names([path.relative_to(root).as_posix() for path in paths])
    found: list[Detections] = []

    def job(path: Path, name: str) -> str:
        if is_volume(path):
            detections, decided = _segment_volume(decomposer, path, name, out, label, recipe)
        elif side := side_of_windows(decomposer, path, recipe.tile):
            detections, decided = _segment_raster(decomposer, path, name, out, label, recipe, side, tell)
        else:
            d = decomposer.decompose(path, label)
            segmented = _segment(d, recipe)
            if "dicom-seg" in formats and is_dicom(path):
                content = dicom_seg(path, segmented.mask, decomposer.classes[1])
                write_bytes((out / "dicom-seg" / names[name]).with_suffix(".dcm"), content)
            _write_pictures(out, names[name], d.image, segmented)
            height, width = segmented.mask.shape
            detections, decided = [Detections(name, height, width, segmented.regions, d.grid)], d.label
        found.extend(detections)
        return decided

    yield from sweep(images, out, "segment.csv", job)
    _write_regions(out, found)
    _write_formats(out, [d for d in found if d.slice is None], decomposer.classes[1], formats, names)


def _segment(d: Decomposition, recipe: Recipe) -> Segmentation:
    return segment(d.maps()[recipe.map], recipe.rule, min_area=recipe.min_area, refine=recipe.refine, image=d.image)


def _segment_volume(
    decomposer: Decomposer, path: Path, name: str, out: Path, label: str | None, recipe: Recipe
) -> tuple[list[Detections], str]:
    """The mask on the volume's grid; regions slice by slice, and the class most slices are of."""
    grid, slices = decomposed(decomposer, path, label, recipe.axis)
    masks, found, labels = [], [], []
    for number, d in enumerate(slices):
        segmented = _segment(d, recipe)
        masks.append(segmented.mask[None].astype(np.uint8))
        labels.append(d.label)
        height, width = segmented.mask.shape
        found.append(Detections(name, height, width, segmented.regions, grid, number))
    write_bytes(out / "masks" / f"{name.removesuffix(suffix(path))}.nii.gz", nifti(np.stack(masks), grid))
    return found, mode(labels)


def _segment_raster(
    decomposer: Decomposer,
    path: Path,
    name: str,
    out: Path,
    label: str | None,
    recipe: Recipe,
    side: int,
    tell: Callable[[str], None],
) -> tuple[list[Detections], str]:
    """The mask on the raster's grid; parts that lie in several bands of windows are one region."""
    if recipe.refine != "none":
        raise DataError(f"{path}: is taken in windows, which cannot be refined; leave --refine out for it")
    known = decomposer.calibration[recipe.map]
    threshold = known.at(recipe.rule)

    def draw(d: Decomposition) -> dict[str, NDArray[np.floating]]:
        return {"scores": known.scores(claimed(d)[recipe.map])[None]}

    with opened(decomposer, path, draw, label, side) as raster:
        scored = ((top, drawn["scores"][0], valid) for top, drawn, valid in raster.bands(tell))
        regions = regions_of((top, cut(scores, threshold) & valid, scores) for top, scores, valid in scored)
        regions = tidied(regions, known.least(side, side) if recipe.min_area is None else recipe.min_area)
        with large_geotiff(out / "masks" / name, raster, 1, "uint8", None) as write:
            for top in range(0, raster.height, side):
                rows = min(raster.height, top + side)
                write(top, painted(regions, top, rows, raster.width)[None] * np.uint8(255))
    return [Detections(name, raster.height, raster.width, regions, raster.grid)], raster.label


def _mask_names(names: list[str]) -> dict[str, str]:
    """a/b.jpg becomes a/b.png, where no other image would become the same, else a/b.jpg.png."""
    short = {name: PurePosixPath(name).with_suffix(".png").as_posix() for name in names}
    taken = Counter(short.values())
    return {name: mask if taken[mask] == 1 else f"{name}.png" for name, mask in short.items()}


def _write_pictures(out: Path, name: str, image: Tensor, segmented: Segmentation) -> None:
    write_bytes(out / "masks" / name, png(segmented.mask.astype(np.uint8) * 255))
    write_bytes(out / "outlines" / name, png(outlined(image, segmented.mask, segmented.boxes)))


def _write_regions(out: Path, found: list[Detections]) -> None:
    head = ("file", "slice", "top", "left", "bottom", "right", "area", "area_m2", "score")
    rows = []
    for d in found:
        for region in d.regions:
            metres = f"{square_metres(region, d.on_earth):.6g}" if d.on_earth else ""
            place = "" if d.slice is None else d.slice
            values = (d.file, place, *region.box, region.area, metres, f"{region.score:.6g}")
            rows.append(dict(zip(head, values, strict=True)))
    write_text(out / "regions.csv", csv_text(rows) if rows else ",".join(head) + "\n")


def _write_formats(
    out: Path, found: list[Detections], category: str, formats: Sequence[str], names: dict[str, str]
) -> None:
    if "coco" in formats:
        write_json(out / "coco.json", coco(found, category))
    if "yolo" in formats:
        write_text(out / "yolo" / "classes.txt", category + "\n")
        for d in found:
            write_text((out / "yolo" / "labels" / names[d.file]).with_suffix(".txt"), yolo(d))
    if "label-studio" in formats:
        write_json(out / "label-studio.json", label_studio(found, category))
        write_text(out / "label-studio-config.xml", label_config(category))
    if "cvat" in formats:
        write_text(out / "cvat.xml", cvat(found, category))
    if "geojson" in formats:
        if not any(d.on_earth for d in found):
            raise ConfigError("--to geojson: no image says where on the earth it lies; the other files are written")
        write_json(out / "regions.geojson", geojson(found, category))
