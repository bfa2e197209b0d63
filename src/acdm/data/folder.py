"""Folders of images and their classes: what is there, which class is positive, and how it is split."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from acdm.errors import DataError
from acdm.images.read import SUFFIXES, Array, read_image

TEST_SHARE, VALIDATION_SHARE = 5, 10  # one part in five, one in ten of what is left


@dataclass(frozen=True)
class Item:
    """One image file with its class and the group (patient, board, picture) that no split may divide."""

    path: Path
    label: str
    group: str
    mask: Path | None = None


@dataclass(frozen=True)
class Dataset:
    """A data set as it lies on the disk, split.

    Attributes:
        root: the folder that was given, or the common parent of two.
        classes: their names; the index is y, and class 1 is the positive one.
        train, validation, test: disjoint in groups.
        boxes: true boxes by file name under test/<class>/, as (row, column, row, column).
        ignored: folders under test/ that are no class.
        split_made: whether the test part was cut from the given images.
        dev: names under test/ on which defaults may be chosen.
    """

    root: Path
    classes: tuple[str, ...]
    train: list[Item]
    validation: list[Item]
    test: list[Item]
    boxes: dict[str, list[tuple[int, int, int, int]]] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    split_made: bool = False
    dev: frozenset[str] = frozenset()

    @property
    def positive(self) -> str:
        return self.classes[1]

    def index(self, label: str) -> int:
        """y of a class name.

        Raises:
            DataError: naming the classes there are.
        """
        if label not in self.classes:
            raise DataError(f"'{label}' is no class of this data; its classes are {', '.join(self.classes)}")
        return self.classes.index(label)

    def part(self, split: str) -> list[Item]:
        """Test images of `all`, of the `dev` half, or of the `final` rest."""
        if split == "all":
            return self.test
        if not self.dev:
            raise DataError(f"{self.root}: has no test/dev.txt, so --split {split} means nothing; leave it out")
        return [item for item in self.test if (_name(item) in self.dev) == (split == "dev")]


def load_dataset(paths: Sequence[Path], positive: str | None = None, seed: int = 0) -> Dataset:
    """Read one data folder, one CSV, or two class folders.

    Args:
        paths: DATA with `train/<class>/` or `<class>/`; or a CSV `path,label[,group][,mask]`; or two folders.
        positive: the class that carries the object; left out, the one with masks or boxes, else the second.
        seed: of the splits that have to be made.

    Raises:
        DataError: one sentence that names the folder and the remedy.
    """
    if len(paths) == 2:
        return _from_two(paths[0], paths[1], positive, seed)
    root = paths[0]
    if not root.exists():
        raise DataError(f"{root}: no such folder; give DATA with one folder a class, or two folders of images")
    if root.is_file():
        items = _read_csv(root)
        return _split_all(root, items, _ordered(_labels(items), positive, items, root), seed)
    if (root / "train").is_dir():
        return _from_train_test(root, positive, seed)
    groups = _read_groups(root)
    names = sorted(p.name for p in root.iterdir() if p.is_dir() and p.name not in ("test", "masks") and _has_images(p))
    items = [item for name in names for item in _scan(root / name, name, groups, root, root / "masks")]
    return _split_all(root, items, _ordered(names, positive, items, root), seed)


def read_all(items: Sequence[Item]) -> list[Array]:
    """Decode every image.

    Raises:
        DataError: listing every file that cannot be used, or a mixture of channels.
    """
    images: list[Array] = []
    bad: list[str] = []
    for item in items:
        try:
            images.append(read_image(item.path))
        except DataError as error:
            bad.append(str(error))
    if bad:
        rest = f" (and {len(bad) - 3} more)" if len(bad) > 3 else ""
        raise DataError("; ".join(bad[:3]) + rest)
    counts = Counter(len(image) for image in images)
    if len(counts) > 1:
        usual = counts.most_common(1)[0][0]
        odd = next(item.path for item, image in zip(items, images, strict=True) if len(image) != usual)
        kind = {1: "grey", 3: "colour"}
        raise DataError(
            f"{odd}: images mix channels ({counts[1]} grey, {counts[3]} colour; this one is not {kind[usual]});"
            " save all of them the same way"
        )
    return images


def _from_two(a: Path, b: Path, positive: str | None, seed: int) -> Dataset:
    for folder in (a, b):
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder; give two folders of images")
    if a.resolve() == b.resolve():
        raise DataError(f"{a}: given twice; two different folders are needed")
    if a.name == b.name:
        raise DataError(f"{a} and {b} have the same name, which is the name of the class; rename one")
    items = [*_scan(a, a.name, {}, a, a / "masks"), *_scan(b, b.name, {}, b, b / "masks")]
    return _split_all(a.parent, items, _ordered([a.name, b.name], positive, items, a.parent), seed)


def _from_train_test(root: Path, positive: str | None, seed: int) -> Dataset:
    groups = _read_groups(root)
    names = sorted(p.name for p in (root / "train").iterdir() if p.is_dir())
    train = [item for name in names for item in _scan(root / "train" / name, name, groups, root, None)]
    test: list[Item] = []
    ignored: tuple[str, ...] = ()
    if (root / "test").is_dir():
        folders = sorted(p.name for p in (root / "test").iterdir() if p.is_dir() and p.name != "masks")
        ignored = tuple(name for name in folders if name not in names)
        masks = root / "test" / "masks"
        for name in folders:
            if name in names:
                test += _scan(root / "test" / name, name, groups, root, masks)
    boxes = _read_boxes(root / "test" / "boxes.json")
    classes = _ordered(names, positive, test, root, boxes)
    if not test:
        return _split_all(root, train, classes, seed)
    _refuse_shared_groups(train, test, root)
    dev = root / "test" / "dev.txt"
    chosen = frozenset(dev.read_text(encoding="utf-8").split("\n")) - {""} if dev.is_file() else frozenset()
    fit, validation = _cut(train, VALIDATION_SHARE, seed)
    return Dataset(root, classes, fit, validation, test, boxes, ignored, dev=chosen)


def _ordered(
    names: Sequence[str], positive: str | None, items: Iterable[Item], root: Path, boxes: Iterable[str] = ()
) -> tuple[str, ...]:
    """Classes with the positive one last."""
    if len(names) != 2:
        found = f"({', '.join(names)})" if names else "with images"
        raise DataError(f"{root}: needs exactly two class folders, found {len(names)} {found}")
    if positive is None:
        marked = {item.label for item in items if item.mask} | {Path(name).parent.name for name in boxes}
        marked &= set(names)
        positive = marked.pop() if len(marked) == 1 else names[1]
    if positive not in names:
        raise DataError(f"--positive {positive}: no such class; the classes are {', '.join(names)}")
    return (next(name for name in names if name != positive), positive)


def _scan(folder: Path, label: str, groups: dict[str, str], root: Path, masks: Path | None) -> list[Item]:
    paths = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    images = [p for p in paths if p.suffix.lower() in SUFFIXES]
    if not images:
        other = f" ({len(paths)} files of other kinds, such as {paths[0].name})" if paths else ""
        raise DataError(f"{folder}: holds no PNG or JPEG image{other}; put this class's images there")
    items = []
    for path in images:
        relative = path.relative_to(root).as_posix()
        mask = masks / f"{path.stem}.png" if masks else None
        items.append(Item(path, label, groups.get(relative, relative), mask if mask and mask.is_file() else None))
    return items


def _has_images(folder: Path) -> bool:
    return any(p.suffix.lower() in SUFFIXES for p in folder.iterdir())


def _labels(items: Iterable[Item]) -> list[str]:
    return sorted({item.label for item in items})


def _read_groups(root: Path) -> dict[str, str]:
    """Group by file, from `manifest.csv` where there is one."""
    manifest = root / "manifest.csv"
    if not manifest.is_file():
        return {}
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if rows and not {"file", "group"} <= set(rows[0]):
        raise DataError(f"{manifest}: needs the columns 'file' and 'group', found {', '.join(rows[0])}")
    return {row["file"]: row["group"] for row in rows}


def _read_csv(path: Path) -> list[Item]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"path", "label"} <= set(rows[0]):
        raise DataError(f"{path}: needs a header 'path,label[,group][,mask]' and a line an image")
    items = []
    for row in rows:
        image = path.parent / row["path"]
        mask = path.parent / row["mask"] if row.get("mask") else None
        items.append(Item(image, row["label"], row.get("group") or row["path"], mask))
    return items


def _read_boxes(path: Path) -> dict[str, list[tuple[int, int, int, int]]]:
    """COCO boxes (x, y, width, height) as rows and columns, by file name."""
    if not path.is_file():
        return {}
    try:
        coco = json.loads(path.read_text(encoding="utf-8"))
        names = {image["id"]: image["file_name"] for image in coco["images"]}
        boxes: dict[str, list[tuple[int, int, int, int]]] = {name: [] for name in names.values()}
        for annotation in coco["annotations"]:
            x, y, w, h = (round(v) for v in annotation["bbox"])
            boxes[names[annotation["image_id"]]].append((y, x, y + h, x + w))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not COCO boxes ({error!r})") from None
    return boxes


def _split_all(root: Path, items: list[Item], classes: tuple[str, ...], seed: int) -> Dataset:
    rest, test = _cut(items, TEST_SHARE, seed)
    fit, validation = _cut(rest, VALIDATION_SHARE, seed)
    return Dataset(root, classes, fit, validation, test, split_made=True)


def _cut(items: list[Item], parts: int, seed: int) -> tuple[list[Item], list[Item]]:
    """All but one part, and one part in `parts`; groups stay whole, classes keep their shares."""
    for label, count in Counter(item.label for item in items).items():
        groups = len({item.group for item in items if item.label == label})
        if groups < 4:
            raise DataError(
                f"class '{label}' has {count} images in {groups} groups; at least 4 groups are needed to split"
            )
        parts = min(parts, groups)
    labels, groups_of = [i.label for i in items], [i.group for i in items]
    folds = StratifiedGroupKFold(parts, shuffle=True, random_state=seed).split(np.zeros(len(items)), labels, groups_of)
    rest, part = next(iter(folds))
    return [items[i] for i in rest], [items[i] for i in part]


def _refuse_shared_groups(train: list[Item], test: list[Item], root: Path) -> None:
    shared = {item.group for item in train} & {item.group for item in test}
    if shared:
        raise DataError(
            f"{root}: group '{min(shared)}' is in train/ and in test/ ({len(shared)} such groups); keep each in one"
        )


def _name(item: Item) -> str:
    return f"{item.label}/{item.path.name}"
