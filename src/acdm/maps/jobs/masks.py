"""Masks and boxes of many images as files."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from statistics import mode

import numpy as np
import torch

from acdm.core.config import TAUGHT, MapName
from acdm.core.files import write_bytes, write_json, write_text
from acdm.core.progress import QUIET, Progress
from acdm.core.tables import cell, csv_text
from acdm.data.images.arrays import Floats
from acdm.data.images.dicom import dicom_seg, is_dicom
from acdm.data.images.nifti import nifti
from acdm.data.images.read import suffix
from acdm.data.images.write import png
from acdm.errors import ConfigError, DataError, PartialError
from acdm.maps.decomposer import Decomposer
from acdm.maps.decomposition import Decomposition
from acdm.maps.doubt import doubts, look_first
from acdm.maps.jobs.annotations import FORMATS, Detections, coco, cvat, label_config, label_studio, yolo
from acdm.maps.jobs.geojson import geojson, square_metres
from acdm.maps.jobs.volumes import decompose_volume, is_volume
from acdm.maps.jobs.windows import claimed_maps, is_tiff, large_geotiff, opened, side_of_windows
from acdm.maps.jobs.worklist import ImageFiles, ImageOutcome, MapOptions, work_through
from acdm.maps.pictures import outlined
from acdm.maps.regions import above, mask_of
from acdm.maps.segmentation import Refine, Segmentation, objects_of, segment


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How masks are made of maps.

    Attributes:
        map: a name in `acdm.core.config.MAPS`; None takes the run's default map.
        rule: default, negatives, otsu, two-means, or a number.
        min_area: pixels that a part has at least; None takes what the run takes for a speck.
        refine: whether borders are moved to edges of the image, and how.
        formats: names in `acdm.maps.jobs.annotations.FORMATS`.
    """

    map: MapName | None = None
    rule: str = "default"
    min_area: int | None = None
    refine: Refine = "none"
    formats: tuple[str, ...] = ("coco",)


