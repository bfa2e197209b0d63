"""Images whose object is told by its texture alone: stripes in noise, of the same mean and deviation everywhere.

A control that is not the paper's: brightness, darkness and the local deviation find nothing in it.
"""

import numpy as np

from acdm.data.sets.toy import ToyImage

DEVIATION = 0.25  # of every pixel from 0, in noise and stripes alike
PERIOD = 6  # pixels from stripe to stripe, at any size
FAINT = 0.3  # share of the stripes' variance that is noise
HALF = (0.14, 0.24)  # share of the image's side


def draw(y: int, size: int, rng: np.random.Generator) -> ToyImage:
    """One image of class `y` (0 or 1), `size` pixels a side: noise, and a striped disc or rectangle in it or not."""
    half = rng.uniform(*HALF, size=2) * size  # rows, columns
    centre = rng.uniform(half + 1, size - 1 - half)
    rows, columns = np.mgrid[:size, :size] - centre[:, None, None]
    if rng.integers(2):
        shape = (abs(rows) <= half[0]) & (abs(columns) <= half[1])
    else:
        shape = (rows / half[0]) ** 2 + (columns / half[1]) ** 2 <= 1
    noise = rng.standard_normal((size, size))
    stripes = np.sqrt(2) * np.sin(2 * np.pi * (rows + columns) / (np.sqrt(2) * PERIOD) + rng.uniform(0, 2 * np.pi))
    striped = np.sqrt(1 - FAINT) * stripes + np.sqrt(FAINT) * noise
    mask = shape & bool(y)
    pixels = DEVIATION * np.where(mask, striped, noise)
    return ToyImage(np.clip(pixels, -1, 1).astype(np.float32), mask)
