"""Test images with what is known of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acdm.data.dataset import Dataset, Item
from acdm.data.images.arrays import Array, Box
from acdm.data.images.read import read_mask
from acdm.data.images.statistics import WINDOW, local_deviation
from acdm.data.loading import read_all
from acdm.errors import DataError
from acdm.evaluation import metrics


@dataclass(frozen=True)
class Truth:
    """What is known about test images, in their order.

    Attributes:
        images: (C, H, W) each, in [-1, 1], own size.
        masks: (H, W) each; boxes filled where only boxes are given, all false where there is nothing.
        boxes: of each image; from boxes.json, else around the parts of the mask.
        known: whether a mask or box was given, for each image.
        valid: (H, W) each, false where the file has no data; such pixels are neither right nor wrong.
    """

    items: list[Item]
    images: list[Array]
    masks: list[NDArray[np.bool_]]
    boxes: list[list[Box]]
    known: list[bool]
    valid: list[NDArray[np.bool_]]

    def only(self, label: str) -> list[int]:
        return [i for i, item in enumerate(self.items) if item.label == label]

    def scored(self, label: str) -> list[int]:
        """Images of the positive class that pixel metrics pool: those with truth, or all where none has any."""
        members = self.only(label)
        return [i for i in members if self.known[i]] or members

    def pooled(self, values: Sequence[NDArray[Any]], images: Sequence[int]) -> NDArray[Any]:
        """Pixels with data of some images, one after the other; `values` (H, W) are those of these images."""
        return np.concatenate([v[self.valid[i]] for v, i in zip(values, images, strict=True)])


def read_truth(dataset: Dataset, split: str) -> Truth:
    """Test images with their masks and boxes.

    Raises:
        DataError: when a class has no image in this part, or a mask does not fit its image.
    """
    items = dataset.part(split)
    missing = set(dataset.classes) - {item.label for item in items}
    if missing:
        raise DataError(f"{dataset.root}: no test images of class '{min(missing)}' in the part '{split}'")
    pictures = read_all(items, dataset.reading, keep=lambda picture, _: picture)
    images = [picture.pixels for picture in pictures]
    valid = [np.ones(p.pixels.shape[1:], bool) if p.valid is None else p.valid for p in pictures]
    masks, boxes, known = [], [], []
    for item, image, counted in zip(items, images, valid, strict=True):
        mask = read_mask(item.mask) if item.mask else None
        if mask is not None and mask.shape != image.shape[1:]:
            raise DataError(f"{item.mask}: {mask.shape} rows and columns, but its image has {image.shape[1:]}")
        own_boxes = dataset.boxes.get(item.name)
        known.append(mask is not None or bool(own_boxes))
        if mask is None:
            mask = np.zeros(image.shape[1:], bool)
            for top, left, bottom, right in own_boxes or []:
                mask[max(0, top) : bottom, max(0, left) : right] = True
        masks.append(mask & counted)
        boxes.append(metrics.boxes_of(mask) if own_boxes is None else own_boxes)
    return Truth(items, images, masks, boxes, known, valid)


def trivial_scores(truth: Truth, positive: str) -> dict[str, float]:
    """AUPRC without learning: brightness, darkness, and the standard deviation in a 9 x 9 window."""
    chosen = truth.scored(positive)
    grey = [truth.images[i].mean(axis=0) for i in chosen]
    masks = truth.pooled([truth.masks[i] for i in chosen], chosen)
    deviation = [local_deviation(g, WINDOW) for g in grey]
    flat = truth.pooled(grey, chosen)
    return {
        "brightness": metrics.auprc(flat, masks),
        "darkness": metrics.auprc(-flat, masks),
        "local_deviation": metrics.auprc(truth.pooled(deviation, chosen), masks),
    }
