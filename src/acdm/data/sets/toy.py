"""The paper's toy images (section 4.1): noise, a dark shape, and a white rectangle inside it or not.

Pixels in [-1, 1].  Values and ranges are not printed in the paper; ours stand below.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from acdm.data.images.arrays import Array, Mask

Set = Literal["1", "2", "tint"]

BACKGROUND_MEAN, BACKGROUND_STD = 0.1, 0.15
DARK, WHITE, TEXTURE = -0.7, 0.9, 0.03
DARK_HALF = (0.18, 0.30)  # share of the image's side
WHITE_HALF = (0.15, 0.40)  # share of the dark shape's half side
TINT = (0.25, 0.0, -0.25)  # added to red, green and blue of every pixel


@dataclass(frozen=True)
class ToyImage:
    """One image with the truth about it.

    Attributes:
        pixels: (H, W) grey or (H, W, 3) colour in [-1, 1].
        mask: (H, W), true where the classes differ.
        box: first and last row, first and last column of the dark shape, where there is one.
    """

    pixels: Array
    mask: Mask
    box: tuple[int, int, int, int] | None = None


def draw(which: Set, y: int, size: int, rng: np.random.Generator) -> ToyImage:
    """One image of class `y` (0 or 1), `size` pixels a side (at least 16).

    The classes differ in the white rectangle (set 1), in the dark shape, which is a circle or a rectangle (set 2), or
    in every pixel's colour (tint; a control that is not the paper's).
    """
    if size < 16:
        raise ValueError(f"got a size of {size}, expected at least 16")
    rectangular = bool(y) if which == "2" else bool(rng.integers(2))
    has_white = bool(y) if which == "1" else bool(rng.integers(2))
    half = rng.uniform(*DARK_HALF, size=2) * size  # rows, columns
    if not rectangular:
        half[1] = half[0]
    centre = rng.uniform(half + 1, size - 1 - half)
    rows, columns = np.mgrid[:size, :size] - centre[:, None, None]  # (2, H, W)
    if rectangular:
        dark = (abs(rows) <= half[0]) & (abs(columns) <= half[1])
    else:
        dark = rows**2 + columns**2 <= half[0] ** 2
    inner = half if rectangular else half * 2**-0.5  # the square inside a circle
    white_half = np.maximum(rng.uniform(*WHITE_HALF, size=2) * half, 1)
    white_half = np.minimum(white_half, inner - 1)
    offset = rng.uniform(-1, 1, size=2) * (inner - white_half)
    white = (abs(rows - offset[0]) <= white_half[0]) & (abs(columns - offset[1]) <= white_half[1])

    pixels = background(size, rng)
    pixels[dark] = DARK + TEXTURE * rng.standard_normal(int(dark.sum()))
    if has_white:
        pixels[white & dark] = WHITE
    mask = dark if which == "2" else white & dark & has_white
    if which == "tint":
        pixels = pixels[..., None] + y * np.array(TINT)
        mask = np.full_like(dark, bool(y))
    where = np.argwhere(dark)
    (top, left), (bottom, right) = where.min(axis=0), where.max(axis=0)
    box = (int(top), int(bottom), int(left), int(right))
    return ToyImage(np.clip(pixels, -1, 1).astype(np.float32), mask, box)


def background(size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Smooth noise (size, size) around `BACKGROUND_MEAN`."""
    noise = gaussian_filter(rng.uniform(-1, 1, (size, size)), sigma=size / 32, mode="reflect")
    noise = (noise - noise.mean()) / noise.std()
    return np.asarray(BACKGROUND_MEAN + BACKGROUND_STD * noise)


def as_bytes(pixels: Array) -> NDArray[np.uint8]:
    """Pixels in [-1, 1] as those of a picture."""
    return np.round((pixels + 1) * 127.5).astype(np.uint8)
