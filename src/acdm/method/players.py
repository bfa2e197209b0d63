"""Both players of the game, with their optimisers and the moving average."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.swa_utils import AveragedModel

from acdm.core.config import Config
from acdm.method.branches import Branches
from acdm.method.discriminator import Discriminator, See
from acdm.method.findings import FindingBranches, OneFinding


@dataclass(kw_only=True)
class Players:
    """Everything that training changes.

    Attributes:
        branches: the generators and their mapping network.
        discriminator: D.
        average: moving average of the branches' weights, which draws the maps.
        generator_optimiser, discriminator_optimiser: Adam for each player.
        classes: those that a branch tells apart; 2 with findings, absent and present.
        findings: K, of which each has a branch; 1 where there are classes.
        see: frozen features of what the discriminator sees; None where it sees pixels alone.
    """

    branches: Branches
    discriminator: Discriminator
    average: AveragedModel
    generator_optimiser: Adam
    discriminator_optimiser: Adam
    classes: int
    findings: int = 1
    see: See | None = None

    @property
    def halved(self) -> bool:
        """Whether they see images of half the size."""
        return self.branches.encoder.stem.halved

    def halve(self, on: bool) -> None:
        """See images of half the size from now on, or of full size again (`acdm.method.pixels`)."""
        for network in (self.branches, cast(Branches, self.average.module)):
            network.halve(on)
        self.discriminator.stem.halved = on

    def seen(self, states: Tensor | None, k: int | Tensor | None) -> nn.Module:
        """The branches as two classes see them, or as finding k of images in these states (B, K) does."""
        return _as_seen(self.branches, states, k)

    def averaged(self, states: Tensor | None, k: int) -> nn.Module:
        """The averaged branches, as `seen` has those that are trained."""
        return _as_seen(cast(Branches, self.average.module), states, k)


def _as_seen(branches: Branches, states: Tensor | None, k: int | Tensor | None) -> nn.Module:
    if states is None or k is None:
        return branches
    return OneFinding(cast(FindingBranches, branches), k, lambda x: states)


def assemble(
    config: Config, channels: int, classes: int, device: torch.device, findings: int = 1, see: See | None = None
) -> Players:
    """Make fresh networks and optimisers; the weights depend on the seed alone.

    Args:
        config: widths, optimisers and seed.
        channels: C, of the images.
        classes: those that images are of; 2 where there are findings.
        device: where the networks are.
        findings: K, more than 1 where an image can have several.
        see: frozen features for the discriminator, on that device.
    """
    seen = []
    if see:
        seen = [level.shape[1] for level in see(torch.zeros(1, channels, config.size, config.size, device=device))]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        branches = branches_of(config, channels, classes, findings)
        discriminator = Discriminator(config.network, channels, classes * findings, config.size, seen)
    if config.half_size_steps:
        for stem in (branches.encoder.stem, discriminator.stem):
            stem.equalise()
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
        findings=findings,
        see=see,
    )


def branches_of(config: Config, channels: int, classes: int, findings: int) -> Branches:
    """Fresh branches, for classes or for several findings."""
    if findings > 1:
        return FindingBranches(config.network, channels, findings, skips=config.ablation.skips)
    return Branches(config.network, channels, classes, skips=config.ablation.skips)


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
