"""Types of arrays: what the names in signatures mean."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
"""An image (C, H, W), mostly in [-1, 1]."""

Mask = NDArray[np.bool_]
"""True where the object is, or where a pixel counts: (H, W)."""

Floats = NDArray[np.floating]
"""Maps, scores or other real numbers of any shape."""

Vector = NDArray[np.float64]
"""A few numbers that describe an image, or one number an image."""

Pixels = NDArray[np.uint8]
"""A picture (H, W, 3) or (H, W) as it is shown."""

Box = tuple[int, int, int, int]
"""First row, first column, one past the last row, one past the last column."""
