"""Cutting images into parts; groups stay whole and classes keep their shares."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from acdm.data.dataset import Item
from acdm.errors import DataError

TEST_SHARE, VALIDATION_SHARE = 5, 10  # one part in five, one in ten of what is left
MIN_GROUPS = 4  # of each class


Accept = Callable[[list[Item], list[Item]], bool]


def all_classes(kept: list[Item], cut: list[Item]) -> bool:
    """Whether both parts have the same classes."""
    return {item.label for item in kept} == {item.label for item in cut}


def split_test(items: list[Item], seed: int, accept: Accept = all_classes) -> tuple[list[Item], list[Item]]:
    """Images to train on and test images, out of one heap; `accept` says which two parts are good."""
    return _cut(items, TEST_SHARE, seed, accept)


def split_training(
    items: list[Item], seed: int, accept: Accept = all_classes, even: bool = False
) -> tuple[list[Item], list[Item]]:
    """Training and validation images.

    Args:
        items: images.
        seed: of the split.
        accept: which two parts are good.
        even: whether to take the part that is nearest to one in ten, where groups are uneven; else the first.

    Raises:
        DataError: when there are too few groups for both classes to be in both parts.
    """
    return _cut(items, VALIDATION_SHARE, seed, accept, even)


def refuse_shared_groups(parts: Mapping[str, Sequence[Item]], root: Path) -> None:
    """Raise DataError where a group has images in two parts, named by their folders."""
    groups = {name: {item.group for item in items} for name, items in parts.items()}
    for (one, first), (other, second) in combinations(groups.items(), 2):
        if shared := first & second:
            raise DataError(
                f"{root}: group '{min(shared)}' is in {one}/ and in {other}/ ({len(shared)} such groups); keep each in"
                " one"
            )


def _cut(items: list[Item], parts: int, seed: int, accept: Accept, even: bool = False) -> tuple[list[Item], list[Item]]:
    classes = Counter(item.label for item in items)
    groups = {label: len({i.group for i in items if i.label == label}) for label in classes}
    for label, count in classes.items():
        if count < MIN_GROUPS or groups[label] < 2:
            raise DataError(
                f"class '{label}' has {count} images in {groups[label]} groups to cut a part from (after the test"
                f" images, where those were cut already); at least {MIN_GROUPS} in 2 groups are needed, better hundreds"
            )
    labels, groups_of = [i.label for i in items], [i.group for i in items]
    folds = StratifiedGroupKFold(min(parts, *groups.values()), shuffle=True, random_state=seed)
    found = list(folds.split(np.zeros(len(items)), labels, groups_of))
    if even:
        found.sort(key=lambda fold: abs(len(fold[1]) - len(items) / parts))
    for rest, part in found:
        kept, cut = [items[i] for i in rest], [items[i] for i in part]
        if accept(kept, cut):
            return kept, cut
    raise DataError("groups are so uneven that no split keeps both classes on both sides; check 'group'")
