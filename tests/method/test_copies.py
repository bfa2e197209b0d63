"""What is copied for each finding does what it did for any."""

import pytest
import torch
import torch.nn.functional as F
from small import small_config

from acdm.data.batches import Batches
from acdm.method.copies import copy_to_each
from acdm.method.players import assemble
from acdm.training.loop import train_steps

CPU = torch.device("cpu")
FINDINGS = 3


def features(x):
    return [x.abs(), F.avg_pool2d(x.abs(), 2)]


@pytest.fixture(scope="module")
def players():
    """Both players of any finding, a few steps old, and those of three findings, new and copied."""
    config = small_config({"network": {"branches": 3}})
    one = assemble(config, 1, 2, CPU, see=features)
    x = torch.rand(16, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for _ in train_steps(one, Batches(x, torch.arange(16) % 2, config.drawn, config.augment, 0), config, 3):
        pass
    one.discriminator.by_features.norms = torch.nn.ModuleList([torch.nn.Identity(), torch.nn.Identity()])
    several = assemble(config.with_(seed=1), 1, 2, CPU, FINDINGS, features)
    several.discriminator.by_features.norms = torch.nn.ModuleList([torch.nn.Identity(), torch.nn.Identity()])
    copy_to_each(one, several)
    return one, several, x


@pytest.mark.parametrize("averaged", [False, True])
@pytest.mark.parametrize("k", range(FINDINGS))
def test_each_branch_draws_what_the_branch_of_any_drew(players, k, averaged):
    """Whatever the other findings' states are; of common branches, what they were without any."""
    one, several, x = players
    x, states = x[:4], torch.tensor([[0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 1, 1]])
    with torch.no_grad():
        any_of_them = one.average if averaged else one.branches
        own = any_of_them(x, states[:, k])[0]
        without = any_of_them(x, torch.zeros(4, dtype=torch.long))[0]
        view = several.averaged(states, k) if averaged else several.seen(states, k)
        psi = view(x, states[:, k])[0]
    torch.testing.assert_close(psi[:, 0], own[:, 0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(psi[:, FINDINGS:], without[:, 1:], rtol=1e-4, atol=1e-5)


def test_absent_and_present_of_each_are_judged_as_none_and_any_were(players):
    one, several, x = players
    with torch.no_grad():
        expected = one.discriminator(x, features(x))
        got = several.discriminator(x, features(x))
    torch.testing.assert_close(got, expected.repeat(1, FINDINGS))
    assert expected.std() > 0


def test_moments_go_with_their_weights(players):
    """Of a convolution of three branches, the first of which is any finding's: three copies of it, and the others."""
    one, several, _ = players
    name = "decoder.head.weight"
    before, after = (dict(p.branches.named_parameters())[name] for p in (one, several))
    was, now = one.generator_optimiser.state[before], several.generator_optimiser.state[after]
    first, *common = was["exp_avg"].chunk(3)
    assert torch.equal(now["exp_avg"], torch.cat([first, first, first, *common]))
    assert now["step"] == was["step"] == 3
    assert now["exp_avg"].stride() == after.stride(), "as fused Adam pairs them"
