"""The paper's toy images (section 4.1): noise, a dark shape, and a white rectangle inside it or not.

Pixels in [-1, 1], one channel.  Values and ranges are not printed in the paper; ours stand below.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from acdm.data.layout import empty_folder
from acdm.errors import DataError
from acdm.files import write_bytes, write_json
from acdm.images.write import png

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Set = Literal["1", "2"]

BACKGROUND_MEAN, BACKGROUND_STD = 0.1, 0.15
DARK, WHITE, TEXTURE = -0.7, 0.9, 0.03
DARK_HALF = (0.18, 0.30)  # share of the image's side
WHITE_HALF = (0.15, 0.40)  # share of the dark shape's half side


@dataclass(frozen=True)
class ToyImage:
    """One image with the truth about it.

    Attributes:
        pixels: (H, W) in [-1, 1].
        mask: (H, W), true where the classes differ: the white rectangle (set 1), the dark shape (set 2).
        box: first and last row, first and last column of the dark shape.
    """

    pixels: Image
    mask: Mask
    box: tuple[int, int, int, int]


def class_names(which: Set) -> tuple[str, str]:
    """Names of class 0 and class 1."""
    return {"1": ("without", "with"), "2": ("circle", "rectangle")}[which]


def draw(which: Set, y: int, size: int, rng: np.random.Generator) -> ToyImage:
    """One image of class `y` (0 or 1) of set 1 or 2, `size` pixels a side (at least 16)."""
    if size < 16:
        raise ValueError(f"got a size of {size}, expected at least 16")
    rectangular = bool(y) if which == "2" else bool(rng.integers(2))
    has_white = bool(rng.integers(2)) if which == "2" else bool(y)
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

    pixels = _background(size, rng)
    pixels[dark] = DARK + TEXTURE * rng.standard_normal(int(dark.sum()))
    if has_white:
        pixels[white & dark] = WHITE
    mask = dark if which == "2" else white & dark & has_white
    where = np.argwhere(dark)
    (top, left), (bottom, right) = where.min(axis=0), where.max(axis=0)
    box = (int(top), int(bottom), int(left), int(right))
    return ToyImage(np.clip(pixels, -1, 1).astype(np.float32), mask, box)


def write_toy(
    folder: Path, which: Set, size: int, train: int, test: int, seed: int, tick: Callable[[], None] = lambda: None
) -> None:
    """Write a data folder: train/<class>, test/<class>, test/masks, and toy.json with the dark shapes' boxes.

    Args:
        folder: must not exist, or be empty.
        which: set 1 or 2.
        size: side in pixels, at least 16.
        train, test: images, both classes together; they alternate.
        seed: of everything; the same seed gives the same files.
        tick: called after every image.

    Raises:
        DataError: when the folder holds something already, or a number makes no sense.
    """
    empty_folder(folder)
    if size < 16 or min(train, test) < 8:
        raise DataError(f"size must be at least 16 and images at least 8 a part, got {size}, {train} and {test}")
    if seed < 0:
        raise DataError(f"--seed {seed}: must be 0 or more")
    names = class_names(which)
    boxes = {}
    for part, (name, count) in enumerate({"train": train, "test": test}.items()):
        rng = np.random.default_rng([seed, part])
        for number in range(count):
            y = number % 2
            image = draw(which, y, size, rng)
            file = f"{number:05d}.png"
            write_bytes(folder / name / names[y] / file, png(_bytes(image.pixels)))
            if name == "test":
                boxes[file] = image.box
                if which == "2" or y == 1:
                    write_bytes(folder / "test" / "masks" / file, png(image.mask.astype(np.uint8) * 255))
            tick()
    write_json(folder / "toy.json", {"set": which, "size": size, "seed": seed, "test_boxes": boxes})


def _bytes(pixels: Image) -> NDArray[np.uint8]:
    return np.round((pixels + 1) * 127.5).astype(np.uint8)


def _background(size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    noise = gaussian_filter(rng.uniform(-1, 1, (size, size)), sigma=size / 32, mode="reflect")
    noise = (noise - noise.mean()) / noise.std()
    return np.asarray(BACKGROUND_MEAN + BACKGROUND_STD * noise)
