"""A data folder with fewer training images, and the same test images: how many images does one need?

    python benchmarks/quality/first_images.py DATA OUT COUNT

Of each class COUNT images are kept, the first by name of each group in turn, until there are enough.
"""

import sys
from itertools import chain, zip_longest
from pathlib import Path

from acdm.data.dataset import Item
from acdm.data.folder import load_dataset
from acdm.data.images.read import read_mask
from acdm.data.sets.layout import DataFolder, empty_folder


def first_of_groups(items: list[Item], count: int) -> list[Item]:
    """The first image of every group by name, then the second of every group, and so on; `count` of them."""
    groups: dict[str, list[Item]] = {}
    for item in sorted(items, key=lambda item: item.name):
        groups.setdefault(item.group, []).append(item)
    rounds = zip_longest(*(groups[name] for name in sorted(groups)))
    return [item for item in chain.from_iterable(rounds) if item][:count]


def main(data: Path, out: Path, count: int) -> None:
    dataset, made = load_dataset([data]), DataFolder(empty_folder(out))
    for label in dataset.classes:
        own = [item for item in (*dataset.train, *dataset.validation) if item.label == label]
        for item in first_of_groups(own, count):
            made.add("train", label, item.path.name, item.path.read_bytes(), item.group)
    for item in dataset.test:
        part = "dev" if item.name in dataset.dev else "final"
        made.add(part, item.label, item.path.name, item.path.read_bytes(), item.group)
        if item.mask:
            made.add_mask(item.path.stem, read_mask(item.mask))
    made.finish()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
