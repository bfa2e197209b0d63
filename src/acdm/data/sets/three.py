"""Images with three findings, each of which is there or not: a rectangle, a disc and a stripe, equally bright.

They are ours, not the paper's.  Brightness finds all three and tells none from the others.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acdm.core.files import write_bytes, write_text
from acdm.core.progress import QUIET, Progress
from acdm.core.tables import csv_text
from acdm.data.images.arrays import Array, Mask
from acdm.data.images.write import png
from acdm.data.sets.layout import empty_folder, require_sound
from acdm.data.sets.toy import WHITE, as_bytes, background

FINDINGS = ("rectangle", "disc", "stripe")
SIZE, TRAIN, TEST = 64, 4000, 400
HALF, RADIUS = (0.10, 0.20), (0.10, 0.18)  # share of the image's side
STRIPE = (0.03, 0.05)  # half of its width, as a share of the image's side; it goes from border to border


def draw(present: tuple[bool, bool, bool], size: int, rng: np.random.Generator) -> tuple[Array, dict[str, Mask]]:
    """An image (S, S) in [-1, 1] with those of `FINDINGS` that are present, and the mask of each; none overlap."""
    while True:
        masks = {name: _shape(name, size, rng) for name, there in zip(FINDINGS, present, strict=True) if there}
        if not masks or np.sum(list(masks.values()), axis=0).max() <= 1:
            break
    pixels = background(size, rng)
    for mask in masks.values():
        pixels[mask] = WHITE
    return np.clip(pixels, -1, 1).astype(np.float32), masks


def _shape(name: str, size: int, rng: np.random.Generator) -> Mask:
    rows, columns = np.mgrid[:size, :size].astype(float)
    if name == "stripe":
        along = rows if rng.integers(2) else columns
        width = rng.uniform(*STRIPE) * size
        return np.asarray(abs(along - rng.uniform(width + 1, size - 1 - width)) <= width)
    half: NDArray[np.float64] = rng.uniform(HALF[0], HALF[1], size=2) * size  # rows, columns
    if name == "disc":
        half = np.full(2, rng.uniform(*RADIUS) * size)
    centre: NDArray[np.float64] = rng.uniform(half + 1, size - 1 - half)
    down, right = rows - centre[0], columns - centre[1]
    if name == "disc":
        return np.asarray(down**2 + right**2 <= half[0] ** 2)
    return np.asarray((abs(down) <= half[0]) & (abs(right) <= half[1]))


def write_three(folder: Path, size: int, train: int, test: int, seed: int, progress: Progress = QUIET) -> None:
    """Write a data folder with labels.csv and test/masks/<finding>.

    Args:
        folder: must not exist, or be empty.
        size: side in pixels.
        train, test: images; each of the eight combinations has its turn.
        seed: of everything; the same seed gives the same files.
        progress: told after every image.

    Raises:
        DataError: when the folder holds something already, or a number makes no sense.
    """
    empty_folder(folder)
    require_sound(size, train, test, seed)
    rows: list[dict[str, object]] = []
    for part, (split, count) in enumerate({"train": train, "test": test}.items()):
        rng = np.random.default_rng([seed, part])
        for number in range(count):
            present = (bool(number & 1), bool(number & 2), bool(number & 4))
            pixels, masks = draw(present, size, rng)
            file = f"{number:05d}.png"
            write_bytes(folder / split / "images" / file, png(as_bytes(pixels)))
            rows.append(
                {"file": f"{split}/images/{file}", "split": split}
                | {name: int(there) for name, there in zip(FINDINGS, present, strict=True)}
            )
            for name, mask in masks.items() if split == "test" else ():
                write_bytes(folder / "test" / "masks" / name / file, png(mask.astype(np.uint8) * 255))
            progress.advance()
    write_text(folder / "labels.csv", csv_text(rows))
