"""How alike two images are, and what can be said of one without learning."""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import uniform_filter
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from acdm.data.images.arrays import Floats

WINDOW = 9  # px; squares in which the local deviation that maps are compared with is taken


def psnr(x: Tensor, x_hat: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, image by image: 10 log10(4 / MSE), range 2, x_hat clamped to [-1, 1].

    (B, C, H, W) twice -> (B,); infinite where the two are equal.
    """
    return peak_signal_noise_ratio(x_hat.clamp(-1, 1), x, data_range=2.0, reduction="none", dim=(1, 2, 3))


def ssim(x: Tensor, x_hat: Tensor) -> Tensor:
    """Structural similarity, image by image; range 2, x_hat clamped.  (B, C, H, W) twice -> (B,)."""
    return structural_similarity_index_measure(x_hat.clamp(-1, 1), x, data_range=2.0, reduction="none")  # type: ignore[return-value]


def local_deviation(grey: Floats, window: int) -> Floats:
    """Standard deviation around each pixel of (..., H, W), in squares of `window` pixels."""
    first, second = (uniform_filter(values, window, axes=(-2, -1)) for values in (grey, grey**2))
    return np.asarray(np.sqrt(np.maximum(second - first**2, 0)))


TRIVIAL: dict[str, Callable[[Floats], Floats]] = {
    "brightness": lambda grey: (grey + 1) / 2,
    "darkness": lambda grey: (1 - grey) / 2,
    "local_deviation": lambda grey: local_deviation(grey, WINDOW),
}
"""Scores of a grey image (..., H, W) in [-1, 1] that need no learning, by name."""
