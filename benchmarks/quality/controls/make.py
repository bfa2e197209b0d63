"""Data folders for controls that can fail, out of a data folder with test images.

    python benchmarks/quality/controls/make.py permuted DATA OUT [SEED]
    python benchmarks/quality/controls/make.py marked DATA OUT

permuted: classes of training images are drawn by lot among them; the test part stays as it is.
marked: every image of the positive class gets a white square of 6 x 6 pixels in its upper left corner, in training and
in test; the truth is the mark.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from acdm.data.dataset import Dataset, Item
from acdm.data.folder import load_dataset
from acdm.data.images.read import read_mask
from acdm.data.images.write import png
from acdm.data.sets.layout import DataFolder, empty_folder

MARK = slice(2, 8)  # rows and columns, at images of 128 pixels; larger or smaller in proportion


def permuted(dataset: Dataset, out: Path, seed: int = 0) -> None:
    made = DataFolder(empty_folder(out))
    items = [*dataset.train, *dataset.validation]
    order = np.random.default_rng(seed).permutation(len(items))
    for number, (item, other) in enumerate(zip(items, order, strict=True)):
        made.add("train", items[other].label, f"{number:05d}{item.path.suffix}", item.path.read_bytes(), item.group)
    for item in dataset.test:
        made.add(_part(dataset, item), item.label, item.path.name, item.path.read_bytes(), item.group)
        if item.mask:
            made.add_mask(item.path.stem, read_mask(item.mask))
    made.finish()


def marked(dataset: Dataset, out: Path) -> None:
    made = DataFolder(empty_folder(out))
    for item in dataset.items:
        pixels = np.array(Image.open(item.path))
        mask = np.zeros(pixels.shape[:2], bool)
        place = slice(*(round(edge * len(pixels) / 128) for edge in (MARK.start, MARK.stop)))
        if item.label == dataset.positive:
            mask[place, place] = True
            pixels[mask] = 255
        name = f"{item.path.stem}.png"
        made.add(_part(dataset, item), item.label, name, png(pixels), item.group)
        if item in dataset.test and mask.any():
            made.add_mask(item.path.stem, mask)
    made.finish()


def _part(dataset: Dataset, item: Item) -> str:
    if item not in dataset.test:
        return "train"
    return "dev" if item.name in dataset.dev else "final"


if __name__ == "__main__":
    kind, data, out, *seed = sys.argv[1:]
    {"permuted": permuted, "marked": marked}[kind](load_dataset([Path(data)]), Path(out), *map(int, seed))
