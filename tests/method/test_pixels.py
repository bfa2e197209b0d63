"""At half the size networks do what they do at full size with pixels that are equal in fours."""

import pytest
import torch
import torch.nn.functional as F
from small import small_config

from acdm.data.batches import Batches
from acdm.method.players import assemble
from acdm.training.loop import train_steps

CPU = torch.device("cpu")


def loud(config, channels, findings=1):
    """Networks of which no weight is zero."""
    players = assemble(config, channels, 2, CPU, findings)
    few = torch.Generator().manual_seed(1)
    for network in (players.branches, players.discriminator):
        for weight in network.parameters():
            weight.data += 0.1 * torch.randn(weight.shape, generator=few)
    return players


@pytest.mark.parametrize("stem", [2, 4])
@pytest.mark.parametrize("findings", [1, 3])
def test_half_the_size_is_pixels_drawn_up_and_means_of_what_is_drawn(stem, findings):
    players = loud(small_config({"size": 64, "network": {"stem": stem}}), 3, findings)
    x = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    y, k, states = (
        torch.tensor([0, 1, 0, 1]),
        torch.tensor([2, 0, 1, 1]),
        torch.tensor([[0, 1, 0], [1, 0, 1]]).repeat(2, 1),
    )

    @torch.no_grad()
    def drawn(x):
        own = players.branches(x, y, 1 - y) if findings == 1 else players.branches.under(x, states, k, y)
        return torch.stack(own), players.discriminator(x)

    psi, logits = drawn(F.interpolate(x, scale_factor=2))
    players.halve(True)
    halved_psi, halved_logits = drawn(x)
    torch.testing.assert_close(halved_psi, F.avg_pool2d(psi.flatten(0, 2), 2).view_as(halved_psi), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(halved_logits, logits, rtol=1e-4, atol=1e-5)
    players.halve(False)
    for of_before, now in zip((psi, logits), drawn(F.interpolate(x, scale_factor=2)), strict=True):
        assert torch.equal(of_before, now)


def test_pixels_that_are_one_at_half_the_size_keep_the_same_weights_until_full_size():
    config = small_config({"size": 32, "half_size_steps": 6})
    players = assemble(config, 1, 2, CPU)
    images = torch.randn(8, 1, 32, 32, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)

    def spread():
        """How far apart the weights of pixels are that lie in one block of 2 x 2."""
        stems = [players.branches.encoder.stem.weight, players.discriminator.stem.weight]
        of = [weight.detach().transpose(0, 1).flatten(1) for weight in stems]  # one channel: rows are pixels
        of.append(players.branches.decoder.head.weight.detach().unflatten(0, (-1, 4)).transpose(0, 1).flatten(1))
        return max(float(pixels.std(dim=0).max()) for pixels in of)

    def train(size, first, last):
        x = F.avg_pool2d(images, 32 // size)
        data = Batches(x, torch.arange(8) % 2, config.drawn, config.augment, config.seed)
        list(train_steps(players, data, config, last, first))

    players.halve(True)
    before = players.branches.encoder.stem.weight.clone()
    train(16, 0, 6)
    assert not torch.equal(before, players.branches.encoder.stem.weight)
    assert spread() < 1e-7
    players.halve(False)
    train(32, 6, 8)
    assert spread() > 1e-5
