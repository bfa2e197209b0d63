"""What a configuration leaves open, decided by this machine and by the images."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import log2

import numpy as np
import torch

from acdm.core.config import BEGINNING_SHARE, LESSONS_SHARE, MOST_LESSONS, PRESETS, Config, Preset
from acdm.core.device import automatic_device, automatic_precision
from acdm.core.options import Layer
from acdm.core.words import counted
from acdm.data.dataset import Dataset
from acdm.data.findings import Findings
from acdm.data.images.read import decode
from acdm.data.loading import TrainingImages, settle_reading
from acdm.data.orientation import FLIP_BELOW
from acdm.errors import ConfigError
from acdm.training.launch import launched
from acdm.training.loop import steps_within
from acdm.training.timing import seconds_a_step

DEFAULT_STEPS = 6000
SIZES: tuple[Preset, ...] = ("64", "128", "256")  # presets that are chosen by the images' size
CPU_SIZE = 128  # px; more takes hours on a CPU
FEWEST_STEPS = 500  # with fewer, half the size shows more: docs/results/choices.md
FEWEST_WITHOUT = 20  # training images without any finding, for findings to begin as one
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
    steps = config.steps or (None if config.minutes else DEFAULT_STEPS)
    frugal = device == "cpu" and config.size >= FRUGAL_SIZE  # a system short of memory kills before torch can notice
    return config.with_(
        device=device,
        precision=automatic_precision(device) if config.precision == "auto" else config.precision,
        steps=steps,
        half_size_steps=min(config.half_size_steps, steps // 2) if steps else config.half_size_steps,
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


@dataclass(frozen=True)
class Outlook:
    """What was chosen for a training, and why.

    Attributes:
        config: everything decided.
        side: median longer side of the training images, in pixels.
        seconds: measured, a step.
        half_seconds: the same, of a step at half the size.
        findings: K, each of which has a branch; 1 where there are classes.
        too_slow: a larger size that would have fitted the images, but not the minutes; 0 where there is none.
    """

    config: Config
    side: int
    seconds: float
    half_seconds: float = 0.0
    findings: int = 1
    too_slow: int = 0

    @property
    def steps(self) -> int:
        """How many steps the training will have, as far as one can say beforehand."""
        minutes, halved = self.config.branch_minutes(self.findings) or 0, self._halved
        if self.config.begins_as_one(self.findings):
            minutes *= 1 - BEGINNING_SHARE - LESSONS_SHARE
        return self.config.steps or halved + max(1, steps_within(minutes, self.seconds, halved * self.half_seconds))

    @property
    def minutes(self) -> float:
        """How long these steps take, and the segmenter after them."""
        seconds = self._halved * self.half_seconds + (self.steps - self._halved) * self.seconds
        if self.config.begins_as_one(self.findings):
            if self.config.steps:  # half as many for any finding, which take half as long, and lessons
                seconds *= 1.25
                seconds += min(MOST_LESSONS, self.steps) * self.seconds / 3
            else:
                seconds /= 1 - BEGINNING_SHARE - LESSONS_SHARE
        return seconds / 60 / (1 - self.config.segmenter_share(self.findings))

    @property
    def _halved(self) -> int:
        return self.config.steps_at_half_size(self.findings)

    def sentence(self) -> str:
        """Size, branches, device and time in a line."""
        config = self.config
        why = f"images are {self.side}"
        if self.too_slow:
            why += f"; {counted(config.minutes or 0, 'minute')} would be too short for {self.too_slow} px"
        count = config.all_branches(self.findings)
        branches = f"{count} branch{'es' if count > 1 else ''}"
        device = f"{'GPU' if config.device == 'cuda' else 'CPU'}, {config.precision}"
        minutes = f"about {self.minutes:.0f} min" if self.minutes >= 1 else "less than a minute"
        return f"{config.size} px ({why}) · {branches} · {device} · {self.steps:,} steps in {minutes}"


def usual_shape(dataset: Dataset) -> tuple[int, int]:
    """Channels, and median longer side in pixels, of some training images."""
    some = dataset.train[:: max(1, len(dataset.train) // 20)]
    shapes = [decode(item.path, dataset.reading).values.shape for item in some]
    return shapes[0][0], int(np.median([max(shape[1:]) for shape in shapes]))


def preset_of(size: int) -> Preset:
    """The preset whose size is nearest, in octaves."""
    return min(SIZES, key=lambda name: abs(log2(size / int(name))))


def sizes_for(side: int, on_gpu: bool, network: Layer) -> list[int]:
    """Sides in pixels for images of that side, from the best to the cheapest: their own, then less.

    A network wants a multiple of what it halves; `network` are options of it that are laid over the preset's.
    """
    limits = [int(name) for name in SIZES]
    best = min(max(side, limits[0]), limits[-1] if on_gpu else CPU_SIZE)
    preset = Config.of(PRESETS[preset_of(best)], {"network": network})
    best = round(best / preset.network.multiple) * preset.network.multiple
    return [best, *(size for size in reversed(limits) if size < best)]


def choose(
    dataset: Dataset, preset: str | None, options: Layer, findings: Findings | None = None
) -> tuple[Dataset, Outlook]:
    """The data set with its reading settled, and a configuration with every "auto" decided.

    Args:
        dataset: with its splits.
        preset: a name in `PRESETS`; None takes the one of the images' size, or of the largest size below of which
            `FEWEST_STEPS` fit into the minutes.
        options: nested, as in config.yaml.
        findings: several in an image, where there are such.
    """
    dataset = settle_reading(dataset, Config.of({"images": options.get("images")}).images)
    channels, side = usual_shape(dataset)
    known: Layer = {"images": dataset.reading.model_dump()}
    if findings is None or findings.have_none < FEWEST_WITHOUT:
        known["begin_as_one"] = False
    count = len(findings.names) if findings else 1

    def at(size: int | None, name: str) -> Outlook:
        layers = [layer for preset_name, layer in PRESETS.items() if preset_name == name]
        config = resolve(Config.of(*layers, {"size": size}, options, known))
        seconds, half_seconds = seconds_a_step(config, channels, count), 0.0
        if config.half_size_steps:
            half_seconds = seconds_a_step(config, channels, count, halved=True)
            if config.steps is None:
                share = BEGINNING_SHARE if config.begins_as_one(count) else 1
                half_of_them = steps_within(share * (config.branch_minutes(count) or 0) / 2, half_seconds)
                config = config.with_(half_size_steps=min(config.half_size_steps, half_of_them))
        return Outlook(config, side, seconds, half_seconds, count)

    if preset is not None or options.get("size"):
        return dataset, at(None, preset or preset_of(options["size"]))
    network = options.get("network") or {}
    best, *less = sizes_for(side, automatic_device() == "cuda", network)
    found = at(best, preset_of(best))
    for size in less:
        if launched() or found.config.steps or found.steps >= FEWEST_STEPS:  # processes must not decide apart
            break
        found = replace(at(size, preset_of(size)), too_slow=best)
    return dataset, found
