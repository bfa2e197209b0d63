"""The small text files beside images: manifest.csv, lists of images, boxes.json, dev.txt."""

import csv
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from acdm.core.files import parse_json
from acdm.data.dataset import Item, Unused
from acdm.data.images.arrays import Box
from acdm.errors import DataError


def plain_name(name: str) -> str:
    """A file's name as people mean it: forward slashes, no ./ and no blanks around, Unicode composed.

    >>> plain_name(" .\\\\with\\\\a.png ")
    'with/a.png'
    """
    name = unicodedata.normalize("NFC", name.strip().replace("\\", "/"))
    return "/".join(part.strip() for part in name.split("/") if part.strip() not in ("", "."))


@dataclass(frozen=True)
class Groups:
    """Groups by file, from `manifest.csv`, where there is one.

    Attributes:
        by_file: names are relative to the folder of the table, in lower case.
        unused: what the table names and is not there.
    """

    by_file: Mapping[str, str] = field(default_factory=dict)
    unused: tuple[Unused, ...] = ()

    @classmethod
    def read(cls, root: Path) -> "Groups":
        """Read the table of a folder.

        Raises:
            DataError: when a line has no file or group, or none of the files is there.
        """
        manifest = root / "manifest.csv"
        if not manifest.is_file():
            return cls()
        groups: dict[str, str] = {}
        missing: dict[str, Unused] = {}
        there = {plain_name(p.relative_to(root).as_posix()).casefold() for p in root.rglob("*") if p.is_file()}
        for row in read_table(manifest, ("file", "group")):
            name, group = plain_name(row["file"]), row["group"].strip()
            known = name.casefold()
            if groups.setdefault(known, group) != group:
                raise DataError(f"{manifest}: '{name}' is in two groups, '{groups[known]}' and '{group}'")
            if known not in there:
                missing[known] = Unused(root / name, "named by manifest.csv and not there")
        if groups and len(missing) == len(groups):
            raise DataError(f"{manifest}: none of its files, such as '{min(groups)}', is below {root}; correct 'file'")
        return cls(groups, tuple(missing.values()))

    def of(self, name: str) -> str:
        """The group of an image, given its name below the folder; an image that the table lacks is one by itself."""
        return self.by_file.get(plain_name(name).casefold(), name)


def read_list(path: Path) -> list[Item]:
    """Read a CSV `path,label[,group][,mask]`; paths are relative to it.

    Raises:
        DataError: when a line lacks a value, or an image is listed twice or a mask is not there.
    """
    items: dict[Path, Item] = {}
    for number, row in enumerate(read_table(path, ("path", "label")), start=2):
        image = _listed(path, row["path"])
        mask = _listed(path, row["mask"]) if row.get("mask") else None
        if image in items:
            raise DataError(f"{path}, line {number}: {row['path']} is listed twice; leave one line")
        if mask and not mask.is_file():
            raise DataError(f"{path}, line {number}: no such mask {mask}; correct 'mask'")
        group = (row.get("group") or "").strip() or plain_name(row["path"])
        items[image] = Item(image, row["label"].strip(), group, mask)
    return list(items.values())


def _listed(table: Path, name: str) -> Path:
    """A file that a table names: as it is written where there is such a file, else as people mean it."""
    exact = table.parent / name
    return exact if exact.is_file() else table.parent / plain_path(name)


def plain_path(name: str) -> Path:
    """A path of a list, whatever system wrote it; an absolute one stays one."""
    start = "/" if name.strip().startswith("/") else ""
    return Path(start + plain_name(name))


def read_boxes(path: Path, items: list[Item], category: str | None = None) -> dict[str, list[Box]]:
    """COCO boxes (x, y, width, height) as rows and columns; files are told by their last two parts.

    Args:
        path: of boxes.json; without such a file there are none.
        items: test images.
        category: whose boxes are wanted; None takes all.

    Returns:
        Boxes by `Item.name`; of a category by the names of an image's folder and file.

    Raises:
        DataError: when it is not COCO, or no box belongs to a test image.
    """
    if not path.is_file():
        return {}
    try:
        coco = parse_json(path.read_text(encoding="utf-8-sig"))
        known = [item.name if category is None else last_two(item.path) for item in items]
        names = {image["id"]: _match(image["file_name"], known) for image in coco["images"]}
        boxes: dict[str, list[Box]] = {name: [] for name in names.values() if name}
        wanted = {c["id"] for c in coco.get("categories", ()) if c["name"] == category}
        for annotation in coco["annotations"]:
            if category is not None and annotation["category_id"] not in wanted:
                continue
            x, y, w, h = (round(v) for v in annotation["bbox"])
            if name := names[annotation["image_id"]]:
                boxes[name].append((y, x, y + h, x + w))
    except (ValueError, OverflowError, KeyError, TypeError, AttributeError, OSError) as error:
        raise DataError(f"{path}: not COCO boxes ({error!r})") from None
    if items and not boxes:
        raise DataError(f"{path}: none of its file names is a test image; name them <class>/<file>")
    return boxes


def last_two(path: Path) -> str:
    """An image's folder and file, as test/dev.txt and boxes.json name it."""
    return unicodedata.normalize("NFC", "/".join(path.parts[-2:]))


def read_names(path: Path) -> frozenset[str]:
    """One name a line; nothing where there is no such file."""
    if not path.is_file():
        return frozenset()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a text in UTF-8 ({error}); save it as one") from None
    return frozenset(plain_name(line) for line in lines) - {""}


def _match(file_name: str, known: list[str]) -> str | None:
    """The one of the names <folder>/<file> that a file name of boxes.json means."""
    parts = Path(unicodedata.normalize("NFC", file_name.replace("\\", "/"))).parts
    wanted = "/".join(parts[-2:])
    same = [name for name in known if (name if len(parts) > 1 else name.rpartition("/")[2]) == wanted]
    return same[0] if len(same) == 1 else None


def read_table(path: Path, needed: tuple[str, ...]) -> list[dict[str, str]]:
    """Lines of a CSV with a header; raises DataError where one lacks a needed value, or the file is none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV in UTF-8 ({error})") from None
    if any("\0" in str(value) for row in rows for value in row.values()):
        raise DataError(f"{path}: holds a NUL, which no name can have")
    for number, row in enumerate(rows, start=2):
        if any(not row.get(key) for key in needed):
            raise DataError(f"{path}, line {number}: needs the columns {', '.join(needed)}, each with a value")
    return rows
