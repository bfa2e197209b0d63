"""Folders of images and their classes: what is there, which class is positive, and how it is split."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from acdm.data.dataset import Dataset, Item
from acdm.data.images.read import SUFFIXES, stem, suffix
from acdm.data.manifest import read_boxes, read_groups, read_list, read_names
from acdm.data.split import refuse_shared_groups, split_all, split_training
from acdm.errors import DataError


def load_dataset(paths: Sequence[Path], positive: str | None = None, seed: int = 0) -> Dataset:
    """Read one data folder, one CSV, or two class folders.

    Args:
        paths: DATA with `train/<class>/` or `<class>/`; or a CSV `path,label[,group][,mask]`; or two folders.
        positive: the class that carries the object; left out, the one with masks or boxes, else the second.
        seed: of the splits that have to be made.

    Raises:
        DataError: one sentence that names the folder and the remedy.
    """
    if not 1 <= len(paths) <= 2:
        raise DataError(f"give one data folder or two class folders, got {len(paths)}")
    if len(paths) == 2:
        return _from_two(paths[0], paths[1], positive, seed)
    root = paths[0]
    if not root.exists():
        raise DataError(f"{root}: no such folder; give DATA with one folder a class, or two folders of images")
    if root.is_file():
        items = read_list(root)
        return _from_heap(root, items, sorted({item.label for item in items}), positive, seed)
    if (root / "train").is_dir():
        return _from_train_test(root, positive, seed)
    names = sorted(p.name for p in root.iterdir() if p.is_dir() and p.name not in ("test", "masks") and _has_images(p))
    groups = read_groups(root)
    items = [item for name in names for item in _scan(root / name, name, groups, root, root / "masks")]
    return _from_heap(root, items, names, positive, seed)


def _from_two(a: Path, b: Path, positive: str | None, seed: int) -> Dataset:
    a, b = (Path(os.path.abspath(folder)) for folder in (a, b))  # what is beside them counts wherever one stands
    for folder in (a, b):
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder; give two folders of images")
    if a.samefile(b):
        raise DataError(f"{a}: given twice; two different folders are needed")
    if a.name == b.name:
        raise DataError(f"{a} and {b} have the same name, which is the name of the class; rename one")
    siblings = a.parent == b.parent
    root = a.parent.parent if siblings and a.parent.name == "train" else a.parent  # of DATA/train/A and DATA/train/B
    groups = read_groups(root) if siblings else {}
    items = [
        item
        for folder in (a, b)
        for item in _scan(folder, folder.name, groups, root if siblings else folder.parent, folder / "masks")
    ]
    return _from_heap(root, items, [a.name, b.name], positive, seed)


def _from_heap(root: Path, items: list[Item], names: Sequence[str], positive: str | None, seed: int) -> Dataset:
    classes = _ordered(names, positive, _marked(items), root)
    train, validation, test = split_all(_unambiguous(items, classes[1]), seed)
    return Dataset(root, classes, train, validation, test, split_made=True)


def _from_train_test(root: Path, positive: str | None, seed: int) -> Dataset:
    groups = read_groups(root)
    names = sorted(p.name for p in (root / "train").iterdir() if p.is_dir())
    train = [item for name in names for item in _scan(root / "train" / name, name, groups, root, None)]
    folders = sorted(p.name for p in (root / "test").iterdir() if p.is_dir()) if (root / "test").is_dir() else []
    masks = root / "test" / "masks"
    test = [
        item for name in folders if name in names for item in _scan(root / "test" / name, name, groups, root, masks)
    ]
    boxes = read_boxes(root / "test" / "boxes.json", test)
    marked = _marked(test) | {name.split("/")[0] for name, found in boxes.items() if found}
    classes = _ordered(names, positive, marked, root)
    if not test:
        return _from_heap(root, train, names, positive, seed)
    refuse_shared_groups(train, test, root)
    fit, validation = split_training(train, seed)
    ignored = tuple(name for name in folders if name not in (*names, "masks"))
    dev = read_names(root / "test" / "dev.txt")
    return Dataset(root, classes, fit, validation, _unambiguous(test, classes[1]), boxes, ignored, dev=dev)


def _ordered(names: Sequence[str], positive: str | None, marked: set[str], root: Path) -> tuple[str, ...]:
    """Classes with the positive one last; `marked` are those with masks or boxes."""
    if len(names) != 2:
        found = f"({', '.join(names)})" if names else "with images"
        raise DataError(f"{root}: needs exactly two class folders, found {len(names)} {found}")
    if positive is None:
        positive = next(iter(marked)) if len(marked) == 1 else names[1]
    if positive not in names:
        raise DataError(f"--positive {positive}: no such class; the classes are {', '.join(names)}")
    return (next(name for name in names if name != positive), positive)


def _marked(items: Iterable[Item]) -> set[str]:
    """Classes with masks; a mask that fits images of both by its name tells nothing."""
    owners: dict[Path, set[str]] = {}
    for item in items:
        if item.mask:
            owners.setdefault(item.mask, set()).add(item.label)
    return set().union(*(labels for labels in owners.values() if len(labels) == 1))


def _unambiguous(items: list[Item], positive: str) -> list[Item]:
    """A mask that fits images of both classes by its name belongs to the positive one."""
    owners = Counter(item.mask for item in items if item.mask)
    return [
        replace(item, mask=None) if item.mask and owners[item.mask] > 1 and item.label != positive else item
        for item in items
    ]


def _scan(folder: Path, label: str, groups: dict[str, str], root: Path, masks: Path | None) -> list[Item]:
    paths = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    images = [p for p in paths if suffix(p) in SUFFIXES]
    if not images:
        other = f" ({len(paths)} files of other kinds, such as {paths[0].name})" if paths else ""
        raise DataError(f"{folder}: holds no image of a known format{other}; put this class's images there")
    items = []
    for path in images:
        relative = path.relative_to(root).as_posix()
        mask = masks / f"{stem(path)}.png" if masks else None
        items.append(Item(path, label, groups.get(relative, relative), mask if mask and mask.is_file() else None))
    return items


def _has_images(folder: Path) -> bool:
    return any(suffix(p) in SUFFIXES for p in folder.iterdir())
