"""One job over many images: which files there are, and what became of each."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from acdm.errors import DataError
from acdm.files import append_line, drop_parts, parse_json, write_text
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


@dataclass
class Journal:
    """What is done already, image by image, so that a job that was cut off goes on; `out/.<table>.done`.

    The first line says what was asked for: under another request everything is done anew.
    """

    path: Path
    request: str
    done: dict[str, tuple[str, str]] = field(default_factory=dict)  # by name: which file it was, and its class

    @classmethod
    def open(cls, path: Path, request: Mapping[str, object]) -> "Journal":
        journal = cls(path, json.dumps(request, sort_keys=True))
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        if not lines or lines[0] != journal.request:
            path.unlink(missing_ok=True)
            return journal
        for line in lines[1:]:
            try:
                name, what, label = parse_json(line)
            except (ValueError, TypeError):  # cut off in the middle
                continue
            journal.done[name] = (what, label)
        return journal

    def label_of(self, name: str, path: Path) -> str | None:
        """The class of an image that is done and has not changed since."""
        what, label = self.done.get(name, ("", ""))
        return label if what and what == _which(path) else None

    def add(self, name: str, path: Path, label: str) -> None:
        if not self.path.exists():
            write_text(self.path, f"{self.request}\n")
        append_line(self.path, json.dumps([name, _which(path), label]))


def sweep(
    images: Path, out: Path, table: str, job: Callable[[Path, str], str], request: Mapping[str, object] | None = None
) -> Iterator[Outcome]:
    """Do `job` on every image below `images` (or on one file), telling of each; `out/<table>` lists all at the end.

    Args:
        images: a folder, searched through, or one file.
        out: where the job writes.
        table: name of the CSV.
        job: from a path and its name relative to `images` to the image's class; a DataError fails that image alone.
        request: what is asked of all images; where it is given, images whose `out/<name>` was made by the same request
            are told of and not done again.

    Raises:
        DataError: when there is no image or every one failed, or `out` lies within `images`.
    """
    root, paths = find_images(images)
    inside = out.resolve().is_relative_to(root.resolve()) if images.is_dir() else out.resolve() == root.resolve()
    if inside:
        raise DataError(f"{out}: lies within {root}, whose images are read; choose another folder with -o")
    journal = Journal.open(out / f".{table}.done", request) if request else None
    outcomes: list[Outcome] = []
    for path in paths:
        name = path.relative_to(root).as_posix()
        known = journal.label_of(name, path) if journal and (out / name).exists() else None
        if known is not None:
            outcomes.append(Outcome(name, known, ""))
        else:
            drop_parts(out / name)
            try:
                label = job(path, name)
                outcomes.append(Outcome(name, label, ""))
                if journal:
                    journal.add(name, path, label)
            except DataError as error:
                outcomes.append(Outcome(name, "", str(error)))
        yield outcomes[-1]
    if all(outcome.reason for outcome in outcomes):
        raise DataError(f"none of {len(outcomes)} images can be used; the first: {outcomes[0].reason}")
    write_text(out / table, csv_text([vars(outcome) for outcome in outcomes]))


def _which(path: Path) -> str:
    about = path.stat()
    return f"{about.st_size} {about.st_mtime_ns}"


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
