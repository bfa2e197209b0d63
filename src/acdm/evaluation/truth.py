"""Test images with what is known of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acdm.core.config import Split
from acdm.core.progress import QUIET, Progress
from acdm.data.dataset import Dataset, Item
from acdm.data.images.arrays import Array, Box
from acdm.data.images.read import Picture, digest, read_mask
from acdm.data.images.statistics import TRIVIAL
from acdm.data.loading import read_all
from acdm.errors import DataError
from acdm.evaluation import metrics


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is known about test images, in their order.

    Attributes:
        items: files, classes and groups.
        pictures: pixels (C, H, W) each, in [-1, 1], at their own size.
        masks: (H, W) each; boxes filled where only boxes are given, all false where there is nothing.
        boxes: those of each image; from boxes.json, else around the parts of its mask.
        known: whether a mask or box was given, for each image.
        valid: (H, W) each, false where the file has no data; such pixels are neither right nor wrong.
    """

    items: list[Item]
    pictures: list[Picture]
    masks: list[NDArray[np.bool_]]
    boxes: list[list[Box]]
    known: list[bool]
    valid: list[NDArray[np.bool_]]

    @property
    def images(self) -> list[Array]:
        """(C, H, W) each, in [-1, 1], at their own size."""
        return [picture.pixels for picture in self.pictures]

    def only(self, label: str) -> list[int]:
        """Places of the images of a class."""
        return [i for i, item in enumerate(self.items) if item.label == label]

    def scored(self, label: str) -> list[int]:
        """Places of the positive class's images that pixel metrics pool: those with truth, or all if none has any."""
        members = self.only(label)
        return [i for i in members if self.known[i]] or members

    def pooled(self, values: Sequence[NDArray[Any]], images: Sequence[int]) -> NDArray[Any]:
        """Pixels with data of some images, one after the other; `values` (H, W) are those of these images."""
        return np.concatenate([v[self.valid[i]] for v, i in zip(values, images, strict=True)])


def read_truth(dataset: Dataset, split: Split, progress: Progress = QUIET, seen: Collection[str] = ()) -> Truth:
    """Read test images with their masks and boxes; images whose digests are in `seen` are left out.

    Raises:
        DataError: when a class has no image in this part, or a mask does not fit its image.
    """
    items = dataset.part(split)
    missing = set(dataset.classes) - {item.label for item in items}
    if missing:
        raise DataError(f"{dataset.root}: no test images of class '{min(missing)}' in the part '{split}'")

    def unseen(picture: Picture, path: Path) -> Picture | None:
        return None if seen and digest(picture.pixels) in seen else picture

    read = read_all(items, dataset.reading, keep=unseen, progress=progress)
    pictures = [picture for picture in read if picture]
    if len(pictures) < len(items):
        progress.say(f"{len(items) - len(pictures)} images were trained on and are left out of the test")
        items = [item for item, picture in zip(items, read, strict=True) if picture]
        if missing := set(dataset.classes) - {item.label for item in items}:
            raise DataError(f"{dataset.root}: all test images of class '{min(missing)}' were trained on")
    valid = [np.ones(p.pixels.shape[1:], bool) if p.valid is None else p.valid for p in pictures]
    masks, boxes, known = [], [], []
    for item, image, counted in zip(items, [p.pixels for p in pictures], valid, strict=True):
        mask = read_mask(item.mask, image.shape[1:]) if item.mask else None
        own_boxes = dataset.boxes.get(item.name)
        known.append(mask is not None or bool(own_boxes))
        if mask is None:
            mask = np.zeros(image.shape[1:], bool)
            for top, left, bottom, right in own_boxes or []:
                mask[max(0, top) : bottom, max(0, left) : right] = True
        masks.append(mask & counted)
        boxes.append(metrics.boxes_of(mask) if own_boxes is None else own_boxes)
    return Truth(items=items, pictures=pictures, masks=masks, boxes=boxes, known=known, valid=valid)


def trivial_scores(truth: Truth, positive: str) -> dict[str, float]:
    """AUPRC of scores that need no learning (`acdm.data.images.statistics.TRIVIAL`), by their names."""
    chosen = truth.scored(positive)
    grey = [truth.pictures[i].pixels.mean(axis=0) for i in chosen]
    masks = truth.pooled([truth.masks[i] for i in chosen], chosen)
    return {
        name: metrics.auprc(truth.pooled([score(image) for image in grey], chosen), masks)
        for name, score in TRIVIAL.items()
    }
