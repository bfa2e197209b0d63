"""The synthetic benchmark of VA-GAN (Baumgartner et al. 2018), drawn anew from its description.

Smooth noise; the positive class has two bright squares, one in the middle and one in the lower right (subtype A) or the
upper left (subtype B), a little off its place.  The original draws are unseeded, so its very images cannot be had.
"""

import numpy as np
from scipy.ndimage import gaussian_filter

from acdm.data.sets.toy import ToyImage

SIZE = 112  # pixels a side, for which all other lengths are given
NOISE, SMOOTHING = 50.0, 2.5  # standard deviation of the background, and of the Gaussian that smooths it
EFFECT, SIDE, OFFSET = 100.0, 20, 32  # added within the squares, their side, and how far the second is off the first
JITTER = (-5, 5)  # of the second, an axis; the upper end is never reached


def draw(y: int, size: int, rng: np.random.Generator) -> ToyImage:
    """One image of class `y` (0 or 1), `size` pixels a side; every image fills [-1, 1]."""
    scale = size / SIZE
    noise = gaussian_filter(rng.normal(0, NOISE, (size, size)), sigma=SMOOTHING * scale)
    pixels = noise / noise.std() * NOISE
    direction = rng.choice((-1, 1))
    jitter = rng.integers(*JITTER, size=2)
    mask = np.zeros((size, size), bool)
    if y:
        first = (SIZE - SIDE) / 2
        for corner in ((first, first), first + direction * OFFSET + jitter):
            rows, columns = (slice(round(scale * c), round(scale * (c + SIDE))) for c in corner)
            mask[rows, columns] = True
    pixels = pixels + EFFECT * mask
    low, high = pixels.min(), pixels.max()
    return ToyImage((2 * (pixels - low) / (high - low) - 1).astype(np.float32), mask)
