"""The small text files beside images: manifest.csv, lists of images, boxes.json, dev.txt."""

import csv
from pathlib import Path

from acdm.core.files import parse_json
from acdm.data.dataset import Item
from acdm.data.images.arrays import Box
from acdm.errors import DataError


def read_groups(root: Path) -> dict[str, str]:
    """Group by file (relative to `root`), from `manifest.csv` where there is one.

    Raises:
        DataError: when a line has no file or group, or none of the files is there.
    """
    manifest = root / "manifest.csv"
    if not manifest.is_file():
        return {}
    groups = {row["file"].replace("\\", "/"): row["group"] for row in _rows(manifest, ("file", "group"))}
    if groups and not any((root / name).is_file() for name in groups):
        raise DataError(f"{manifest}: none of its files, such as '{min(groups)}', is below {root}; correct 'file'")
    return groups


def read_list(path: Path) -> list[Item]:
    """A CSV `path,label[,group][,mask]`; paths are relative to it."""
    items = []
    for row in _rows(path, ("path", "label")):
        mask = path.parent / row["mask"] if row.get("mask") else None
        items.append(Item(path.parent / row["path"], row["label"], row.get("group") or row["path"], mask))
    return items


def read_boxes(path: Path, items: list[Item]) -> dict[str, list[Box]]:
    """COCO boxes (x, y, width, height) as rows and columns, by `Item.name`; files are told by their last two parts.

    Raises:
        DataError: when it is not COCO, or no box belongs to a test image.
    """
    if not path.is_file():
        return {}
    try:
        coco = parse_json(path.read_text(encoding="utf-8-sig"))
        names = {image["id"]: _match(image["file_name"], items) for image in coco["images"]}
        boxes: dict[str, list[Box]] = {name: [] for name in names.values() if name}
        for annotation in coco["annotations"]:
            x, y, w, h = (round(v) for v in annotation["bbox"])
            if name := names[annotation["image_id"]]:
                boxes[name].append((y, x, y + h, x + w))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not COCO boxes ({error!r})") from None
    if items and not boxes:
        raise DataError(f"{path}: none of its file names is a test image; name them <class>/<file>")
    return boxes


def read_names(path: Path) -> frozenset[str]:
    """One name a line; nothing where there is no such file."""
    if not path.is_file():
        return frozenset()
    return frozenset(line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()) - {""}


def _match(file_name: str, items: list[Item]) -> str | None:
    parts = Path(file_name.replace("\\", "/")).parts
    wanted = "/".join(parts[-2:])
    same = [item.name for item in items if (item.name if len(parts) > 1 else item.path.name) == wanted]
    return same[0] if len(same) == 1 else None


def _rows(path: Path, needed: tuple[str, ...]) -> list[dict[str, str]]:
    """Lines of a CSV with a header, every needed field filled."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV in UTF-8 ({error})") from None
    for number, row in enumerate(rows, start=2):
        if any(not row.get(key) for key in needed):
            raise DataError(f"{path}, line {number}: needs the columns {', '.join(needed)}, each with a value")
    return rows
