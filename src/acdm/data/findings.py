"""Several findings in an image: labels.csv, or more than two class folders, and each finding as a set of two classes.

A finding is present in an image or absent.  Seen from one of them a data set has two classes, "no spur" and "spur", and
all that knows two classes takes it so (`Findings.of`).
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations
from pathlib import Path

from acdm.core.config import Reading
from acdm.core.records import FOLDER_NAME
from acdm.data.dataset import Dataset, Item, Unused
from acdm.data.images.arrays import Box
from acdm.data.manifest import Groups, last_two, plain_name, plain_path, read_boxes, read_names, read_table
from acdm.data.search import MaskFiles, class_folders, images_below
from acdm.data.split import refuse_shared_groups, split_test, split_training
from acdm.errors import DataError

TABLE = "labels.csv"
FILE, SPLIT, GROUP = "file", "split", "group"  # its columns that are no labels
PARTS = {"train": "train", "test": "test", **dict.fromkeys(("val", "valid", "validation"), "validation")}
NONE, ANY = "none", "any"  # what an image without and with findings is called, where one name stands for all
FEWEST = 4  # images and groups of a label, from which on a split gives each part its share of it
INSEPARABLE = 0.98  # share of one finding's images that have another one, from which on the two can't be told apart


@dataclass(frozen=True)
class Findings:
    """Images that may have several findings each, split.

    Attributes:
        root: the data folder.
        names: of the findings, in the table's order.
        train, validation, test: disjoint in groups; the label of an item is the rarest of its findings.
        present: the findings of each image.
        boxes: true boxes by finding, then by an image's folder and file.
        dev: images under test/ on which defaults may be chosen.
        split_made: whether the test part was cut from the given images.
        reading: how files become arrays.
        reference: of classes, the one without a finding, where there is such.
        unused: files among the images that are not used, and why.
    """

    root: Path
    names: tuple[str, ...]
    train: list[Item]
    validation: list[Item]
    test: list[Item]
    present: Mapping[Path, frozenset[str]]
    boxes: Mapping[str, Mapping[str, list[Box]]] = field(default_factory=dict)
    dev: frozenset[str] = frozenset()
    split_made: bool = False
    reading: Reading = field(default_factory=Reading)
    reference: str | None = None
    unused: tuple[Unused, ...] = ()

    def of(self, name: str) -> Dataset:
        """The data set as that finding sees it: images without it, and, as the positive class, images with it.

        Raises:
            DataError: naming the findings there are.
        """
        require_finding(name, self.names)
        seen = self._labelled((f"no {name}", name), lambda present: name if name in present else f"no {name}")
        masks, boxes = self._masks_of(name), self.boxes.get(name, {})
        return replace(
            seen,
            test=[replace(item, mask=masks.get(item.path)) for item in seen.test],
            boxes={item.name: boxes[last_two(item.path)] for item in seen.test if last_two(item.path) in boxes},
            dev=frozenset(item.name for item in seen.test if last_two(item.path) in self.dev),
        )

    @property
    def have_none(self) -> int:
        """How many training images are without any finding; 0 where no validation image is."""
        without, unseen = (sum(not self.present[item.path] for item in part) for part in (self.train, self.validation))
        return without if unseen else 0

    def any(self) -> Dataset:
        """The data set in two classes: images without and with any finding; where all have one, with the first."""
        sought = set(self.names) if self.have_none else {self.names[0]}
        return self._labelled((NONE, ANY), lambda present: ANY if present & sought else NONE)

    def together(self) -> Dataset:
        """The data set with all findings of an image as its label, so that its files can be told again."""
        return self._labelled((), lambda present: " + ".join(sorted(present)) or NONE)

    def _labelled(self, classes: tuple[str, ...], label: Callable[[frozenset[str]], str]) -> Dataset:
        """The data set with other labels, each from the findings of an image."""

        def seen(items: Sequence[Item]) -> list[Item]:
            return [replace(item, label=label(self.present[item.path])) for item in items]

        return Dataset(
            self.root,
            classes,
            seen(self.train),
            seen(self.validation),
            seen(self.test),
            split_made=self.split_made,
            reading=self.reading,
            unused=self.unused,
        )

    def states(self, items: Sequence[Item]) -> list[list[int]]:
        """1 where an image has a finding, else 0: one list an image, in the order of `names`."""
        return [[int(name in self.present[item.path]) for name in self.names] for item in items]

    def counts(self) -> dict[str, dict[str, int]]:
        """Images of each part with each finding, and those with none."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {
            part: {
                **{name: sum(name in self.present[item.path] for item in items) for name in self.names},
                NONE: sum(not self.present[item.path] for item in items),
            }
            for part, items in parts.items()
        }

    def never_alone(self) -> list[tuple[str, str, float]]:
        """Findings that hardly ever come without another one, which one, and in what share of their training images."""
        seen = [self.present[item.path] for item in [*self.train, *self.validation]]
        counts = Counter(name for names in seen for name in names)
        both = {pair: sum(set(pair) <= names for names in seen) for pair in permutations(self.names, 2)}
        shares = {(a, b): both[a, b] / counts[a] for a, b in both if counts[a]}
        return [(a, b, share) for (a, b), share in shares.items() if share >= INSEPARABLE]

    def _masks_of(self, name: str) -> dict[Path, Path]:
        """A finding's masks by their test images; those of an image's only finding may lie in masks/ itself.

        A mask that fits several images by its name tells nothing.
        """
        folder = self.root / "test" / "masks"
        own, flat = MaskFiles.below(folder / name), MaskFiles.below(folder, deep=False)
        found = {}
        for item in self.test:
            if name in self.present[item.path]:
                alone = len(self.present[item.path]) == 1
                mask = own.of(item.path) or (flat.of(item.path) if alone else None)
                if mask:
                    found[item.path] = mask
        owners = Counter(found.values())
        return {path: mask for path, mask in found.items() if owners[mask] == 1}


