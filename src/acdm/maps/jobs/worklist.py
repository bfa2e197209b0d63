"""One job over many images: which files there are, and what became of each."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from acdm.core.files import append_line, drop_parts, parse_json, write_bytes, write_text
from acdm.core.tables import csv_text
from acdm.data.images.read import SUFFIXES, suffix
from acdm.errors import DataError


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


Job = Callable[[Path, str], str]
"""From a path and its name relative to the images' folder to the image's class."""


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
        return label if what and what == identity(path) else None

    def add(self, name: str, path: Path, label: str) -> None:
        if not self.path.exists():
            write_text(self.path, f"{self.request}\n")
        append_line(self.path, json.dumps([name, identity(path), label]))


class Sweep:
    """Every image below a folder, what is done of them already, and what becomes of the others.

    Attributes:
        root: the folder that names are relative to.
        todo: paths of images that are not done, by name.
    """

    def __init__(self, images: Path, out: Path, table: str, request: Mapping[str, object] | None) -> None:
        """Look at what there is.

        Args:
            images: a folder, searched through, or one file.
            out: where results go.
            table: name of the CSV in it.
            request: what is asked of all images; where it is given, images whose `out/<name>` was made by the same
                request are not to be done again.

        Raises:
            DataError: when there is no image, or `out` lies within `images`.
        """
        self.root, paths = find_images(images)
        insist_apart(images, out)
        self._journal = Journal.open(out / f".{table}.done", request) if request else None
        self._out, self._table = out, table
        self._outcomes: dict[str, Outcome | None] = {}
        self.todo: dict[str, Path] = {}
        for path in paths:
            name = path.relative_to(self.root).as_posix()
            known = self._journal.label_of(name, path) if self._journal and (out / name).exists() else None
            self._outcomes[name] = None if known is None else Outcome(name, known, "")
            if known is None:
                self.todo[name] = path

    @property
    def done(self) -> list[Outcome]:
        return [outcome for outcome in self._outcomes.values() if outcome]

    def add(self, outcome: Outcome) -> None:
        """Note what became of an image."""
        self._outcomes[outcome.file] = outcome
        if self._journal and not outcome.reason:
            self._journal.add(outcome.file, self.todo[outcome.file], outcome.label)

    def finish(self) -> None:
        """Write the table; raises DataError when every image failed."""
        write_table(self._out / self._table, self.done)


def sweep(
    images: Path, out: Path, table: str, job: Job, request: Mapping[str, object] | None = None
) -> Iterator[Outcome]:
    """Do `job` on every image that is not done (`Sweep`), telling of each; `out/<table>` lists all at the end.

    Raises:
        DataError: as `Sweep`, and when every image failed.
    """
    swept = Sweep(images, out, table, request)
    yield from swept.done
    for name, path in swept.todo.items():
        outcome = attempt(job, path, name, out)
        swept.add(outcome)
        yield outcome
    swept.finish()


def attempt(job: Job, path: Path, name: str, out: Path) -> Outcome:
    """Do a job on one image; a DataError fails that image alone."""
    drop_parts(out / name)
    try:
        return Outcome(name, job(path, name), "")
    except DataError as error:
        return Outcome(name, "", str(error))


def write_table(path: Path, outcomes: Sequence[Outcome]) -> None:
    """A line an image; raises DataError when every image failed."""
    if all(outcome.reason for outcome in outcomes):
        raise DataError(f"none of {len(outcomes)} images can be used; the first: {outcomes[0].reason}")
    table = csv_text([vars(outcome) for outcome in outcomes])
    write_bytes(path, table.encode("utf-8", "surrogateescape"))  # file names need not be UTF-8


def insist_apart(images: Path, out: Path) -> None:
    """Raises DataError when results would lie among the images that are read."""
    root, target = (images if images.is_dir() else images.parent).resolve(), out.resolve()
    if target.is_relative_to(root) if images.is_dir() else target == root:
        raise DataError(f"{out}: lies within {root}, whose images are read; choose another folder with -o")


def identity(path: Path) -> str:
    """Another one as soon as the file is written anew."""
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
