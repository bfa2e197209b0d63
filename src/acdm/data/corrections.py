"""Masks of a few training images, which a person has drawn or corrected (`acdm train --masks`)."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from acdm.data.dataset import Dataset, Item
from acdm.data.images.frame import square
from acdm.data.images.read import read_mask, read_picture, stem
from acdm.data.manifest import plain_name
from acdm.data.search import images_below
from acdm.errors import DataError


@dataclass(frozen=True)
class Correction:
    """The mask of one training image.

    Attributes:
        index: place among `Dataset.train`.
        path: of the mask, whose size is that of its image.
    """

    index: int
    path: Path


def find_corrections(folder: Path, dataset: Dataset) -> tuple[list[Correction], list[Path]]:
    """The masks in a folder that belong to training images, and those of validation and test images.

    A mask belongs to the image whose path, without its ending, ends as the mask's path in the folder does: x.png,
    A/x.png and train/A/x.png all belong to train/A/x.jpg.  Where several end so, it is a positive one, and of these one
    that is trained on.

    Raises:
        DataError: for a folder that cannot be read or is empty, and for masks of no image, of several images, or of
            none that is trained on.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of masks")
    paths = images_below(folder, masks=True)[0]
    if not paths:
        raise DataError(
            f"{folder}: holds no mask; put <name of a training image>.png there, nonzero where the object is"
        )
    known = _by_ending(dataset)
    places = {item.path: index for index, item in enumerate(dataset.train)}
    owners = {
        path: _owner(path, known[ending], dataset, places) for path in paths if (ending := _key(path, folder)) in known
    }
    if strange := [path for path in paths if path not in owners]:
        raise DataError(
            f"{strange[0]}: {len(strange)} of {len(paths)} masks, this one first, have no image of their name;"
            f" name each as its image, such as {_names(dataset.train[0], dataset)[0]}.png"
        )
    found = [Correction(places[owner.path], path) for path, owner in owners.items() if owner.path in places]
    if not found:
        raise DataError(
            f"{folder}: all {len(paths)} masks are of validation or test images, which teach nothing; data.json of a"
            " run lists those that do"
        )
    if len({correction.index for correction in found}) < len(found):
        indices = [correction.index for correction in found]
        twice = next(c for k, c in enumerate(found) if c.index in indices[:k])
        raise DataError(f"{twice.path}: is the second mask of {dataset.train[twice.index].path}; leave one")
    return found, [path for path, owner in owners.items() if owner.path not in places]


def read_corrections(corrections: Sequence[Correction], dataset: Dataset, size: int) -> Mapping[int, Tensor]:
    """Masks as the network sees them: by place among `Dataset.train`, (1, size, size) in [0, 1].

    Raises:
        DataError: when a mask cannot be read, or has another size than its image.
    """
    return {correction.index: _read(correction, dataset, size) for correction in corrections}


def _read(correction: Correction, dataset: Dataset, size: int) -> Tensor:
    shape = read_picture(dataset.train[correction.index].path, dataset.reading).pixels.shape[1:]
    mask: Tensor = square(read_mask(correction.path, shape)[None].astype(np.float32), size)
    return mask.clamp(0, 1)


def _by_ending(dataset: Dataset) -> dict[str, list[Item]]:
    """Images by every name that a mask of theirs may have."""
    known: dict[str, list[Item]] = {}
    for item in dataset.items:
        for name in _names(item, dataset):
            known.setdefault(name.casefold(), []).append(item)
    return known


def _names(item: Item, dataset: Dataset) -> list[str]:
    """The image's path without its ending, relative to the data and to every folder on the way, the longest first."""
    parts = _without_ending(Path(os.path.relpath(item.path, dataset.root))).split("/")
    return ["/".join(parts[k:]) for k in range(len(parts))]


def _key(path: Path, folder: Path) -> str:
    return _without_ending(path.relative_to(folder)).casefold()


def _without_ending(path: Path) -> str:
    return plain_name(path.with_name(stem(path)).as_posix())


def _owner(path: Path, items: Sequence[Item], dataset: Dataset, trained: Collection[Path]) -> Item:
    """The image that a mask belongs to, out of those that end like it."""
    positive = [item for item in items if item.label == dataset.positive] or items
    likely = [item for item in positive if item.path in trained]
    if len(likely) > 1:
        raise DataError(
            f"{path}: could be the mask of {likely[0].path} or of {likely[1].path}; put it into folders named as the"
            " image's are"
        )
    return (likely or positive)[0]  # masks of others teach nothing, whichever of them it is
