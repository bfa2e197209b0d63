"""Synthetic images as data folders: the paper's toy sets, two controls, and VA-GAN's benchmark."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from acdm.core.files import write_bytes, write_json
from acdm.core.progress import QUIET, Progress
from acdm.data.images.write import png
from acdm.data.sets import texture, toy, vagan
from acdm.data.sets.layout import empty_folder, require_sound
from acdm.data.sets.toy import ToyImage

Set = Literal["1", "2", "tint", "texture", "vagan"]


@dataclass(frozen=True)
class Scene:
    """One kind of synthetic images.

    Attributes:
        classes: names of class 0 and class 1.
        draw: class, side in pixels and random generator to an image.
        size, train, test: side in pixels and numbers of images, where nothing else is asked for.
    """

    classes: tuple[str, str]
    draw: Callable[[int, int, np.random.Generator], ToyImage]
    size: int = 64
    train: int = 6000
    test: int = 400


SCENES: dict[Set, Scene] = {
    "1": Scene(("without", "with"), partial(toy.draw, "1")),
    "2": Scene(("circle", "rectangle"), partial(toy.draw, "2")),
    "tint": Scene(("plain", "tinted"), partial(toy.draw, "tint")),
    "texture": Scene(("without", "with"), texture.draw),
    "vagan": Scene(("without", "with"), vagan.draw, vagan.SIZE, 8000, 2000),
}


def write_synthetic(
    folder: Path,
    which: Set,
    size: int,
    train: int,
    test: int,
    seed: int,
    progress: Progress = QUIET,
) -> None:
    """Write a data folder: train/<class>, test/<class>, test/masks, and toy.json with the dark shapes' boxes.

    Args:
        folder: must not exist, or be empty.
        which: a name in `SCENES`.
        size: side in pixels, at least 16.
        train, test: images, both classes together; they alternate.
        seed: of everything; the same seed gives the same files.
        progress: told after every image.

    Raises:
        DataError: when the folder holds something already, or a number makes no sense.
    """
    empty_folder(folder)
    require_sound(size, train, test, seed)
    scene, boxes = SCENES[which], {}
    for part, (name, count) in enumerate({"train": train, "test": test}.items()):
        rng = np.random.default_rng([seed, part])
        for number in range(count):
            y = number % 2
            image = scene.draw(y, size, rng)
            file = f"{number:05d}.png"
            write_bytes(folder / name / scene.classes[y] / file, png(toy.as_bytes(image.pixels)))
            if name == "test":
                boxes[file] = image.box
                if image.mask.any():
                    write_bytes(folder / "test" / "masks" / file, png(image.mask.astype(np.uint8) * 255))
            progress.advance()
    write_json(folder / "toy.json", {"set": which, "size": size, "seed": seed, "test_boxes": boxes})
