import pytest
import torch
from small import small_network

from acdm.method.branches import Branches
from acdm.method.discriminator import Discriminator

SMALL = {
    "width": 4,
    "max_width": 8,
    "style_dim": 6,
    "mapping_hidden": 5,
    "discriminator_width": 4,
    "discriminator_max_width": 8,
}


def awake(branches):
    """Heads begin at zero; give them something to say."""
    torch.nn.init.normal_(branches.decoder.head.weight)
    return branches


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_any_number_of_branches_and_channels(n, channels):
    branches = Branches(small_network(branches=n), channels, classes=2)
    x, y = torch.randn(2, channels, 32, 16), torch.tensor([0, 1])
    own, other = branches(x, y, 1 - y)
    assert own.shape == other.shape == (2, n, channels, 32, 16)


def test_every_branch_begins_silent():
    branches = Branches(small_network(), 1, 2)
    (psi,) = branches(torch.randn(2, 1, 16, 16), torch.tensor([0, 1]))
    assert psi.abs().max() == 0


def test_a_branch_has_no_part_in_another_one():
    branches = awake(Branches(small_network(branches=3), 1, 2))
    x = torch.randn(1, 1, 16, 16)
    (psi,) = branches(x, torch.tensor([0]))
    psi[:, 1].sum().backward()
    for name, p in branches.named_parameters():
        if name.startswith(("encoder", "decoder")) and p.ndim == 4 and p.shape[0] % 3 == 0:
            first, second, third = p.grad.chunk(3)
            assert second.abs().sum() > 0 or name.endswith("bias"), name
            assert first.abs().sum() == third.abs().sum() == 0, name


def test_the_style_alone_tells_the_classes_apart():
    branches = awake(Branches(small_network(), 1, 2))
    x = torch.randn(2, 1, 16, 16)
    a, b, c = branches(x, torch.tensor([0, 0]), torch.tensor([1, 1]), torch.tensor([0, 0]))
    assert (a - b).abs().max() > 1e-3
    torch.testing.assert_close(a, c)


def test_encoding_once_equals_encoding_for_each_class():
    branches = awake(Branches(small_network(), 1, 3))
    x, y = torch.randn(2, 1, 16, 16), torch.tensor([0, 2])
    together = branches(x, y, (y + 1) % 3)
    apart = branches(x, y)[0], branches(x, (y + 1) % 3)[0]
    for one, two in zip(together, apart, strict=True):
        torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("skips", [True, False])
def test_without_skips_the_decoder_sees_the_coarsest_features_alone(skips):
    branches = awake(Branches(small_network(), 1, 2, skips=skips))
    features, s = branches.encoder(torch.randn(2, 1, 16, 16)), branches.mapping(torch.tensor([0, 1]))
    blinded = [torch.zeros_like(f) for f in features[:-1]] + features[-1:]
    same = torch.equal(branches.decoder(features, s), branches.decoder(blinded, s))
    assert same != skips


def test_every_parameter_has_a_gradient():
    branches = awake(Branches(small_network(), 1, 2))
    own, other = branches(torch.randn(2, 1, 16, 16), torch.tensor([0, 1]), torch.tensor([1, 0]))
    (own.square().mean() + other.square().mean()).backward()
    without = [name for name, p in branches.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert without == []


def test_recomputing_changes_memory_alone():
    plain, frugal = (awake(Branches(small_network(recompute=flag), 1, 2)) for flag in (False, True))
    frugal.load_state_dict(plain.state_dict())
    x, y = torch.randn(2, 1, 16, 16), torch.tensor([0, 1])
    for branches in (plain, frugal):
        (psi,) = branches(x, y)
        psi.square().sum().backward()
    for a, b in zip(plain.parameters(), frugal.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.parametrize("shape", [(1, 1, 20, 16), (1, 1, 8, 8), (1, 3, 16, 16)])
def test_an_image_that_does_not_fit_the_network_is_a_sentence(shape):
    branches = Branches(small_network(), 1, 2)
    with pytest.raises(ValueError, match=r"got .* expected"):
        branches(torch.zeros(shape), torch.tensor([0]))


def test_the_discriminator_has_a_logit_for_each_class():
    discriminator = Discriminator(small_network(), 1, classes=3, size=32)
    logits = discriminator(torch.randn(2, 1, 32, 32))
    assert logits.shape == (2, 3)
    assert (logits[:, 0] - logits[:, 1]).abs().max() > 0
