"""A data set as values: images with class and group, and how they are split."""

import os
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from acdm.core.config import Reading
from acdm.core.records import File
from acdm.data.images.arrays import Box
from acdm.errors import DataError


@dataclass(frozen=True)
class Item:
    """One image file with its class and the group (patient, board, picture) that no split may divide.

    Attributes:
        path: of the file.
        label: its class.
        group: what it shares with others.
        mask: true mask, where there is one.
        below: its path in the data folder, where its class is not its folder.
    """

    path: Path
    label: str
    group: str
    mask: Path | None = None
    below: str = ""

    @property
    def name(self) -> str:
        """<class>/<file>, as test/dev.txt and boxes.json call the image; of findings, its path in the data folder."""
        return unicodedata.normalize("NFC", self.below or f"{self.label}/{self.path.name}")


@dataclass(frozen=True)
class Unused:
    """A file or folder that is not used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Dataset:
    """A data set as it lies on the disk, split.

    Attributes:
        root: the folder that was given, or the common parent of two.
        classes: their names; the index is y, and class 1 is the positive one.
        train, validation, test: disjoint in groups.
        boxes: true boxes by `Item.name`.
        ignored: folders under test/ that are no class.
        split_made: whether the test part was cut from the given images.
        dev: names under test/ on which defaults may be chosen.
        reading: how its files become arrays.
        range_found: whether their range was found in the training images, so that all must be of one depth.
        unused: files and folders among the images that are not used, and why.
    """

    root: Path
    classes: tuple[str, ...]
    train: list[Item]
    validation: list[Item]
    test: list[Item]
    boxes: dict[str, list[Box]] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    split_made: bool = False
    dev: frozenset[str] = frozenset()
    reading: Reading = field(default_factory=Reading)
    range_found: bool = False
    unused: tuple[Unused, ...] = ()

    def unused_in_words(self) -> str:
        """How many files and folders are not used, by reason; empty where all are."""
        reasons = Counter(u.reason for u in self.unused)
        first = {u.reason: u.path for u in reversed(self.unused)}
        return ", ".join(f"{number} {reason} (first {first[reason]})" for reason, number in reasons.items())

    @property
    def positive(self) -> str:
        """Name of the class that carries the object."""
        return self.classes[1]

    @property
    def items(self) -> list[Item]:
        """All images: training, validation and test."""
        return [*self.train, *self.validation, *self.test]

    @property
    def parts(self) -> dict[str, list[Item]]:
        """The images of each part by its name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def counts(self) -> dict[str, dict[str, int]]:
        """Number of images of each part and class."""
        return {
            part: {name: sum(item.label == name for item in items) for name in self.classes}
            for part, items in self.parts.items()
        }

    def files(self) -> dict[str, tuple[File, ...]]:
        """The files of each part, relative to the root, so that a split can be told again."""

        def line(item: Item) -> File:
            return File(path=os.path.relpath(item.path, self.root), label=item.label, group=item.group)

        return {part: tuple(line(item) for item in items) for part, items in self.parts.items()}

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
        strange = self.dev - {item.name for item in self.test}
        if len(strange) > len(self.dev) / 2:  # some may be of images that are gone
            raise DataError(
                f"{self.root / 'test/dev.txt'}: {len(strange)} of its {len(self.dev)} lines name no test image, such as"
                f" '{min(strange)}'; name each <class>/<file>"
            )
        return [item for item in self.test if (item.name in self.dev) == (split == "dev")]
