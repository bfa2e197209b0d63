"""One job over many images: which files there are, and what became of each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from acdm.errors import DataError
from acdm.files import write_text
from acdm.images.read import SUFFIXES, suffix
from acdm.tables import csv_text


@dataclass(frozen=True)
class Outcome:
    """What became of one image.

    Attributes:
        file: relative to the images' folder, with forward slashes.
        label: its class, given or decided; empty where it failed.
        reason: why it failed, else empty.
    """

    file: str
    label: str
    reason: str


def sweep(images: Path, out: Path, table: str, job: Callable[[Path, str], str]) -> Iterator[Outcome]:
    """Do `job` on every image below `images` (or on one file), telling of each; `out/<table>` lists all at the end.

    Args:
        images: a folder, searched through, or one file.
        out: where the job writes.
        table: name of the CSV.
        job: from a path and its name relative to `images` to the image's class; a DataError fails that image alone.

    Raises:
        DataError: when there is no image or every one failed, or `out` lies within `images`.
    """
    root, paths = find_images(images)
    inside = out.resolve().is_relative_to(root.resolve()) if images.is_dir() else out.resolve() == root.resolve()
    if inside:
        raise DataError(f"{out}: lies within {root}, whose images are read; choose another folder with -o")
    outcomes: list[Outcome] = []
    for path in paths:
        name = path.relative_to(root).as_posix()
        try:
            outcomes.append(Outcome(name, job(path, name), ""))
        except DataError as error:
            outcomes.append(Outcome(name, "", str(error)))
        yield outcomes[-1]
    if all(outcome.reason for outcome in outcomes):
        raise DataError(f"none of {len(outcomes)} images can be used; the first: {outcomes[0].reason}")
    write_text(out / table, csv_text([vars(outcome) for outcome in outcomes]))


def find_images(images: Path) -> tuple[Path, list[Path]]:
    """The folder that names are relative to, and every image in it.

    Raises:
        DataError: when there is none.
    """
    if images.is_file():
        return images.parent, [images]
    if not images.is_dir():
        raise DataError(f"{images}: no such file or folder")
    paths = sorted(p for p in images.rglob("*") if suffix(p) in SUFFIXES and p.is_file())
    if not paths:
        raise DataError(f"{images}: holds no image of a known format")
    return images, paths
