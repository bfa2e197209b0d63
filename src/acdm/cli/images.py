"""acdm map, acdm segment: one job over many images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

import acdm
from acdm.cli.options import NeededOut
from acdm.core.config import DEFAULT_MAP, MapName
from acdm.errors import ConfigError, PartialError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from acdm.maps.jobs.worklist import Outcome

RunFolder = Annotated[Path, Parameter(help="Run folder.")]
Images = Annotated[Path, Parameter(help="A folder, searched through, or one file.")]
Label = Annotated[str, Parameter(help="Class of the images; auto lets the run's judge decide.")]
Axis = Annotated[Literal[0, 1, 2], Parameter(help="Along which NIfTI volumes are cut into slices.")]
Tile = Annotated[
    int | None,
    Parameter(
        validator=Number(gte=8),
        help="Side in pixels of the windows that large TIFFs are cut into; by default the training images' side.",
    ),
]


def map_(
    run: RunFolder,
    images: Images,
    *,
    out: NeededOut,
    label: Label = "auto",
    axis: Axis = 2,
    tile: Tile = None,
    shard: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    engine: Literal["local", "dask"] = "local",
    workers: Annotated[int, Parameter(validator=Number(gte=1))] = 2,
    scheduler: str | None = None,
) -> None:
    """Write psi1, contrast, residual, evidence and all branches of every image, at its own size.

    The same command goes on where it was cut off: images that are mapped already are passed over.

    Parameters
    ----------
    out
        Where the maps go; one folder an image.
    shard
        Instead of folders, tar archives of so many images each (WebDataset), with the maps as float16: for very
        many images.
    engine
        local, or dask: several processes, here or on a cluster whose machines see the same folders.
    workers
        Processes on this machine, of engine dask.
    scheduler
        Address of a running Dask scheduler, instead of workers here.
    """
    if shard and (tile or axis != 2):
        raise ConfigError("--shard: takes flat images whole; leave --axis and --tile out")
    from acdm.maps.jobs.folders import map_folder
    from acdm.maps.jobs.shards import map_shards

    given = None if label == "auto" else label

    def begin(tell: "Callable[[str], None]") -> "Iterator[Outcome]":
        if engine == "dask":
            from acdm.maps.jobs import on_dask as scale

            if shard:
                return scale.shards_on_dask(run, images, out, given, shard, workers, scheduler)
            return scale.map_on_dask(run, images, out, given, axis, tile, workers, scheduler)
        if shard:
            return map_shards(acdm.load(run), images, out, given, shard)
        return map_folder(acdm.load(run), images, out, given, axis, tile, tell)

    _follow(begin, images, "maps", f"mapped into {out}", out / "maps.csv")


def segment(
    run: RunFolder,
    images: Images,
    *,
    out: NeededOut,
    map: MapName = DEFAULT_MAP,
    threshold: str = "default",
    min_area: Annotated[int | None, Parameter(validator=Number(gte=0))] = None,
    refine: Literal["none", "watershed", "random-walker"] = "none",
    to: str = "coco",
    label: Label = "auto",
    axis: Axis = 2,
    tile: Tile = None,
) -> None:
    """Write masks, boxes and their files for other tools, at the images' own size.

    Parameters
    ----------
    out
        Where everything goes.
    map
        Which map is cut.
    threshold
        default, negatives, otsu or two-means (learned on training images, without masks), or a number.
    min_area
        In pixels; smaller parts are dropped and smaller holes closed. By default what the run, calibrated on
        training images, takes for a speck.
    refine
        Move borders to edges of the image, and how.
    to
        Comma-separated: coco, yolo, label-studio, cvat, geojson, dicom-seg.
    """
    from acdm.maps.jobs.annotations import FORMATS
    from acdm.maps.jobs.masks import Recipe, segment_folder

    formats = [name for name in to.split(",") if name]
    if unknown := set(formats) - set(FORMATS):
        raise ConfigError(f"--to {min(unknown)}: no such format; there are {', '.join(FORMATS)}")
    recipe = Recipe(map, threshold, min_area, refine, axis, tile)
    decomposer, given = acdm.load(run), None if label == "auto" else label
    _follow(
        lambda tell: segment_folder(decomposer, images, out, given, recipe, formats, tell),
        images, "masks", f"segmented into {out}", out / "segment.csv",
    )  # fmt: skip


def _follow(
    begin: "Callable[[Callable[[str], None]], Iterator[Outcome]]", images: Path, what: str, done: str, table: Path
) -> None:
    """Show progress; raises PartialError when some images failed."""
    from acdm.cli.terminal import bar
    from acdm.maps.jobs.worklist import find_images

    failed, count = [], len(find_images(images)[1])
    with bar(what, count) as tick:
        for outcome in begin(tick):
            tick()
            failed += [outcome] if outcome.reason else []
    print(f"{count - len(failed)} images {done}")
    if failed:
        raise PartialError(f"{len(failed)} images failed, first {failed[0].reason}; all reasons are in {table}")
