"""From a data set on the disk to what a training holds in memory.  Axes: n images, C channels, S rows and columns."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from acdm.core.config import Reading
from acdm.core.progress import QUIET, Progress
from acdm.core.records import DataRecord, Shortcut
from acdm.data.batches import some_of_each
from acdm.data.dataset import Dataset, Item
from acdm.data.duplicates import find_duplicates, refuse_duplicates
from acdm.data.findings import Findings
from acdm.data.images.arrays import Vector
from acdm.data.images.frame import square
from acdm.data.images.raw import EIGHT_BITS, find_ranges
from acdm.data.images.read import Picture, decode, digest, read_picture
from acdm.data.orientation import mirror_accuracy
from acdm.data.shortcuts import GRID, shortcuts, traits
from acdm.errors import DataError

Kept = TypeVar("Kept")

RANGE_IMAGES = 60  # training images that a range of values is found from


@dataclass(frozen=True, kw_only=True)
class TrainingImages:
    """Images of a data set as the network sees them.

    Attributes:
        train, validation: images (n, C, S, S) in [-1, 1] and classes (n,).
        channels: C.
        size: S.
        side: median longer side of the training images in pixels, which windows of large images are cut to.
        depths: highest values that the images' formats can hold; None for numbers without bounds.
        digests: checksums of the pixels of training and validation images.
        shortcuts: how well cheap traits alone tell the classes of training and validation images apart.
        mirror_accuracy: share of training images that a simple model tells from their mirror images: left to right,
            upside down.
        states: with several findings, which of them training and validation images have, (n, K) each; then a class is
            whether an image has any.
        shortcuts_to_findings: how well cheap traits tell each finding.
    """

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    channels: int
    size: int
    side: int
    depths: tuple[float | None, ...]
    digests: list[str]
    shortcuts: list[Shortcut]
    mirror_accuracy: tuple[float, float]
    states: tuple[Tensor, Tensor] | None = None
    shortcuts_to_findings: list[list[Shortcut]] = field(default_factory=list)

    @property
    def findings(self) -> int:
        """K, the number of findings; 1 where there are classes."""
        return 1 if self.states is None else self.states[0].shape[1]

    def of_finding(self, k: int) -> "TrainingImages":
        """Take the same images in two classes: without and with finding k."""
        assert self.states is not None
        (x, _), (unseen, _) = self.train, self.validation
        present, expected = (states[:, k] for states in self.states)
        return replace(
            self,
            train=(x, present),
            validation=(unseen, expected),
            shortcuts=self.shortcuts_to_findings[k],
            states=None,
            shortcuts_to_findings=[],
        )

    def of_any(self) -> "TrainingImages":
        """Take the same images in two classes: without any finding, and with some."""
        return replace(self, states=None, shortcuts_to_findings=[])

    @property
    def classes(self) -> int:
        """K, the number of classes."""
        return int(self.train[1].max()) + 1

    def head(self, count: int) -> tuple[Tensor, Tensor]:
        """So many validation images and their classes, as many of each class, or all there are."""
        x, y = self.validation
        chosen = self.unseen(count)
        return x[chosen], y[chosen]

    def unseen(self, count: int) -> Tensor:
        """Places of so many validation images, as many of each class, or all there are."""
        return some_of_each(self.validation[1], classes=2, each=count // 2)

    def describe(self, dataset: Dataset, findings: Findings | None = None) -> DataRecord:
        """What data.json says of these images, of the data set they came from, and of several findings in them."""
        return DataRecord(
            classes=dataset.classes,
            positive=dataset.positive,
            channels=self.channels,
            size=self.size,
            side=self.side,
            depths=self.depths,
            digests=tuple(self.digests),
            shortcuts=tuple(self.shortcuts),
            ignored=dataset.ignored,
            split_made=dataset.split_made,
            n=findings.counts() if findings else dataset.counts(),
            files=(findings.together() if findings else dataset).files(),
            findings=findings.names if findings else (),
            reference=findings.reference if findings else None,
        )


def load_images(
    dataset: Dataset, size: int, progress: Progress = QUIET, findings: Findings | None = None
) -> TrainingImages:
    """Decode every image of the data set, the test part too, so that a bad file is known before the first step.

    Args:
        dataset: in two classes; with findings, one that holds the same images (`Findings.any`).
        size: S.
        progress: told of every image.
        findings: several that the same images may have.

    Raises:
        DataError: naming files that cannot be used, or that are in two classes or two parts.
    """

    depths: dict[float | None, Path] = {}  # and the first image of each

    def keep(picture: Picture, path: Path) -> tuple[str, Tensor, dict[str, Vector], int]:
        image = picture.pixels
        depths.setdefault(picture.depth, path)
        return digest(image), square(image, size), traits(image, path), max(image.shape[1:])

    read = read_all(dataset.items, dataset.reading, keep, progress)
    if dataset.range_found:
        require_one_depth(depths)
    digests = [known for known, *_ in read]
    told = findings.together() if findings else dataset
    refuse_duplicates(find_duplicates((told.train, told.validation, told.test), digests))
    labels = torch.tensor([dataset.index(item.label) for item in dataset.items])
    first, second = len(dataset.train), len(dataset.train) + len(dataset.validation)

    def part(start: int, stop: int) -> tuple[Tensor, Tensor]:
        return torch.stack([pixels for _, pixels, *_ in read[start:stop]]), labels[start:stop]

    groups = [item.group for item in dataset.items[:second]]
    states = None if findings is None else torch.tensor(findings.states(dataset.items[:second]))

    def shortcuts_to(classes: Tensor) -> list[Shortcut]:
        return shortcuts([measured for _, _, measured, _ in read[:second]], classes.numpy(), groups)

    thumbnails = np.stack([measured["place"] for _, _, measured, _ in read[:first]]).reshape(first, GRID, GRID)
    sources = [item.group for item in dataset.train]
    return TrainingImages(
        train=part(0, first),
        validation=part(first, second),
        channels=len(read[0][1]),
        size=size,
        side=int(np.median([longer for *_, longer in read[:first]])),
        depths=tuple(depths),
        digests=digests[:second],
        shortcuts=shortcuts_to(labels[:second]) if states is None else [],
        mirror_accuracy=(
            mirror_accuracy(thumbnails, sources, axis=2),
            mirror_accuracy(thumbnails, sources, axis=1),
        ),
        states=None if states is None else (states[:first], states[first:]),
        shortcuts_to_findings=[] if states is None else [shortcuts_to(of_one) for of_one in states.T],
    )


def read_all(
    items: Sequence[Item], reading: Reading, keep: Callable[[Picture, Path], Kept], progress: Progress = QUIET
) -> list[Kept]:
    """Decode every image, one at a time in memory, and collect what `keep` makes of it and its path.

    Raises:
        DataError: listing every file that cannot be used, or a mixture of channels.
    """
    kept: list[Kept] = []
    channels: list[int] = []
    bad: list[str] = []
    for item in items:
        try:
            picture = read_picture(item.path, reading)
        except DataError as error:
            bad.append(str(error))
        else:
            channels.append(len(picture.pixels))
            kept.append(keep(picture, item.path))
        progress.advance()
    if bad:
        rest = f" (and {len(bad) - 3} more)" if len(bad) > 3 else ""
        raise DataError("; ".join(bad[:3]) + rest)
    _require_one_kind(items, channels)
    return kept


def _require_one_kind(items: Sequence[Item], channels: Sequence[int]) -> None:
    counts = Counter(channels)
    if len(counts) > 1:
        usual = counts.most_common(1)[0][0]
        odd = next(item.path for item, count in zip(items, channels, strict=True) if count != usual)
        mixed = ", ".join(f"{number} with {count}" for count, number in counts.most_common())
        raise DataError(
            f"{odd}: images mix channels ({mixed}; this one has not {usual}); save all of them the same way"
        )


def settle_reading(dataset: Dataset, reading: Reading) -> Dataset:
    """The data set with the range that its values are scaled by, where none is declared and 8 bits are not all.

    Raises:
        DataError: when depths are mixed, or a file that is looked at cannot be decoded.
    """
    if reading.range is not None:
        return replace(dataset, reading=reading)
    some = dataset.train[:: max(1, len(dataset.train) // RANGE_IMAGES)]
    found = find_ranges(decode(item.path, reading) for item in some)
    return replace(dataset, reading=reading.model_copy(update={"range": found}), range_found=True)


def require_one_depth(depths: Mapping[float | None, Path]) -> None:
    """Raise DataError where images have several depths; given are the depths with an image of each."""
    if len(depths) > 1 and depths.keys() - EIGHT_BITS:
        examples = ", ".join(str(path) for path in depths.values())
        raise DataError(f"images mix depths ({examples}); save all of them the same way, or declare --images.range")
