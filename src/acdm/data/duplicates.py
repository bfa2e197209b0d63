"""The same pixels twice: harmless within a class and a part, fatal to every figure across them."""

from collections.abc import Sequence
from dataclasses import dataclass

from acdm.data.dataset import Item
from acdm.errors import DataError


@dataclass(frozen=True)
class Duplicate:
    """Two files with the same pixels.

    Attributes:
        first, second: in the order of the data set.
        kind: "classes" where they differ in class, else "parts" where one is in training, validation or test and the
            other is not in the same, else "within".
    """

    first: Item
    second: Item
    kind: str


def find_duplicates(parts: Sequence[Sequence[Item]], digests: Sequence[str]) -> list[Duplicate]:
    """Find every image that repeats an earlier one.

    Args:
        parts: training, validation and test images.
        digests: checksums of their pixels, part by part.
    """
    placed = [(item, number) for number, part in enumerate(parts) for item in part]
    seen: dict[str, tuple[Item, int]] = {}
    duplicates = []
    for (item, part), known in zip(placed, digests, strict=True):
        first, other = seen.setdefault(known, (item, part))
        if first is not item:
            kind = "classes" if first.label != item.label else "parts" if part != other else "within"
            duplicates.append(Duplicate(first, item, kind))
    return duplicates


def refuse_duplicates(duplicates: Sequence[Duplicate]) -> None:
    """Raise DataError when images are in two classes or in two parts."""
    across = [pair for pair in duplicates if pair.kind != "within"]
    if across:
        raise DataError(
            f"{len(across)} images are in two classes or two parts, such as {across[0].first.path} ="
            f" {across[0].second.path}; remove one of each"
        )
