"""Scores without learning, or hardly any: brightness, darkness, local deviation, distance to the other class's mean."""

import numpy as np
import torch
from scipy.ndimage import uniform_filter
from torch import Tensor

from acdm.baselines.interface import Fitted, Images

WINDOW = 9  # pixels, of local deviation


def fit_trivial(images: Images, minutes: float, seed: int) -> Fitted:
    """Nothing to fit but the mean image of the negative class."""
    x, y = images.train
    mean = x[y == 0].mean(dim=0)
    return Fitted(
        {
            "brightness": lambda part: (_grey(part) + 1) / 2,
            "darkness": lambda part: (1 - _grey(part)) / 2,
            "local deviation": _local_deviation,
            "distance to the mean": lambda part: (part - mean).abs(),
        }
    )


def _grey(x: Tensor) -> Tensor:
    return x.mean(dim=1, keepdim=True)


def _local_deviation(x: Tensor) -> Tensor:
    grey = _grey(x).numpy()
    first, second = (uniform_filter(values, (1, 1, WINDOW, WINDOW)) for values in (grey, grey**2))
    return torch.from_numpy(np.sqrt(np.maximum(second - first**2, 0)))
