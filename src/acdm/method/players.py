"""Both players of the game with their optimisers and the moving average."""

from dataclasses import dataclass

import torch
from torch.optim import Adam
from torch.optim.swa_utils import AveragedModel

from acdm.core.config import Config
from acdm.method.branches import Branches
from acdm.method.discriminator import Discriminator


@dataclass
class Players:
    """Everything that training changes."""

    branches: Branches
    discriminator: Discriminator
    average: AveragedModel  # EMA of the branches, which inference uses
    generator_optimiser: Adam
    critic_optimiser: Adam
    classes: int


def assemble(config: Config, channels: int, classes: int, device: torch.device) -> Players:
    """Fresh networks and optimisers; the weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        branches = Branches(config.network, channels, classes)
        discriminator = Discriminator(config.network, channels, classes, config.size)
    branches = branches.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    discriminator = discriminator.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    o = config.optimiser
    return Players(
        branches,
        discriminator,
        AveragedModel(branches, multi_avg_fn=_ema(o.ema)),
        Adam(branches.parameters(), o.lr, o.betas, weight_decay=o.weight_decay, fused=True),
        Adam(discriminator.parameters(), o.critic_lr, o.betas, weight_decay=o.weight_decay, fused=True),
        classes,
    )


def _ema(decay: float):  # type: ignore[no-untyped-def]
    """Exponential moving average whose memory grows with the number of steps, so that early weights fade soon."""

    @torch.no_grad()
    def update(averages, currents, count):  # type: ignore[no-untyped-def]
        n = int(count)
        torch._foreach_lerp_(averages, currents, 1 - min(decay, (1 + n) / (10 + n)))

    return update