@dataclass(frozen=True, kw_only=True)
class _Masks:
    """What the masks of one command are made with."""

    decomposer: Decomposer
    out: Path
    options: MapOptions
    map: MapName
    recipe: Recipe
    mask_names: dict[str, str]
    progress: Progress

    def segment(self, path: Path, name: str) -> tuple[list[Detections], str]:
        """Write an image's mask; returns its regions and class."""
        if is_volume(path):
            return self._segment_volume(path, name)
        if side := side_of_windows(self.decomposer, path, self.options.tile):
            return self._segment_raster(path, name, side)
        d = self.decomposer.decompose(path, self.options.label)
        segmented = self._cut(d)
        if "dicom-seg" in self.recipe.formats and is_dicom(path):
            content = dicom_seg(path, segmented.mask, self.decomposer.classes[1])
            write_bytes((self.out / "dicom-seg" / self.mask_names[name]).with_suffix(".dcm"), content)
        write_bytes(self.out / "masks" / self.mask_names[name], png(segmented.mask.astype(np.uint8) * 255))
        outlines = outlined(d.image, segmented.mask, segmented.boxes)
        write_bytes(self.out / outlines_of(self.mask_names[name]), png(outlines))
        return [_detections(name, segmented, d)], d.label

    def _cut(self, d: Decomposition) -> Segmentation:
        r = self.recipe
        return segment(d.maps()[self.map], r.rule, min_area=r.min_area, refine=r.refine, image=d.image)

    def _segment_volume(self, path: Path, name: str) -> tuple[list[Detections], str]:
        """The mask on the volume's grid; regions slice by slice, and the class most slices are of.

        The picture is of the slice where most is marked; where nothing is, of the one with the most contrast.
        """
        grid, slices = decompose_volume(self.decomposer, path, self.options)
        masks, found, labels = [], [], []
        most, picture = (-1, 0.0), b""
        for number, d in enumerate(slices):
            segmented = self._cut(d)
            masks.append(segmented.mask[None].astype(np.uint8))
            labels.append(d.label)
            found.append(_detections(name, segmented, replace(d, grid=grid), number))
            seen = int(segmented.mask.sum()), float(d.image.std())
            if seen > most:
                most, picture = seen, png(outlined(d.image, segmented.mask, segmented.boxes))
        write_bytes(self.out / "masks" / self.mask_names[name], nifti(np.stack(masks), grid))
        write_bytes(self.out / outlines_of(self.mask_names[name]), picture)
        return found, mode(labels)

    def _segment_raster(self, path: Path, name: str, side: int) -> tuple[list[Detections], str]:
        """The mask on the raster's grid; parts that lie in several bands of windows are one region."""
        recipe = self.recipe
        if recipe.refine != "none":
            raise DataError(f"{path}: is taken in windows, which cannot be refined; leave --refine out for it")
        known = self.decomposer.calibration[self.map]
        threshold = known.threshold_for(recipe.rule)

        def draw(d: Decomposition) -> dict[str, Floats]:
            return {"scores": known.scores(claimed_maps(d)[self.map])[None]}

        with opened(self.decomposer, path, draw, self.options.label, side) as raster:
            scored = ((top, drawn["scores"][0], valid) for top, drawn, valid in raster.bands(self.progress))
            bands = ((top, above(scores, threshold) & valid, scores) for top, scores, valid in scored)
            least = known.min_area(side, side) if recipe.min_area is None else recipe.min_area
            regions = objects_of(bands, known, least)
            if is_tiff(path):
                with large_geotiff(self.out / "masks" / name, raster, 1, "uint8", None) as write:
                    for top in range(0, raster.height, side):
                        rows = min(raster.height, top + side)
                        write(top, mask_of(regions, top, rows, raster.width)[None] * np.uint8(255))
            else:
                mask = mask_of(regions, 0, raster.height, raster.width)
                write_bytes(self.out / "masks" / self.mask_names[name], png(mask * np.uint8(255)))
                outlines = outlined(torch.from_numpy(raster.whole()), mask, [region.box for region in regions])
                write_bytes(self.out / outlines_of(self.mask_names[name]), png(outlines))
        found = Detections(file=name, height=raster.height, width=raster.width, regions=regions, grid=raster.grid)
        return [found], raster.label


def segment_folder(
    decomposer: Decomposer,
    files: ImageFiles,
    out: Path,
    options: MapOptions,
    recipe: Recipe,
    progress: Progress = QUIET,
) -> Iterator[ImageOutcome]:
    """Segment every image into `out`; tells of each as it is done.

    `masks/` holds a mask an image (PNG; NIfTI for volumes, GeoTIFF for rasters taken in windows), `outlines/` a picture
    of each image but the last (of a volume its loudest slice), `regions.csv` a line a region, `segment.csv` what became
    of each image; where the segmenter's map is cut, `look-first.csv` lists images and slices, the least sure first;
    further files by `recipe.formats`, without volumes, for which they have no room.

    Raises:
        DataError: as `work_through`, and when there is no such class.
        RunError: when the run does not draw the map.
        ConfigError: when there is no such rule, or a format is asked for that no image allows.
        PartialError: when all is written but a format that no image allows.
    """
    decomposer.require_ready(options.label)
    shown = decomposer.require_map(recipe.map)
    if shown == TAUGHT:
        decomposer = decomposer.with_the_segmenter_alone()
    decomposer.calibration[shown].threshold_for(recipe.rule)
    if "dicom-seg" in recipe.formats and not any(map(is_dicom, files.paths.values())):
        raise ConfigError("--to dicom-seg: no image is a DICOM file, which a segmentation could refer to")
    names, found = mask_names(files.paths), list[Detections]()
    masks = _Masks(
        decomposer=decomposer, out=out, options=options, map=shown, recipe=recipe, mask_names=names, progress=progress
    )

    def job(path: Path, name: str) -> str:
        detections, decided = masks.segment(path, name)
        found.extend(detections)
        return decided

    yield from work_through(files, out, "segment.csv", job)
    _write_regions(out, found)
    if decomposer.alone:
        write_text(
            out / "look-first.csv", look_first([(d.file, d.slice, d.doubt) for d in found if d.doubt is not None])
        )
    category = " ".join(decomposer.classes[1].split())  # a line break would make two classes of one
    _write_formats(out, [d for d in found if d.slice is None], category, recipe.formats, names)


