"""How long a step takes on this machine."""

import time
from contextlib import suppress
from statistics import median

import torch

from acdm.core.config import Config
from acdm.data.batches import Batches, FindingBatches
from acdm.errors import DivergedError
from acdm.training.fresh import fresh_players
from acdm.training.loop import train_steps

UNTIMED_STEPS, TIMED_STEPS = 2, 6
IMAGES = 8


def seconds_a_step(config: Config, channels: int, findings: int = 1, *, halved: bool = False) -> float:
    """Median of a few steps of fresh networks on noise.

    Args:
        config: options.
        channels: C, of the images.
        findings: K, 1 where there are classes.
        halved: with images of half the size.
    """
    noise = torch.Generator().manual_seed(0)
    size = config.size // 2 if halved else config.size
    x = torch.rand(IMAGES, channels, size, size, generator=noise) * 2 - 1
    players = fresh_players(config, channels, 2, findings)
    players.halve(halved)
    y = torch.arange(IMAGES) % 2
    batches = Batches(x, y, config.drawn, config.augment, config.seed)
    if findings > 1:
        states = y[:, None].expand(-1, findings)
        batches = FindingBatches(x, states, config.drawn, config.augment, config.seed)
    seconds, began = [], time.perf_counter()
    with suppress(DivergedError):  # options that do not work are the training's business
        for _ in train_steps(players, batches, config, UNTIMED_STEPS + TIMED_STEPS):
            seconds.append(time.perf_counter() - began)
            began = time.perf_counter()
    return median(seconds[UNTIMED_STEPS:] or seconds or [time.perf_counter() - began])
