"""acdm map, acdm segment: one job over many images."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from acdm.cli.options import AtLeast0, AtLeast1, FeaturesFile, FindingName, NeededOut, RunFolder
from acdm.core.config import MapName
from acdm.core.words import counted
from acdm.errors import ConfigError, PartialError

if TYPE_CHECKING:
    from acdm.core.progress import Progress
    from acdm.maps.jobs.masks import Recipe
    from acdm.maps.jobs.worklist import ImageFiles, ImageOutcome, MapOptions

SHOWN = 3  # doubtful images that are named
Images = Annotated[Path, Parameter(help="A folder, searched through, or one file.")]
Label = Annotated[str, Parameter(help="Class of the images; auto lets the run decide.")]
Axis = Annotated[Literal[0, 1, 2], Parameter(help="Axis that NIfTI volumes are cut into slices along.")]
Tile = Annotated[
    int | None,
    Parameter(
        validator=Number(gte=8),
        help="Side in pixels of the windows that large images are cut into; by default the training images' side.",
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
    only: Literal["object"] | None = None,
    shard: AtLeast1 | None = None,
    engine: Literal["local", "dask"] = "local",
    workers: AtLeast1 = 2,
    scheduler: str | None = None,
    finding: FindingName = None,
    features: FeaturesFile = None,
) -> None:
    """Write psi1, contrast, residual, evidence, object and all branches of every image, at its own size.

    The same command goes on where it was cut off: images that are mapped already are passed over.

    Parameters
    ----------
    out
        Where the maps go; one folder an image.
    only
        object: this map alone, by the segmenter without the branches, in a part of the time.
    shard
        Write tar archives of so many images each (WebDataset), with the maps as float16, in place of folders: for
        very many images.
    engine
        local, or dask: several processes, here or on a cluster whose machines see the same folders.
    workers
        Processes on this machine, of engine dask.
    scheduler
        Address of a running Dask scheduler, in place of workers here.
    """
    if shard and (tile or axis != 2):
        raise ConfigError("--shard: takes flat images whole; leave --axis and --tile out")
    alone = only is not None
    _do_each(
        _findings_of(run, finding, out, label),
        lambda one, place: _map(
            one, images, place, label, axis, tile, alone, shard, engine, workers, scheduler, features
        ),
    )


def _findings_of(run: Path, finding: str | None, out: Path, label: str) -> list[tuple[Path, Path]]:
    """Runs to use, and where their output goes: of several findings each, in folders of their own, or the named one."""
    from acdm.core.run import Run

    each = Run.open(run).each(finding)
    if label != "auto" and len(each) > 1:
        raise ConfigError(f"--label {label}: is for one of several findings; name it with --finding")
    return [(one.path, out / name) for name, one in each.items()]


def _do_each(places: list[tuple[Path, Path]], work: Callable[[Path, Path], None]) -> None:
    """Do the same for each run and its folder; raises the first PartialError once all are done."""
    failed = []
    for run, out in places:
        try:
            work(run, out)
        except PartialError as error:
            failed.append(error)
    if failed:
        raise failed[0]


def _map(
    run: Path,
    images: Path,
    out: Path,
    label: str,
    axis: Axis,
    tile: int | None,
    alone: bool,
    shard: int | None,
    engine: Literal["local", "dask"],
    workers: int,
    scheduler: str | None,
    features: Path | None,
) -> None:
    """Map all images by one run."""
    from acdm.maps.jobs.folders import map_folder
    from acdm.maps.jobs.shards import map_shards
    from acdm.maps.jobs.worklist import MapOptions
    from acdm.maps.loading import load
    from acdm.web.images import write_index

    options = MapOptions(label=None if label == "auto" else label, axis=axis, tile=tile)

    def work(files: "ImageFiles", progress: "Progress") -> "Iterator[ImageOutcome]":
        if engine == "dask":
            from acdm.maps.jobs import on_dask

            if shard:
                return on_dask.shards_on_dask(
                    run, files, out, options.label, shard, workers, scheduler, alone, features
                )
            return on_dask.map_on_dask(run, files, out, options, workers, scheduler, alone, features)
        if shard:
            return map_shards(load(run, alone, features), files, out, options.label, shard)
        return map_folder(load(run, alone, features), files, out, options, progress)

    def found(files: "ImageFiles") -> Iterator[str]:
        title = f"Maps of {images.name}, by {run.name}"
        yield f"look at {write_index(out, 'maps.csv', title, lambda file: f'{file}/strip.png', 640)}"

    _follow(work, images, "maps", f"mapped into {out}", out / "maps.csv", (lambda files: ()) if shard else found)


def segment(
    run: RunFolder,
    images: Images,
    *,
    out: NeededOut,
    map: MapName | None = None,
    threshold: str = "default",
    min_area: AtLeast0 | None = None,
    refine: Literal["none", "watershed", "random-walker"] = "none",
    to: str = "coco",
    label: Label = "auto",
    axis: Axis = 2,
    tile: Tile = None,
    finding: FindingName = None,
    features: FeaturesFile = None,
) -> None:
    """Write masks, boxes and their files for other tools, at the images' own size.

    Parameters
    ----------
    out
        Where everything goes.
    map
        Map that is cut into masks. By default object where the run's segmenter tells unseen images apart well
        enough, else evidence; train says at its end which.
    threshold
        default, negatives, otsu or two-means (learned on training images, without masks), or a number.
    min_area
        Smallest part in pixels: smaller parts are dropped and smaller holes closed. By default what the run,
        calibrated on training images, takes for a speck.
    refine
        Move borders to edges of the image, and how; for objects with sharp edges.
    to
        Comma-separated: coco, yolo, label-studio, cvat, geojson, dicom-seg.
    """
    from acdm.core.files import parse_json, write_json
    from acdm.maps.jobs.annotations import FORMATS, together
    from acdm.maps.jobs.masks import Recipe
    from acdm.maps.jobs.worklist import MapOptions

    formats = tuple(name for name in to.split(",") if name)
    if unknown := set(formats) - set(FORMATS):
        raise ConfigError(f"--to {min(unknown)}: no such format; there are {', '.join(FORMATS)}")
    recipe = Recipe(map=map, rule=threshold, min_area=min_area, refine=refine, formats=formats)
    options = MapOptions(label=None if label == "auto" else label, axis=axis, tile=tile)
    places = _findings_of(run, finding, out, label)
    try:
        _do_each(places, lambda one, place: _segment(one, images, place, options, recipe, features))
    finally:
        written = {place.name: place / "coco.json" for _, place in places}
        if len(places) > 1 and all(path.is_file() for path in written.values()):
            found = {name: parse_json(path.read_text(encoding="utf-8")) for name, path in written.items()}
            write_json(out / "coco.json", together(found))
            print(f"all findings, a category each: {out / 'coco.json'}")


def _segment(
    run: Path, images: Path, out: Path, options: "MapOptions", recipe: "Recipe", features: Path | None
) -> None:
    """Segment all images by one run."""
    from acdm.maps.jobs.masks import mask_names, outlines_of, segment_folder
    from acdm.maps.loading import load
    from acdm.web.images import write_index

    def work(files: "ImageFiles", progress: "Progress") -> "Iterator[ImageOutcome]":
        return segment_folder(load(run, features=features), files, out, options, recipe, progress)

    def found(files: "ImageFiles") -> Iterator[str]:
        names = mask_names(files.paths)
        yield from _regions(out)
        if written := _files_for(out, recipe.formats):
            yield f"for other tools: {', '.join(written)}; in them files are named as they lie in {images}"
        title = f"Masks of {images.name}, by {run.name}"
        page = write_index(out, "segment.csv", title, lambda file: outlines_of(names.get(file, "")), 160)
        yield f"look at {page}"

    _follow(work, images, "masks", f"segmented into {out}", out / "segment.csv", found)


def _regions(out: Path) -> Iterator[str]:
    """What the tables of a segmentation say at a glance: where there is something, and where to look first."""
    from acdm.core.tables import read_rows

    files = [row["file"] for row in read_rows(out / "regions.csv")]
    yield f"{counted(len(files), 'region')} in {counted(len(set(files)), 'image')} (regions.csv)"
    if doubtful := [row["file"] for row in read_rows(out / "look-first.csv")[:SHOWN]]:
        yield f"look first at {', '.join(doubtful)} (look-first.csv): the segmenter is least sure of them"


def _files_for(out: Path, formats: Iterable[str]) -> list[str]:
    """List what a segmentation left for other tools."""
    from acdm.maps.jobs.annotations import FORMATS

    return [str(path) for name in formats if (path := out / FORMATS[name]).exists()]


def _disk_use(out: Path, images: int) -> str:
    """How much will be written, by what the first image took; "" where nothing is written yet, as with archives."""
    from acdm.core.files import size_in_words

    written = 0
    with suppress(OSError):  # other processes write and rename there
        written = sum(path.stat().st_size for path in out.rglob("*"))
    if not written:
        return ""
    needed, free = written * images, disk_usage(out).free
    words = f"about {size_in_words(needed)} will be written to {out}"
    return words if needed < free else f"⚠ {words}, where {size_in_words(free)} are free"


def _follow(
    work: "Callable[[ImageFiles, Progress], Iterator[ImageOutcome]]",
    images: Path,
    what: str,
    done: str,
    table: Path,
    found: "Callable[[ImageFiles], Iterable[str]]" = lambda files: (),
) -> None:
    """Find the images, do the work and show how far it is; raises PartialError when some images failed."""
    from acdm.cli.terminal import showing
    from acdm.maps.jobs.worklist import find_images

    files, failed, labels = find_images(images), [], Counter[str]()
    anew = not any(table.parent.glob("*"))
    with showing(what, len(files)) as progress:
        for number, outcome in enumerate(work(files, progress), start=1):
            progress.advance()
            if anew and number == 1 and len(files) > 1 and (needed := _disk_use(table.parent, len(files))):
                progress.say(needed)
            failed += [outcome] if outcome.reason else []
            labels.update([outcome.label] if outcome.label else [])
    classes = " · ".join(f"{label} {count}" for label, count in labels.most_common())
    print(f"{counted(len(files) - len(failed), 'image')} {done}" + (f": {classes}" if classes else ""))
    for line in found(files):
        print(line)
    if failed:
        raise PartialError(
            f"{counted(len(failed), 'image')} failed, first {failed[0].reason}; all reasons are in {table}"
        )