def _detections(name: str, segmented: Segmentation, d: Decomposition, number: int | None = None) -> Detections:
    height, width = segmented.mask.shape
    doubt = None if d.branched else float(doubts(d.object[None], torch.tensor([d.positive])))
    return Detections(
        file=name, height=height, width=width, regions=segmented.regions, grid=d.grid, slice=number, doubt=doubt
    )


def mask_names(names: Iterable[str]) -> dict[str, str]:
    """A name of its own for each image's mask: a/b.jpg becomes a/b.png, or a/b.jpg.png where that would be another's.

    >>> mask_names(["a.jpg", "a.jpg.png", "a.png", "s.nii", "s.nii.gz"])  # doctest: +NORMALIZE_WHITESPACE
    {'a.jpg': 'a.jpg.png.png', 'a.jpg.png': 'a.jpg.png', 'a.png': 'a.png', 's.nii': 's.nii.nii.gz',
     's.nii.gz': 's.nii.gz'}
    """
    names = list(names)
    own = {name: _mask_name(name) for name in names}
    taken = {name for name in names if own[name] == name}  # images that have the mask's name already
    counts = Counter(own.values())
    given: dict[str, str] = {}
    for name in names:
        mask = own[name]
        if mask != name and (counts[mask] > 1 or mask in taken):
            mask = name + _ending(name)
            while mask in taken:
                mask += _ending(name)
        taken.add(mask)
        given[name] = mask
    return given


def outlines_of(mask: str) -> str:
    """Name the picture of an image by the name of its mask.

    >>> outlines_of("a/b.png"), outlines_of("s.nii.gz")
    ('outlines/a/b.png', 'outlines/s.nii.gz.png')
    """
    return f"outlines/{mask}" + ("" if mask.endswith(".png") else ".png")


def _ending(name: str) -> str:
    return ".nii.gz" if name.lower().endswith((".nii", ".nii.gz")) else ".png"


def _mask_name(name: str) -> str:
    if _ending(name) == ".png":
        return PurePosixPath(name).with_suffix(".png").as_posix()
    return f"{name.removesuffix(suffix(PurePosixPath(name)))}.nii.gz"


def _write_regions(out: Path, found: list[Detections]) -> None:
    head = ("file", "slice", "top", "left", "bottom", "right", "area", "area_m2", "score")
    rows = []
    for d in found:
        for region in d.regions:
            area = square_metres(region, d.on_earth) if d.on_earth else None
            metres = "" if area is None else f"{area:.6g}"
            place = "" if d.slice is None else d.slice
            values = (cell(d.file), place, *region.box, region.area, metres, f"{region.score:.6g}")
            rows.append(dict(zip(head, values, strict=True)))
    write_text(out / "regions.csv", csv_text(rows) if rows else ",".join(head) + "\n")


def _write_formats(
    out: Path, found: list[Detections], category: str, formats: Sequence[str], names: dict[str, str]
) -> None:
    if "coco" in formats:
        write_json(out / FORMATS["coco"], coco(found, category))
    if "yolo" in formats:
        write_text(out / "yolo" / "classes.txt", category + "\n")
        for d in found:
            write_text((out / "yolo" / "labels" / names[d.file]).with_suffix(".txt"), yolo(d))
    if "label-studio" in formats:
        write_json(out / FORMATS["label-studio"], label_studio(found, category))
        write_text(out / "label-studio-config.xml", label_config(category))
    if "cvat" in formats:
        write_text(out / FORMATS["cvat"], cvat(found, category))
    if "geojson" in formats:
        if not any(d.on_earth for d in found):
            raise PartialError("--to geojson: no image says where on the earth it lies; the other files are written")
        write_json(out / FORMATS["geojson"], geojson(found, category))
