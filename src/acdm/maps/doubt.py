"""Where to look first: which images the segmenter is least sure of."""

from collections.abc import Sequence

import torch
from torch import Tensor

from acdm.core.tables import cell, csv_text
from acdm.maps.kinds import MARKED


def doubts(probabilities: Tensor, positive: Tensor) -> Tensor:
    """How unsure the segmenter is of each image, without a mask: 0 (sure) to 1.

    The larger of two doubts: the Dice that its mask is expected to lack, if the probabilities hold, and how far its
    highest probability is from what the image's class says.

    Args:
        probabilities: (n, 1, H, W).
        positive: (n,) whether images are of the class with the object.

    Returns:
        (n,).

    >>> doubts(torch.tensor([[[[1.0, 0.0]]], [[[0.6, 0.2]]], [[[0.1, 0.0]]]]), torch.tensor([True, True, True]))
    tensor([0.0000, 0.4000, 0.9000])
    """
    p = probabilities.flatten(1)
    mask = (p >= MARKED).float()
    expected = 2 * (p * mask).sum(dim=1) / (p.sum(dim=1) + mask.sum(dim=1)).clamp(min=1e-9)
    of_mask = torch.where(mask.any(dim=1), 1 - expected, 0.0)
    return torch.maximum(of_mask, (p.amax(dim=1) - positive.float()).abs())


def look_first(doubtful: Sequence[tuple[str, int | None, float]]) -> str:
    """A table of images (file, slice, doubt), the most doubtful first."""
    rows = [
        {"file": cell(file), "slice": "" if number is None else number, "doubt": f"{doubt:.4f}"}
        for file, number, doubt in sorted(doubtful, key=lambda row: (-row[2], row[0], row[1] or 0))
    ]
    return csv_text(rows) if rows else "file,slice,doubt\n"