def require_finding(name: str, names: Sequence[str]) -> None:
    """Raise DataError, naming those there are, where no finding has that name."""
    if name not in names:
        raise DataError(f"'{name}' is no finding of this data; there are {', '.join(names)}")


def find_findings(paths: Sequence[Path], seed: int = 0, reference: str | None = None) -> Findings | None:
    """Read a data folder with labels.csv, or one with more than two classes; None for every other data set.

    Args:
        paths: as for `load_dataset`.
        seed: of the splits that have to be made.
        reference: with classes, the one whose images have no finding; None takes each class as a finding.

    Raises:
        DataError: one sentence that names file, line and remedy.
    """
    if len(paths) != 1 or not paths[0].is_dir():
        if reference is not None:
            raise DataError(f"--reference {reference}: is for one data folder with more than two classes")
        return None
    root = paths[0]
    if (root / TABLE).is_file():
        if reference is not None:
            raise DataError(f"--reference {reference}: is for folders of classes, and {root} has {TABLE}")
        return _from_table(root, seed)
    classes, empty = class_folders(root / "train") if (root / "train").is_dir() else ([], [])
    if len(classes) <= 2:
        if reference is not None:
            raise DataError(
                f"--reference {reference}: is for more than two classes below {root}/train, which has {len(classes)}"
            )
        return None
    return _from_classes(root, classes, empty, reference, seed)


def find_several(
    paths: Sequence[Path], seed: int = 0, positive: str | None = None, reference: str | None = None
) -> Findings | None:
    """The same, where there are at least two findings and none of them is named as the positive class; else None."""
    if positive is not None and reference is not None:
        raise DataError(f"--reference {reference} and --positive {positive}: give one of them")
    found = find_findings(paths, seed, reference) if positive is None else None
    return found if found and len(found.names) > 1 else None


def _from_table(root: Path, seed: int) -> Findings:
    table = root / TABLE
    rows = read_table(table, (FILE,))
    if not rows:
        raise DataError(f"{table}: has no line; give a line an image below the columns' names")
    names = _labels(table)
    if any(None in row for row in rows):
        number = next(n for n, row in enumerate(rows, start=2) if None in row)
        raise DataError(f"{table}, line {number}: has more values than there are columns")
    groups = Groups.read(root)
    items: dict[str, list[Item]] = {"train": [], "validation": [], "test": []}
    present: dict[Path, frozenset[str]] = {}
    for number, row in enumerate(rows, start=2):
        path = root / plain_path(row[FILE])
        if not path.is_file():
            raise DataError(f"{table}, line {number}: no such image {path}; correct '{FILE}'")
        if path in present:
            raise DataError(f"{table}, line {number}: {row[FILE]} is listed twice; leave one line")
        wrong = [name for name in names if (row.get(name) or "").strip() not in ("0", "1")]
        if wrong:
            raise DataError(f"{table}, line {number}: '{wrong[0]}' is '{row.get(wrong[0])}', expected 0 or 1")
        part = PARTS.get((row.get(SPLIT) or "train").strip().lower())
        if part is None:
            raise DataError(f"{table}, line {number}: {SPLIT} '{row[SPLIT]}', expected train, validation or test")
        present[path] = frozenset(name for name in names if row[name].strip() == "1")
        name = plain_name(row[FILE])
        group = (row.get(GROUP) or "").strip() or groups.of(name)
        items[part].append(Item(path, "", group, below=name))
    return replace(_split(root, names, items, present, seed), unused=groups.unused)


