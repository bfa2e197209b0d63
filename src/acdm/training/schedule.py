"""What changes from step to step by plan or by lot: learning rates, alpha, the classes of counterfactuals."""

import torch
from torch import Tensor

from acdm.core.config import Config, Optimiser
from acdm.data.batches import mix
from acdm.method.players import Players


def rate(index: int, steps: int, options: Optimiser) -> float:
    """Share of the learning rate at a step: a linear rise over `warmup`, then 1, then a linear fall to zero.

    >>> [round(rate(index, steps=100, options=Optimiser(warmup=10, decay=0.5)), 2) for index in (0, 9, 49, 75)]
    [0.1, 1.0, 1.0, 0.5]
    """
    rise = min(1.0, (index + 1) / max(1, options.warmup))
    fall = min(1.0, (steps - index) / max(1.0, steps * options.decay))
    return rise * fall


def set_rate(players: Players, index: int, steps: int, options: Optimiser) -> None:
    """Give both players their learning rates at a step (`rate`)."""
    share = rate(index, steps, options)
    for optimiser, lr in (
        (players.generator_optimiser, options.lr),
        (players.discriminator_optimiser, options.discriminator_lr),
    ):
        for group in optimiser.param_groups:
            if isinstance(group["lr"], Tensor):  # of a recorded step, which reads it on its device
                group["lr"].fill_(lr * share)
            else:
                group["lr"] = lr * share


def blending(config: Config, index: int, branches: int) -> Tensor:
    """Alpha of eq. (4) for N branches, (N-1,), drawn anew at every step; ones, which mix nothing, where it is off."""
    n = branches - 1
    return torch.rand(n, generator=_generator(config.seed, 0, index)) if config.ablation.blend else torch.ones(n)


def others(y: Tensor, classes: int, seed: int, index: int) -> Tensor:
    """Classes (B,) of the counterfactuals of images of classes (B,): all as far from their own, by lot."""
    beyond = int(torch.randint(classes - 1, (), generator=_generator(seed, 1, index)))  # 0 where there are two
    return (y + 1 + beyond) % classes


def _generator(*numbers: int) -> torch.Generator:
    return torch.Generator().manual_seed(mix(*numbers))
