"""The plain reference of the benchmarks is the same method: its losses are the engine's."""

import pytest
import torch
from plain_trainer import NETWORK, Reference

from acdm.core.config import Config
from acdm.method.players import assemble
from acdm.method.step import Batch, step


@pytest.mark.parametrize("n", [2, 5])
def test_first_losses_are_the_engines(n):
    still = {"lr": 1e-12, "discriminator_lr": 1e-12}  # or the generators meet a critic that R1 has moved differently
    before = {"real": 0, "loss": {"invention": 1}}  # the reference is of the method before these
    config = Config.of(before, {"precision": "fp32", "network": {**NETWORK, "branches": n}, "optimiser": still})
    players = assemble(config, 1, 2, torch.device("cpu"))
    with torch.no_grad():  # heads begin at zero, where many terms are zero too
        head = players.branches.decoder.head
        head.weight.copy_(torch.randn(head.weight.shape, generator=torch.Generator().manual_seed(1)) * 0.02)
    plain = Reference(players.branches.state_dict(), players.discriminator.state_dict(), n, 1, 2)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(4, 1, 64, 64, generator=generator) * 2 - 1
    y, alpha = torch.tensor([0, 1, 0, 1]), torch.rand(n - 1, generator=generator)
    batch, lesson = (x, y, 1 - y), (x.flip(2).repeat(2, 1, 1, 1), y.repeat(2), 1 - y.repeat(2))
    ours = step(players, Batch(*batch), Batch(*lesson), alpha, 0, config)
    theirs = plain.step(batch, lesson, alpha, 0, rate=1e-9)
    theirs["r1"] *= config.optimiser.r1_every
    for name, value in theirs.items():
        assert value == pytest.approx(float(ours[name]), rel=1e-4, abs=1e-6), name
