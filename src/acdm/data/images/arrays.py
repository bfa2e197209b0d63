"""Types of arrays: what the names in signatures mean."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
Box = tuple[int, int, int, int]  # first row, first column, one past the last row, one past the last column


Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
