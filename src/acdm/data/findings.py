"""Several findings in an image: labels.csv, or more than two class folders, and each finding as a set of two classes.

A finding is present in an image or absent.  Seen from one of them a data set has two classes, "no spur" and "spur", and
all that knows two classes takes it so (`Findings.of`).
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations
from pathlib import Path

from acdm.core.config import Reading
from acdm.core.records import FOLDER_NAME
from acdm.data.dataset import Dataset, Item
from acdm.data.images.arrays import Box
from acdm.data.manifest import plain_name, plain_path, read_boxes, read_groups, read_names, read_table
from acdm.data.search import images_below
from acdm.data.split import refuse_shared_groups, split_test, split_training
from acdm.errors import DataError

TABLE = "labels.csv"
FILE, SPLIT, GROUP = "file", "split", "group"  # its columns that are no labels
PARTS = {"train": "train", "test": "test", **dict.fromkeys(("val", "valid", "validation"), "validation")}
NONE, ANY = "none", "any"  # what an image without and with findings is called, where one name stands for all
TOGETHER = 0.98  # share of one finding's images that have another one, from which on the two can't be told apart


@dataclass(frozen=True)
class Findings:
    """Images that may have several findings each, split.

    Attributes:
        root: the data folder.
        names: of the findings, in the table's order.
        train, validation, test: disjoint in groups; the label of an item is the rarest of its findings.
        present: the findings of each image.
        boxes: true boxes by finding, then by the file's name below test/.
        dev: images under test/ on which defaults may be chosen.
        split_made: whether the test part was cut from the given images.
        reading: how files become arrays.
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

    def of(self, name: str) -> Dataset:
        """The data set as that finding sees it: images without it, and, as the positive class, images with it.

        Raises:
            DataError: naming the findings there are.
        """
        require_finding(name, self.names)

        def seen(items: Sequence[Item]) -> list[Item]:
            return [self._seen(item, name) for item in items]

        test = seen(self.test)
        below_test = {item.path: self._below_test(item) for item in test}
        boxes = self.boxes.get(name, {})
        return Dataset(
            root=self.root,
            classes=(f"no {name}", name),
            train=seen(self.train),
            validation=seen(self.validation),
            test=test,
            boxes={item.name: boxes[below_test[item.path]] for item in test if below_test[item.path] in boxes},
            split_made=self.split_made,
            dev=frozenset(item.name for item in test if below_test[item.path] in self.dev),
            reading=self.reading,
        )

    def any(self) -> Dataset:
        """The data set in two classes: images without and with any finding; where all have one, with the first."""
        sought = set(self.names) if any(not self.present[item.path] for item in self.train) else {self.names[0]}

        def seen(items: Sequence[Item]) -> list[Item]:
            return [replace(item, label=ANY if self.present[item.path] & sought else NONE) for item in items]

        train, validation, test = (seen(items) for items in (self.train, self.validation, self.test))
        return Dataset(
            self.root, (NONE, ANY), train, validation, test, split_made=self.split_made, reading=self.reading
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
        return [(a, b, share) for (a, b), share in shares.items() if share >= TOGETHER]

    def _seen(self, item: Item, name: str) -> Item:
        """An image as a finding sees it, with the finding's own mask; one of its only finding may lie in masks/."""
        present = self.present[item.path]
        if name not in present:
            return replace(item, label=f"no {name}")
        folder, file = self.root / "test" / "masks", f"{item.path.stem}.png"
        masks = [folder / name / file, *([folder / file] if len(present) == 1 else [])]
        return replace(item, label=name, mask=next(filter(Path.is_file, masks), None))

    def _below_test(self, item: Item) -> str:
        """The name of an image as test/dev.txt and boxes.json have it: its last folder and its file."""
        return f"{item.path.parent.name}/{item.path.name}"


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
        return None
    root = paths[0]
    if (root / TABLE).is_file():
        if reference is not None:
            raise DataError(f"--reference {reference}: is for folders of classes, and {root} has {TABLE}")
        return _from_table(root, seed)
    classes = _class_folders(root)
    if len(classes) <= 2:
        if reference is not None:
            raise DataError(f"--reference {reference}: is for more than two classes, and {root} has {len(classes)}")
        return None
    return _from_classes(root, classes, reference, seed)


def find_several(
    paths: Sequence[Path], seed: int = 0, positive: str | None = None, reference: str | None = None
) -> Findings | None:
    """The same, where there are at least two findings and none of them is named as the positive class; else None."""
    found = find_findings(paths, seed, reference) if positive is None else None
    return found if found and len(found.names) > 1 else None


def _class_folders(root: Path) -> list[str]:
    train = root / "train"
    return sorted(p.name for p in train.iterdir() if p.is_dir() and p.name[0] != ".") if train.is_dir() else []


def _from_table(root: Path, seed: int) -> Findings:
    table = root / TABLE
    rows = read_table(table, (FILE,))
    names = tuple(name for name in rows[0] if name not in (FILE, SPLIT, GROUP)) if rows else ()
    if not names:
        raise DataError(f"{table}: has no label; every column but {FILE}, {SPLIT} and {GROUP} is one, of 0 and 1")
    if odd := next((name for name in names if not re.fullmatch(FOLDER_NAME, name)), None):
        raise DataError(f"{table}: the label '{odd}' becomes a folder's name and must look like one")
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
        group = (row.get(GROUP) or "").strip() or plain_name(row[FILE])
        items[part].append(Item(path, "", group))
    return _split(root, names, items, present, seed)


def _from_classes(root: Path, classes: Sequence[str], reference: str | None, seed: int) -> Findings:
    if reference is not None and reference not in classes:
        raise DataError(f"--reference {reference}: no such class; the classes are {', '.join(classes)}")
    groups = read_groups(root)
    items: dict[str, list[Item]] = {"train": [], "validation": [], "test": []}
    present: dict[Path, frozenset[str]] = {}
    for folder, part in PARTS.items():
        for name in classes:
            place = root / folder / name
            for path in images_below(place)[0] if place.is_dir() else ():
                relative = path.relative_to(root).as_posix()
                items[part].append(Item(path, "", groups.get(plain_name(relative).casefold(), relative)))
                present[path] = frozenset({name} - {reference})
    names = tuple(name for name in classes if name != reference)
    return _split(root, names, items, present, seed)


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

    parts = {part: labelled(some) for part, some in items.items()}
    if not parts["train"]:
        raise DataError(f"{root}: holds no training image; 'split' has to be train for most of them")
    refuse_shared_groups({part: some for part, some in parts.items() if some}, root)
    made = not parts["test"]
    if made:
        parts["train"], parts["test"] = split_test(parts["train"], seed)
    if not parts["validation"]:
        parts["train"], parts["validation"] = split_training(parts["train"], seed, even=True)
    for part, some in parts.items():
        for name in names:
            having = sum(name in present[item.path] for item in some)
            if not 0 < having < len(some):
                all_or_none = "every" if having else "no"
                raise DataError(
                    f"{root}: {all_or_none} image of the {part} part has '{name}'; a finding has to be present in some"
                    " images of each part and absent in others"
                )
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
