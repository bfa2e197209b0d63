"""How long a step takes on this machine."""

import time
from contextlib import suppress
from statistics import median

import torch

from acdm.core.config import Config
from acdm.data.batches import Batches
from acdm.errors import DivergedError
from acdm.method.players import assemble
from acdm.training.loop import train_steps

UNTIMED_STEPS, TIMED_STEPS = 2, 6
IMAGES = 8


def seconds_a_step(config: Config, channels: int) -> float:
    """Median of a few steps of fresh networks on noise."""
    noise = torch.Generator().manual_seed(0)
    x = torch.rand(IMAGES, channels, config.size, config.size, generator=noise) * 2 - 1
    players = assemble(config, channels, 2, torch.device(config.device))
    batches = Batches(x, torch.arange(IMAGES) % 2, config.drawn, config.augment, config.seed)
    seconds, began = [], time.perf_counter()
    with suppress(DivergedError):  # options that do not work are the training's business
        for _ in train_steps(players, batches, config, UNTIMED_STEPS + TIMED_STEPS):
            seconds.append(time.perf_counter() - began)
            began = time.perf_counter()
    return median(seconds[UNTIMED_STEPS:] or seconds or [time.perf_counter() - began])
