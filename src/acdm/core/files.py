"""The one writer of files: a temporary beside the target, read back, fsync, replace, fsync of the folder."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from acdm.errors import WriteError


def write_bytes(path: Path, content: bytes) -> None:
    """Put `content` at `path`, whole or not at all.

    Raises:
        WriteError: naming the path, when the disk refuses or what was read back differs.
    """
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
        if temporary.read_bytes() != content:
            raise OSError("what was read back differs from what was written")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary file beside `path` to write to, which takes its name once all went well.

    What writes a file bit by bit checks it before the block ends, by reading it back.

    Raises:
        WriteError: naming the path, for every OSError inside; nothing is left behind then.
    """
    temporary = path.with_name(f".{path.name[:80]}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise WriteError(
            f"{path}: cannot be written ({error.strerror or error}); free space or choose another folder with -o"
        ) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def drop_parts(folder: Path) -> None:
    """Remove temporaries that a killed process left in a folder."""
    for part in folder.glob(".*.part"):
        part.unlink(missing_ok=True)


def write_text(path: Path, content: str) -> None:
    """Put text at `path` in UTF-8, whole or not at all; raises WriteError as `write_bytes`.

    Names of files that are no UTF-8 are written as the bytes they are.
    """
    write_bytes(path, content.encode("utf-8", "surrogateescape"))


def write_json(path: Path, content: Any) -> None:
    """Put JSON at `path`; NaN is refused, undefined values must already be None."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def parse_json(text: str) -> Any:
    """The value of a JSON document.

    Raises:
        ValueError: when it is none, or nested so deep that it is meant to do harm.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def json_equals(path: Path, content: Any) -> bool | None:
    """Whether the file holds what `write_json` makes of this; None if there is no such file."""
    try:
        return bool(parse_json(path.read_text(encoding="utf-8")) == json.loads(json.dumps(content)))
    except FileNotFoundError:
        return None
    except ValueError:
        return False


def append_line(path: Path, line: str) -> None:
    """Add one line to a log; a crash may cost its last line, never an earlier one."""
    try:
        with path.open("a", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(line + "\n")
    except OSError as error:
        raise WriteError(f"{path}: cannot be written ({error.strerror or error})") from None


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows has no fsync of folders
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def size_in_words(count: int) -> str:
    """A number of bytes for people.

    >>> size_in_words(900), size_in_words(1_240_000), size_in_words(12_300_000_000)
    ('900 bytes', '1.2 MB', '12 GB')
    """
    if count < 1000:
        return f"{count} bytes"
    size, unit = next(
        (count / power, unit) for power, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")) if count >= power
    )
    return f"{size:.1f} {unit}" if size < 10 else f"{size:.0f} {unit}"
