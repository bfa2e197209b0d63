"""What a configuration leaves open, decided by this machine and by the images."""

from collections.abc import Callable

import numpy as np
import torch

from acdm.core.config import PRESETS, Config
from acdm.core.device import automatic_device, automatic_precision
from acdm.core.options import Layer
from acdm.data.dataset import Dataset
from acdm.data.images.read import decode
from acdm.data.loading import TrainingImages, settle_reading
from acdm.data.orientation import FLIP_BELOW
from acdm.errors import ConfigError

DEFAULT_STEPS = 6000
FLIPS = {"flip_horizontal": "Left-right flips", "flip_vertical": "Upside-down flips"}
COLOUR_CHANNELS = 3
LIGHT = {"intensity": 0.2, "cast": 0.1}  # for colour pictures, whose light is no class: docs/results/choices.md
FRUGAL_SIZE = 256  # px; from here on a CPU computes two images at a time, which takes a quarter of the memory


def resolve(config: Config) -> Config:
    """Decide what "auto" means on this machine.

    Raises:
        ConfigError: when a GPU is asked for and there is none.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: 'cuda' was asked for, but torch sees no GPU here; use --device cpu")
    device = automatic_device() if config.device == "auto" else config.device
    frugal = device == "cpu" and config.size >= FRUGAL_SIZE  # a system short of memory kills before torch can notice
    return config.with_(
        device=device,
        precision=automatic_precision(device) if config.precision == "auto" else config.precision,
        steps=config.steps or (None if config.minutes else DEFAULT_STEPS),
        accumulate=config.accumulate or (_pairs(config.batch) if frugal else 1),
    )


def _pairs(batch: int) -> int:
    """Parts of a batch: two images each, so that they hold both classes, or one where the batch is odd."""
    return batch // 2 if batch % 2 == 0 else batch


def settle(config: Config, images: TrainingImages, say: Callable[[str], None]) -> Config:
    """Decide which changes leave the images' kind alone, where the configuration leaves it open."""
    decided: dict[str, bool | float] = {}
    for kind, strength in LIGHT.items():
        if getattr(config.augment, kind) is None:
            decided[kind] = strength if images.channels == COLOUR_CHANNELS else 0.0
    for (kind, words), accuracy in zip(FLIPS.items(), images.mirror_accuracy, strict=True):
        if getattr(config.augment, kind) is None:
            decided[kind] = accuracy < FLIP_BELOW
            state, can = ("on", "can't tell") if decided[kind] else ("off", "tells")
            say(f"{words}: {state} (a simple model {can} mirrored images apart: {accuracy:.0%})")
    return config.with_(augment=decided)


def automatic_size(dataset: Dataset, on_gpu: bool) -> int:
    """Half of the images' median longer side as a power of two: 64 to 128 on a CPU, 64 to 256 on a GPU."""
    some = dataset.train[:: max(1, len(dataset.train) // 20)]
    sides = [max(decode(item.path, dataset.reading).values.shape[1:]) for item in some]
    half = float(np.median(sides)) / 2
    return int(np.clip(2 ** np.round(np.log2(half)), 64, 256 if on_gpu else 128))


def choose(dataset: Dataset, preset: str | None, options: Layer) -> tuple[Dataset, Config]:
    """The data set with its reading settled, and a configuration with every "auto" decided.

    Args:
        dataset: with its splits.
        preset: a name in `PRESETS`; None takes the one whose size is nearest to half of the images'.
        options: nested, as in config.yaml.
    """
    dataset = settle_reading(dataset, Config.of({"images": options.get("images")}).images)
    if preset is None:
        wanted = int(options.get("size") or automatic_size(dataset, automatic_device() == "cuda"))
        preset = min(PRESETS, key=lambda name: abs(PRESETS[name]["size"] - wanted))
    layers = (layer for name, layer in PRESETS.items() if name == preset)
    return dataset, resolve(Config.of(*layers, options, {"images": dataset.reading.model_dump()}))
