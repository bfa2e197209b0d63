"""Encoding arrays as PNG and npy bytes; `acdm.files` puts them on the disk."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def png(pixels: NDArray[np.uint8]) -> bytes:
    """(H, W) grey or (H, W, 3) colour bytes as a PNG file, without metadata."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def npy(array: NDArray[np.float32]) -> bytes:
    """An array as an .npy file, never pickled."""
    buffer = BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