def _labels(table: Path) -> tuple[str, ...]:
    """The columns that are labels; raises DataError where a name is none, or stands twice."""
    with table.open(encoding="utf-8-sig", newline="") as file:
        columns = next(csv.reader(file))
    names = tuple(name for name in columns if name not in (FILE, SPLIT, GROUP))
    if not names:
        raise DataError(f"{table}: has no label; every column but {FILE}, {SPLIT} and {GROUP} is one, of 0 and 1")
    for name in names:
        if not _names_a_folder(name):
            raise DataError(f"{table}: the label '{name}' becomes a folder's name and must look like one; rename it")
    if twice := next((name for name, count in Counter(columns).items() if count > 1), None):
        raise DataError(f"{table}: the column '{twice}' is there twice; leave one")
    return names


def _names_a_folder(name: str) -> bool:
    return re.fullmatch(FOLDER_NAME, name) is not None and name == name.strip() and name not in (NONE, ANY)


def _from_classes(
    root: Path, classes: Sequence[str], empty: Sequence[Unused], reference: str | None, seed: int
) -> Findings:
    if reference is not None and reference not in classes:
        raise DataError(f"--reference {reference}: no such class; the classes are {', '.join(classes)}")
    for name in classes:
        if not _names_a_folder(name):
            raise DataError(
                f"{root / 'train' / name}: this name can't stand for a finding everywhere; rename the folder"
            )
    groups = Groups.read(root)
    items: dict[str, list[Item]] = {"train": [], "validation": [], "test": []}
    present: dict[Path, frozenset[str]] = {}
    unused: list[Unused] = [*empty, *groups.unused]
    for folder, part in PARTS.items():
        for name in classes:
            place = root / folder / name
            images, others = images_below(place) if place.is_dir() else ([], [])
            unused += others
            for path in images:
                relative = path.relative_to(root).as_posix()
                items[part].append(Item(path, "", groups.of(relative), below=relative))
                present[path] = frozenset({name} - {reference})
    names = tuple(name for name in classes if name != reference)
    return replace(_split(root, names, items, present, seed), reference=reference, unused=tuple(unused))


def _split(
    root: Path,
    names: tuple[str, ...],
    items: dict[str, list[Item]],
    present: Mapping[Path, frozenset[str]],
    seed: int,
) -> Findings:
    """Cut what is not cut yet, every finding in every part; groups stay whole."""
    counts = Counter(name for found in present.values() for name in found)
    rarest = sorted(names, key=lambda name: (counts[name], names.index(name)))

    def labelled(some: Sequence[Item]) -> list[Item]:
        return [replace(i, label=next((n for n in rarest if n in present[i.path]), NONE)) for i in some]

    def good(*parts: Sequence[Item]) -> bool:
        return all(0 < sum(name in present[i.path] for i in part) < len(part) for part in parts for name in names)

    parts = {part: labelled(some) for part, some in items.items()}
    if not parts["train"]:
        raise DataError(f"{root}: holds no training image; 'split' has to be train for most of them")
    refuse_shared_groups({part: some for part, some in parts.items() if some}, root)
    for part, some in parts.items():
        _require_both(root, part, some, names, present)
    made = not parts["test"]
    if made:
        parts["train"], parts["test"] = split_test(_joined(parts["train"]), seed, good)
    if not parts["validation"]:
        parts["train"], parts["validation"] = split_training(_joined(parts["train"]), seed, good, even=True)
    boxes = {name: read_boxes(root / "test" / "boxes.json", parts["test"], name) for name in names}
    return Findings(
        root=root,
        names=names,
        train=parts["train"],
        validation=parts["validation"],
        test=parts["test"],
        present=present,
        boxes=boxes,
        dev=read_names(root / "test" / "dev.txt"),
        split_made=made,
    )


def _require_both(
    root: Path, part: str, items: Sequence[Item], names: Sequence[str], present: Mapping[Path, frozenset[str]]
) -> None:
    """Raise DataError where all images of a part have a finding, or none has; a part without images is cut yet."""
    for name in names if items else ():
        having = sum(name in present[item.path] for item in items)
        if not 0 < having < len(items):
            raise DataError(
                f"{root}: {'every' if having else 'no'} image of the {part} part has '{name}'; a finding has to be"
                " present in some images of each part and absent in others"
            )


def _joined(items: Sequence[Item]) -> list[Item]:
    """Items whose rare labels are joined into the most frequent one: a split needs several groups of each."""
    groups = {label: {i.group for i in items if i.label == label} for label in {i.label for i in items}}
    counts = Counter(item.label for item in items)
    enough = min(FEWEST, len({item.group for item in items}))
    rare = {label for label in groups if len(groups[label]) < enough or counts[label] < FEWEST}
    most = counts.most_common(1)[0][0]
    return [replace(item, label=most) if item.label in rare else item for item in items]
