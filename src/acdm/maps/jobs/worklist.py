"""One job over many images: which files there are, what is done of them already, and what becomes of each."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch

from acdm.core.files import append_line, drop_parts, parse_json, write_text
from acdm.core.run import LOCK, lock
from acdm.core.tables import cell, csv_text
from acdm.data.search import images_below
from acdm.errors import AcdmError, DataError


@dataclass(frozen=True, kw_only=True)
class MapOptions:
    """How images are decomposed.

    Attributes:
        label: name of the images' class; None lets the check classifier decide.
        axis: 0, 1 or 2, along which volumes are cut into slices.
        tile: side in pixels of the windows that large images are taken in; None takes the training images' side.
    """

    label: str | None = None
    axis: int = 2
    tile: int | None = None


@dataclass(frozen=True)
class ImageFiles:
    """The images that a command is given, found once.

    Attributes:
        source: the folder or the one file, as given.
        paths: by name, relative to the images' folder, with forward slashes.
    """

    source: Path
    paths: Mapping[str, Path]

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def root(self) -> Path:
        """The folder that names are relative to."""
        return self.source if self.source.is_dir() else self.source.parent

    def require_apart(self, out: Path) -> None:
        """Raise DataError when results would lie among the images that are read."""
        root, target = self.root.resolve(), out.resolve()
        if target.is_relative_to(root) if self.source.is_dir() else target == root:
            raise DataError(f"{out}: lies within {root}, whose images are read; choose another folder with -o")


def find_images(source: Path) -> ImageFiles:
    """Find every image below a folder, or take one file; hidden files and folders of masks are no images.

    Raises:
        DataError: when there is none.
    """
    if source.is_file():
        return ImageFiles(source, {source.name: source})
    if not source.is_dir():
        raise DataError(f"{source}: no such file or folder")
    paths, _ = images_below(source)
    if not paths:
        raise DataError(f"{source}: holds no image of a known format")
    return ImageFiles(source, {path.relative_to(source).as_posix(): path for path in paths})


@dataclass(frozen=True)
class ImageOutcome:
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

    Attributes:
        path: of the journal.
        request: what was asked for, as JSON.
        done: by name, which file it was, and its class.
    """

    path: Path
    request: str
    done: dict[str, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, request: Mapping[str, object]) -> "Journal":
        """Read a journal, or begin one where there is none of this request."""
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
        """The class of an image that is done and has not changed since; None for all others."""
        what, label = self.done.get(name, ("", ""))
        return label if what and what == identity(path) else None

    def add(self, name: str, path: Path, label: str) -> None:
        """Note that an image is done."""
        if not self.path.exists():
            write_text(self.path, f"{self.request}\n")
        append_line(self.path, json.dumps([name, identity(path), label]))


class Worklist:
    """Every image of a command, what is done of them already, and what becomes of the others.

    Attributes:
        todo: paths of images that are not done, by name.
    """

    def __init__(self, files: ImageFiles, out: Path, table: str, request: Mapping[str, object] | None) -> None:
        """Look at what there is.

        Args:
            files: the images.
            out: where results go.
            table: name of the CSV in it.
            request: what is asked of all images; where it is given, images whose `out/<name>` was made by the same
                request are not to be done again.

        """
        self._journal = Journal.open(out / f".{table}.done", request) if request else None
        self._out, self._table = out, table
        self._outcomes: dict[str, ImageOutcome | None] = {}
        self.todo: dict[str, Path] = {}
        for name, path in files.paths.items():
            known = self._journal.label_of(name, path) if self._journal and (out / name).exists() else None
            self._outcomes[name] = None if known is None else ImageOutcome(name, known, "")
            if known is None:
                self.todo[name] = path

    @property
    def done(self) -> list[ImageOutcome]:
        """What is known of images so far."""
        return [outcome for outcome in self._outcomes.values() if outcome]

    def add(self, outcome: ImageOutcome) -> None:
        """Note what became of an image."""
        self._outcomes[outcome.file] = outcome
        if self._journal and not outcome.reason:
            self._journal.add(outcome.file, self.todo[outcome.file], outcome.label)

    def finish(self) -> None:
        """Write the table; raises DataError when every image failed."""
        write_table(self._out / self._table, self.done)


def work_through(
    files: ImageFiles, out: Path, table: str, job: Job, request: Mapping[str, object] | None = None
) -> Iterator[ImageOutcome]:
    """Do `job` on every image that is not done (`Worklist`), telling of each; `out/<table>` lists all at the end.

    Raises:
        DataError: when `out` lies among the images, or every image failed.
        RunLockedError: when another command writes to `out`.
    """
    with alone_in(files, out):
        worklist = Worklist(files, out, table, request)
        yield from worklist.done
        for name, path in worklist.todo.items():
            outcome = attempt(job, path, name, out)
            worklist.add(outcome)
            yield outcome
        worklist.finish()


@contextmanager
def alone_in(files: ImageFiles, out: Path) -> Iterator[None]:
    """Keep a second command out of a folder of results; a folder that nothing was written to goes again.

    Raises:
        DataError: when the folder lies among the images.
        RunLockedError: when another command writes there.
    """
    files.require_apart(out)
    new = not out.exists()
    try:
        with lock(out):
            yield
    finally:
        with suppress(OSError):
            if new and [path.name for path in out.iterdir()] == [LOCK]:
                (out / LOCK).unlink()
                out.rmdir()


def attempt(job: Job, path: Path, name: str, out: Path) -> ImageOutcome:
    """Do a job on one image; what goes wrong with it fails that image alone.

    Raises:
        AcdmError: for what would go wrong with every image, such as a full disk.
    """
    drop_parts(out / name)
    with failures(path) as reasons:
        return ImageOutcome(name, job(path, name), "")
    return ImageOutcome(name, "", reasons[0])


@contextmanager
def failures(path: Path) -> Iterator[list[str]]:
    """Collect why the work on one image failed, whatever it raised; see `attempt`."""
    reasons: list[str] = []
    try:
        yield reasons
    except DataError as error:
        reasons.append(str(error))
    except AcdmError:
        raise
    except Exception as error:
        if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error):
            reasons.append(f"{path}: does not fit into memory; cut it into tiles")
        else:
            reasons.append(f"{path}: cannot be mapped ({type(error).__name__}: {error}); please report it")


def write_table(path: Path, outcomes: Sequence[ImageOutcome]) -> None:
    """Write a line an image; raises DataError when every image failed."""
    if all(outcome.reason for outcome in outcomes):
        raise DataError(f"none of {len(outcomes)} images can be used; the first: {outcomes[0].reason}")
    table = csv_text([{key: cell(value) for key, value in vars(outcome).items()} for outcome in outcomes])
    write_text(path, table)


def identity(path: Path) -> str:
    """A file's size and time, which differ as soon as the file is written anew."""
    about = path.stat()
    return f"{about.st_size} {about.st_mtime_ns}"
