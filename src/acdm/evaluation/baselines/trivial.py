"""Scores without learning, or hardly any: brightness, darkness, local deviation, distance to the other class's mean."""

import torch
from torch import Tensor

from acdm.data.images.statistics import WINDOW, local_deviation
from acdm.evaluation.baselines.interface import Fitted, Images


def fit_trivial(images: Images, minutes: float, seed: int) -> Fitted:
    """Nothing to fit but the mean image of the negative class."""
    x, y = images.train
    mean = x[y == 0].mean(dim=0)
    return Fitted(
        {
            "brightness": lambda part: (_grey(part) + 1) / 2,
            "darkness": lambda part: (1 - _grey(part)) / 2,
            "local deviation": lambda part: torch.from_numpy(local_deviation(_grey(part).numpy(), WINDOW)),
            "distance to the mean": lambda part: (part - mean).abs(),
        }
    )


def _grey(x: Tensor) -> Tensor:
    return x.mean(dim=1, keepdim=True)
