"""What a training would do by default, and how long it would take here."""

import time
from statistics import median
from typing import Any

import torch
from torch import Tensor

from acdm.core.config import Config
from acdm.core.memory import resident
from acdm.data.batches import Batches
from acdm.data.dataset import Dataset
from acdm.data.images.arrays import Array
from acdm.data.images.frame import square
from acdm.method.players import assemble
from acdm.training.defaults import choose
from acdm.training.loop import train

TRIED = (2, 6)  # steps before the clock runs, and after


def _plan(dataset: Dataset, options: dict[str, Any], images: list[Array]) -> dict[str, Any]:
    """What training would do by default, timed on a few steps."""
    _, config = choose(dataset, options.get("preset"), {k: v for k, v in options.items() if k != "preset"})
    seconds = _seconds_a_step(config, torch.stack([square(image, config.size) for image in images]))
    steps = config.steps or max(1, int(60 * (config.minutes or 0) / seconds))
    held = len(dataset.items) * len(images[0]) * config.size**2 * 4 / 2**20
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
    before, timed = TRIED
    seconds, began = [], time.perf_counter()
    for _ in train(players, batches, config, before + timed):
        seconds.append(time.perf_counter() - began)
        began = time.perf_counter()
    return median(seconds[before:])
