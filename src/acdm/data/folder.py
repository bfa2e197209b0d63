"""Folders of images and their classes: what is there, which class is positive, and how it is split."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from acdm.data.dataset import Dataset, Item, Unused
from acdm.data.findings import find_findings
from acdm.data.images.read import read_mask
from acdm.data.manifest import Groups, read_boxes, read_list, read_names
from acdm.data.search import MaskFiles, class_folders, folders_in, has_images, images_below, most_alike
from acdm.data.split import refuse_shared_groups, split_test, split_training
from acdm.errors import DataError

VALIDATION = ("val", "valid", "validation")  # what a folder of validation images is called


def load_dataset(
    paths: Sequence[Path],
    positive: str | None = None,
    seed: int = 0,
    reference: str | None = None,
    whole: bool = False,
) -> Dataset:
    """Read one data folder, one CSV, or two class folders.

    Args:
        paths: DATA with `train/<class>/` or `<class>/`; or a CSV `path,label[,group][,mask]`; or two folders; or DATA
            with labels.csv or more than two classes, of which one finding is taken.
        positive: the class that carries the object; left out, the one with masks or boxes, else the second.
        seed: of the splits that have to be made.
        reference: with more than two classes, the one without a finding.
        whole: whether images of which no test part was set apart are all test images; else a part of them is.

    Raises:
        DataError: one sentence that names the folder and the remedy.
    """
    if not 1 <= len(paths) <= 2:
        raise DataError(f"give one data folder or two class folders, got {len(paths)}")
    if len(paths) == 2:
        return _from_two(paths[0], paths[1], positive, None if whole else seed)
    if findings := find_findings(paths, seed, reference):
        if positive is None and len(findings.names) > 1:
            raise DataError(f"{paths[0]}: has several findings, {', '.join(findings.names)}; name one with --positive")
        return findings.of(positive or findings.names[0])
    root = paths[0]
    if not root.exists():
        raise DataError(f"{root}: no such folder; give DATA with one folder a class, or two folders of images")
    if root.is_file():
        items = read_list(root)
        return _from_heap(root, items, sorted({item.label for item in items}), positive, None if whole else seed)
    if (root / "train").is_dir():
        return _from_train_test(root, positive, seed, whole)
    names, empty = class_folders(root, ("test", "masks"))
    masks, groups = MaskFiles.below(root / "masks"), Groups.read(root)
    items, unused = _scan({name: root / name for name in names}, groups, root, lambda folder: masks)
    return _from_heap(root, items, names, positive, None if whole else seed, [*empty, *groups.unused, *unused])


def _from_two(a: Path, b: Path, positive: str | None, seed: int | None) -> Dataset:
    a, b = (Path(os.path.abspath(folder)) for folder in (a, b))  # what is beside them counts wherever one stands
    for folder in (a, b):
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder; give two folders of images")
    if a.samefile(b):
        raise DataError(f"{a}: given twice; two different folders are needed")
    for inner, outer in ((a, b), (b, a)):
        if inner.resolve().is_relative_to(outer.resolve()):
            raise DataError(f"{inner}: lies within {outer}, so that its images would be of both classes; put it beside")
    if a.name == b.name:
        raise DataError(f"{a} and {b} have the same name, which is the name of the class; rename one")
    siblings = a.parent == b.parent
    root = a.parent.parent if siblings and a.parent.name == "train" else a.parent  # of DATA/train/A and DATA/train/B
    groups = Groups.read(root) if siblings else Groups()
    items, unused = _scan(
        {folder.name: folder for folder in (a, b)},
        groups,
        root if siblings else Path(os.path.commonpath([a, b])),
        lambda folder: MaskFiles.below(folder / "masks"),
    )
    return _from_heap(root, items, [a.name, b.name], positive, seed, [*groups.unused, *unused])


def _from_heap(
    root: Path,
    items: list[Item],
    names: Sequence[str],
    positive: str | None,
    seed: int | None,
    unused: Sequence[Unused] = (),
    given: Sequence[Item] = (),
) -> Dataset:
    """A data set of which nothing but validation images may have been set apart, those `given`.

    Without a seed nothing is set apart, and all are test images.
    """
    classes = _ordered(names, positive, _marked(items), root)
    known, shared = _unambiguous(items, classes[1])
    if seed is None:
        return Dataset(root, classes, [], [], [*known, *given], split_made=True, unused=(*unused, *shared))
    rest, test = split_test(known, seed)
    train, validation = _apart(rest, given, seed)
    return Dataset(root, classes, train, validation, test, split_made=True, unused=(*unused, *shared))


def _from_train_test(root: Path, positive: str | None, seed: int, whole: bool) -> Dataset:
    groups = Groups.read(root)
    names, empty = class_folders(root / "train")
    train, unused = _scan({name: root / "train" / name for name in names}, groups, root, lambda folder: MaskFiles())
    unused += [*empty, *groups.unused]
    test_folders = folders_in(root / "test", ("masks",)) if (root / "test").is_dir() else []
    masks = MaskFiles.below(root / "test" / "masks")
    tested = {name: root / "test" / name for name in test_folders if name in names}
    test, others = _scan(tested, groups, root, lambda folder: masks)
    unused += others
    given, others = _validation(root, names, groups)
    unused += others
    used = {"train", "test"} | {item.path.relative_to(root).parts[0] for item in given}
    unused += [Unused(root / name, "beside train and test") for name in folders_in(root) if name not in used]
    boxes = read_boxes(root / "test" / "boxes.json", test)
    marked = _marked(test) | {name.split("/")[0] for name, found in boxes.items() if found}
    classes = _ordered(names, positive, marked, root)
    refuse_shared_groups({"train": train, "test": test, "validation": given}, root)
    if not test:
        return _from_heap(root, train, names, positive, None if whole else seed, unused, given)
    fit, validation = _apart(train, given, seed)
    ignored = tuple(name for name in test_folders if name not in names)
    dev = read_names(root / "test" / "dev.txt")
    known, shared = _unambiguous(test, classes[1])
    return Dataset(root, classes, fit, validation, known, boxes, ignored, dev=dev, unused=(*unused, *shared))


def _apart(train: list[Item], given: Sequence[Item], seed: int) -> tuple[list[Item], list[Item]]:
    """Training and validation images: those `given`, or some that are set apart where there are none."""
    return (train, list(given)) if given else split_training(train, seed)


def _validation(root: Path, names: Sequence[str], groups: Groups) -> tuple[list[Item], list[Unused]]:
    """What is in a folder of validation images that has all classes; nothing where there is no such folder."""
    for folder in (root / name for name in VALIDATION):
        if all((folder / name).is_dir() and has_images(folder / name) for name in names):
            return _scan({name: folder / name for name in names}, groups, root, lambda _: MaskFiles())
    return [], []


def _ordered(names: Sequence[str], positive: str | None, marked: set[str], root: Path) -> tuple[str, ...]:
    """Classes with the positive one last; `marked` are those with masks or boxes."""
    if len(names) != 2:
        found = f"({', '.join(names)})" if names else "with images"
        more = "; more than two are several findings, and belong into DATA/train/" if len(names) > 2 else ""
        raise DataError(f"{root}: needs exactly two class folders, found {len(names)} {found}{more}")
    if positive is None:
        positive = next(iter(marked)) if len(marked) == 1 else names[1]
    if positive not in names:
        raise DataError(f"--positive {positive}: no such class; the classes are {', '.join(names)}")
    return (next(name for name in names if name != positive), positive)


def _marked(items: Iterable[Item]) -> set[str]:
    """Classes with masks that mark something, or, where all are blank, with masks.

    A mask that fits images of both classes by its name tells nothing.
    """
    owners: dict[Path, set[str]] = {}
    for item in items:
        if item.mask:
            owners.setdefault(item.mask, set()).add(item.label)
    masks: dict[str, list[Path]] = {}
    for mask, labels in owners.items():
        if len(labels) == 1:
            masks.setdefault(next(iter(labels)), []).append(mask)
    return {label for label, own in masks.items() if any(map(_marks, own))} or set(masks)


def _marks(mask: Path) -> bool:
    """Whether a mask has any pixel; one that cannot be read is told of where it is used."""
    try:
        return bool(read_mask(mask).any())
    except DataError:
        return True


def _unambiguous(items: list[Item], positive: str) -> tuple[list[Item], list[Unused]]:
    """Images whose masks are theirs alone, and the masks that still fit several.

    A mask that fits images of both classes by its name belongs to the positive one; one that fits several of these, to
    the one whose folders end like its own.
    """
    owners: dict[Path, list[Item]] = {}
    for item in items:
        if item.mask:
            owners.setdefault(item.mask, []).append(item)
    own: dict[Path, Path] = {}
    shared: list[Unused] = []
    for mask, fitting in owners.items():
        likely = [item for item in fitting if item.label == positive] if len(fitting) > 1 else fitting
        images = most_alike(mask, [item.path for item in likely])
        if len(images) == 1:
            own[images[0]] = mask
        else:
            shared.append(Unused(mask, "a mask that fits several images by its name"))
    return [replace(item, mask=own.get(item.path)) for item in items], shared


def _scan(
    folders: Mapping[str, Path], groups: Groups, root: Path, masks: Callable[[Path], MaskFiles]
) -> tuple[list[Item], list[Unused]]:
    """The images of each class's folder, in folders within it, too, and what else is there.

    Args:
        folders: by class.
        groups: of these images.
        root: which names are relative to.
        masks: from a class's folder to the masks of its images.
    """
    items: list[Item] = []
    unused: list[Unused] = []
    for label, folder in folders.items():
        images, others = images_below(folder)
        if not images:
            some = f" ({len(others)} files of other kinds, such as {others[0].path.name})" if others else ""
            raise DataError(f"{folder}: holds no image of a known format{some}; put this class's images there")
        own = masks(folder)
        for path in images:
            relative = path.relative_to(root).as_posix()
            items.append(Item(path, label, groups.of(relative), own.of(path)))
        unused += others
    return items, unused
