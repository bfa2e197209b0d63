"""Images that are in memory already: Pillow images, arrays and tensors, as people hand them over."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from acdm.core.config import Reading
from acdm.data.images.arrays import Array
from acdm.data.images.pillow import plain
from acdm.data.images.raw import DEPTHS, Raw, require_size
from acdm.data.images.read import Picture
from acdm.errors import DataError

AnyImage = Array | np.ndarray[Any, Any] | Tensor | Image.Image
SLACK = 1e-3  # beyond [-1, 1], for values that were resized


def from_memory(image: AnyImage, channels: int, reading: Reading, name: Path | str = "image") -> Picture:
    """An image in memory as one that was read: (C, H, W) in [-1, 1].

    Args:
        image: a Pillow image; or (H, W), (C, H, W) or (H, W, C), of 8 or 16 bits, or of floats in [-1, 1].
        channels: C of the run.
        reading: how the run scales values that are no floats.
        name: what messages call the image.

    Raises:
        DataError: for other shapes, types and values.
    """
    if isinstance(image, Image.Image):
        image = np.asarray(plain(image))
    values = np.asarray(image.detach().cpu() if isinstance(image, Tensor) else image)
    values = _channels_first(values, channels, name)
    require_size(name, values.shape[1], values.shape[2], len(values))
    if values.dtype.name in DEPTHS:
        raw = Raw(np.ascontiguousarray(values, np.float32), str(values.dtype), DEPTHS[values.dtype.name])
        return Picture(raw.scaled(name, reading.range), None, None)
    if values.dtype.kind != "f":
        raise DataError(f"{name}: has values of {values.dtype}; give 8 or 16 bits, or floats from -1 to 1")
    values = np.ascontiguousarray(values, np.float32)
    if not np.isfinite(values).all():
        raise DataError(f"{name}: has values that are not finite")
    low, high = float(values.min()), float(values.max())
    if low < -1 - SLACK or high > 1 + SLACK:
        raise DataError(f"{name}: has floats from {low:g} to {high:g}; scale them to -1 to 1, or give 8 or 16 bits")
    if low >= 0 and high > 0:
        raise DataError(
            f"{name}: has no float below 0, from {low:g} to {high:g}; -1 is black here and 1 white: give 2 * x - 1"
        )
    return Picture(values, None, None)


def _channels_first(values: np.ndarray[Any, Any], channels: int, name: Path | str) -> np.ndarray[Any, Any]:
    if values.ndim == 2:
        return values[None]
    if values.ndim != 3:
        raise DataError(f"{name}: has the shape {values.shape}, expected (H, W), (C, H, W) or (H, W, C)")
    last = values.shape[0] != channels and values.shape[2] == channels
    return np.moveaxis(values, -1, 0) if last else values
