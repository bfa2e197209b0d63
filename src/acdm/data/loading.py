"""From a data set on the disk to what a training holds in memory.  Axes: n images, C channels, S rows and columns."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from acdm.data.dataset import Dataset
from acdm.data.duplicates import find_twins, refuse_twins
from acdm.data.folder import read_all
from acdm.data.images.read import Picture, decode, digest
from acdm.data.orientation import told_from_mirror
from acdm.data.shortcuts import GRID, Shortcut, Vector, shortcuts, traits
from acdm.maps.decomposer import square
from acdm.maps.pictures import pick


@dataclass(frozen=True)
class Intake:
    """Images of a data set as the network sees them.

    Attributes:
        train, validation: images (n, C, S, S) in [-1, 1] and classes (n,).
        channels: C.
        side: median longer side of the training images in pixels, which windows of large images are cut to.
        digests: of the images in training and validation.
        shortcuts: how well cheap traits alone tell the classes of training and validation images apart.
        told: shares of training images that are told from their mirror images, left to right and upside down.
    """

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    channels: int
    side: int
    digests: list[str]
    shortcuts: list[Shortcut]
    told: tuple[float, float]

    def head(self, count: int) -> tuple[Tensor, Tensor]:
        """The first validation images, as many of each class."""
        x, y = self.validation
        chosen = pick(y, 2, count // 2)
        return x[chosen], y[chosen]


def take_in(dataset: Dataset, size: int) -> Intake:
    """Decode every image of the data set, the test part too, so that a bad file is known before the first step.

    Raises:
        DataError: naming files that cannot be used, or that are in two classes or two parts.
    """

    def keep(picture: Picture, path: Path) -> tuple[str, Tensor, dict[str, Vector], int]:
        image = picture.pixels
        return digest(image), square(image, size), traits(image, path), max(image.shape[1:])

    read = read_all(dataset.items, dataset.reading, keep)
    digests = [known for known, *_ in read]
    refuse_twins(find_twins((dataset.train, dataset.validation, dataset.test), digests))
    labels = torch.tensor([dataset.index(item.label) for item in dataset.items])
    first, second = len(dataset.train), len(dataset.train) + len(dataset.validation)

    def part(start: int, stop: int) -> tuple[Tensor, Tensor]:
        return torch.stack([pixels for _, pixels, *_ in read[start:stop]]), labels[start:stop]

    found = shortcuts(
        [measured for _, _, measured, _ in read[:second]],
        labels[:second].numpy(),
        [item.group for item in dataset.items[:second]],
    )
    thumbnails = np.stack([measured["place"] for _, _, measured, _ in read[:first]]).reshape(first, GRID, GRID)
    sources = [item.group for item in dataset.train]
    told = (told_from_mirror(thumbnails, sources, axis=2), told_from_mirror(thumbnails, sources, axis=1))
    side = int(np.median([longer for *_, longer in read[:first]]))
    return Intake(part(0, first), part(first, second), len(read[0][1]), side, digests[:second], found, told)


def automatic_size(dataset: Dataset, on_gpu: bool) -> int:
    """Half of the images' median longer side as a power of two: 64 to 128 on a CPU, 64 to 256 on a GPU."""
    some = dataset.train[:: max(1, len(dataset.train) // 20)]
    sides = [max(decode(item.path, dataset.reading).values.shape[1:]) for item in some]
    half = float(np.median(sides)) / 2
    return int(np.clip(2 ** np.round(np.log2(half)), 64, 256 if on_gpu else 128))
