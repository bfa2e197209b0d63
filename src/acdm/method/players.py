"""Both players of the game, with their optimisers and the moving average."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Adam
from torch.optim.swa_utils import AveragedModel

from acdm.core.config import Config
from acdm.method.branches import Branches
from acdm.method.discriminator import Discriminator


@dataclass(kw_only=True)
class Players:
    """Everything that training changes.

    Attributes:
        branches: the generators and their mapping network.
        discriminator: D.
        average: moving average of the branches' weights, which draws the maps.
        generator_optimiser, discriminator_optimiser: Adam for each player.
        classes: K.
    """

    branches: Branches
    discriminator: Discriminator
    average: AveragedModel
    generator_optimiser: Adam
    discriminator_optimiser: Adam
    classes: int


def assemble(config: Config, channels: int, classes: int, device: torch.device) -> Players:
    """Make fresh networks and optimisers; the weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        branches = Branches(config.network, channels, classes, skips=config.ablation.skips)
        discriminator = Discriminator(config.network, channels, classes, config.size)
    branches = branches.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    discriminator = discriminator.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    o = config.optimiser
    return Players(
        branches=branches,
        discriminator=discriminator,
        average=AveragedModel(branches, multi_avg_fn=moving_average(o.ema)),
        generator_optimiser=Adam(branches.parameters(), o.lr, o.betas, weight_decay=o.weight_decay, fused=True),
        discriminator_optimiser=Adam(
            discriminator.parameters(), o.discriminator_lr, o.betas, weight_decay=o.weight_decay, fused=True
        ),
        classes=classes,
    )


Tensors = tuple[Tensor, ...] | list[Tensor]


def moving_average(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """Exponential moving average whose memory grows with the number of steps, so that early weights fade soon.

    Returns a function for `AveragedModel`: it changes averages in place, given the current weights and how many came
    before.
    """

    @torch.no_grad()
    def update(averages: Tensors, currents: Tensors, count: Tensor | int) -> None:
        n = int(count)
        torch._foreach_lerp_(averages, currents, 1 - min(decay, (1 + n) / (10 + n)))

    return update
