"""What a training would do by default, and how long it would take here."""

import time
from statistics import median
from typing import Any

import torch
from torch import Tensor

from acdm.core.config import Config
from acdm.core.memory import resident
from acdm.core.options import Layer
from acdm.data.batches import Batches
from acdm.data.checkup import Checkup
from acdm.data.images.frame import squares
from acdm.method.players import assemble
from acdm.training.defaults import choose
from acdm.training.loop import train_steps

UNTIMED_STEPS, TIMED_STEPS = 2, 6


def make_plan(found: Checkup, preset: str | None, options: Layer) -> dict[str, Any]:
    """What training would do by default, timed on a few steps with the checkup's samples.

    Args:
        found: a checkup without problems.
        preset, options: as `acdm.training.request.Request` has them.
    """
    dataset, config = choose(found.dataset, preset, options)
    seconds = _seconds_a_step(config, squares(found.samples, config.size))
    steps = config.steps or max(1, int(60 * (config.minutes or 0) / seconds))
    held = len(dataset.items) * len(found.samples[0]) * config.size**2 * 4 / 2**20
    return {
        "size": config.size,
        "branches": config.network.branches,
        "batch": config.batch,
        "parts": config.parts,
        "device": config.device,
        "precision": config.precision,
        "steps": steps,
        "seconds_a_step": round(seconds, 4),
        "minutes": round(steps * seconds / 60, 1),
        "memory_mib": round(resident() + held),
    }


def _seconds_a_step(config: Config, x: Tensor) -> float:
    device = torch.device(config.device)
    players = assemble(config, x.shape[1], 2, device)
    batches = Batches(x, torch.arange(len(x)) % 2, config.drawn, config.augment, config.seed)
    seconds, began = [], time.perf_counter()
    for _ in train_steps(players, batches, config, UNTIMED_STEPS + TIMED_STEPS):
        seconds.append(time.perf_counter() - began)
        began = time.perf_counter()
    return median(seconds[UNTIMED_STEPS:])
