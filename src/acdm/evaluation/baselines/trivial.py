"""Scores without learning, or hardly any: brightness, darkness, local deviation, distance to the other class's mean."""

from collections.abc import Callable

import torch
from torch import Tensor

from acdm.data.images.arrays import Floats
from acdm.data.images.statistics import TRIVIAL
from acdm.evaluation.baselines.interface import Fitted, Images, Maps


def fit_trivial(images: Images, minutes: float, seed: int) -> Fitted:
    """Fit nothing but the mean image of the negative class."""
    x, y = images.train
    mean = x[y == 0].mean(dim=0)
    maps = {name.replace("_", " "): _of_grey(score) for name, score in TRIVIAL.items()}
    return Fitted({**maps, "distance to the mean": lambda part: (part - mean).abs()})


def _of_grey(score: Callable[[Floats], Floats]) -> Maps:
    """A score of grey images as maps of a batch (n, C, S, S): (n, 1, S, S)."""

    def draw(part: Tensor) -> Tensor:
        return torch.from_numpy(score(part.mean(dim=1, keepdim=True).numpy()))

    return draw
