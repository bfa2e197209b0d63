"""What a configuration leaves open, decided by this machine and by the images."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from acdm.core.config import PRESETS, Config, build
from acdm.core.device import automatic_device, automatic_precision
from acdm.core.options import overlay
from acdm.data.dataset import Dataset
from acdm.data.images.read import decode
from acdm.data.loading import Intake, settle_reading
from acdm.data.orientation import ALIKE
from acdm.errors import ConfigError

DEFAULT_STEPS = 6000
FLIPS = ("flip_horizontal", "flip_vertical")
COLOUR = 3  # channels
LIGHT = {"intensity": 0.2, "cast": 0.1}  # of colour pictures, whose light is no class: docs/results/choices.md
LARGE = 256  # side in pixels from which on a CPU computes a pair of images at a time: a quarter of the memory


def resolve(config: Config) -> Config:
    """Decide what "auto" means on this machine.

    Raises:
        ConfigError: when a GPU is asked for and there is none.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: 'cuda' was asked for, but torch sees no GPU here; use --device cpu")
    device = automatic_device() if config.device == "auto" else config.device
    precision = automatic_precision(device) if config.precision == "auto" else config.precision
    steps = config.steps or (None if config.minutes else DEFAULT_STEPS)
    frugal = device == "cpu" and config.size >= LARGE  # a system short of memory kills before torch can notice
    parts = config.accumulate or (_pairs(config.batch) if frugal else 1)
    update = {"device": device, "precision": precision, "steps": steps, "accumulate": parts}
    return config.model_copy(update=update)


def _pairs(batch: int) -> int:
    """Parts of a batch: two images each, so that they hold both classes, or one where the batch is odd."""
    return batch // 2 if batch % 2 == 0 else batch


def settle(config: Config, images: Intake, say: Callable[[str], None]) -> Config:
    """Decide which changes leave the images' kind alone, where the configuration leaves it open."""
    decided: dict[str, bool | float] = {}
    for kind, strength in LIGHT.items():
        if getattr(config.augment, kind) is None:
            decided[kind] = strength if images.channels == COLOUR else 0.0
    for kind, words, told in zip(FLIPS, ("left-right", "upside-down"), images.told, strict=True):
        if getattr(config.augment, kind) is None:
            decided[kind] = told < ALIKE
            said = "are made for training" if decided[kind] else "are not made"
            say(f"{told:.0%} of the images are told from {words} mirror images, which {said}")
    return config.model_copy(update={"augment": config.augment.model_copy(update=decided)})


def automatic_size(dataset: Dataset, on_gpu: bool) -> int:
    """Half of the images' median longer side as a power of two: 64 to 128 on a CPU, 64 to 256 on a GPU."""
    some = dataset.train[:: max(1, len(dataset.train) // 20)]
    sides = [max(decode(item.path, dataset.reading).values.shape[1:]) for item in some]
    half = float(np.median(sides)) / 2
    return int(np.clip(2 ** np.round(np.log2(half)), 64, 256 if on_gpu else 128))


def choose(dataset: Dataset, preset: str | None, options: dict[str, Any]) -> tuple[Dataset, Config]:
    """The data set with its reading settled, and a configuration with every "auto" decided."""
    dataset = settle_reading(dataset, build("tiny", {"images": options.get("images")}).images)
    options = overlay(options, {"images": dataset.reading.model_dump()})
    if preset is None:
        wanted = int(options.get("size") or automatic_size(dataset, automatic_device() == "cuda"))
        preset = min(PRESETS, key=lambda name: abs(PRESETS[name]["size"] - wanted))
    return dataset, resolve(build(preset, options))
