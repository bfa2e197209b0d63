"""One branch a finding: what each sees, and that one finding among several is two classes."""

import pytest
import torch
from small import small_config

from acdm.data.batches import FindingBatches
from acdm.method.compose import compose, distinction
from acdm.method.findings import FindingBranches, OneFinding
from acdm.method.players import assemble
from acdm.method.step import Batch, Draw, find_gradients
from acdm.training.loop import train_steps

CPU = torch.device("cpu")
FINDINGS = 3


@pytest.fixture
def branches():
    """Branches that say something."""
    network = FindingBranches(small_config({"network": {"branches": 2}}).network, 1, FINDINGS)
    torch.nn.init.normal_(network.decoder.head.weight, std=0.1)
    return network


@pytest.fixture
def images():
    return torch.randn(2, 1, 16, 16), torch.tensor([[0, 1, 0], [1, 1, 0]])


def of_all(k):
    return torch.full((2,), k)


def test_each_finding_adds_a_branch_to_the_common_ones(branches):
    assert branches.branches == FINDINGS + 1


@pytest.mark.parametrize("changed", range(FINDINGS))
def test_a_findings_state_changes_its_own_branch_alone(branches, images, changed):
    x, states = images
    other = states.clone()
    other[:, changed] = 1 - states[:, changed]
    before, after = (branches.under(x, s, of_all(0), None)[0] for s in (states, other))
    differs = (before - after).abs().amax(dim=(0, 2, 3, 4)) > 0
    assert differs.tolist() == [k == changed for k in range(branches.branches)]


@pytest.mark.parametrize("k", range(FINDINGS))
def test_the_branch_that_is_decoded_alone_is_that_of_all(branches, images, k):
    """Its weights are slices of the decoder's, scales and shifts of AdaIN among them."""
    x, states = images
    other = states.clone()
    other[:, k] = 1 - states[:, k]
    own, toggled = branches.under(x, states, of_all(k), other[:, k])
    whole = branches.under(x, other, of_all(k), None)[0]
    torch.testing.assert_close(toggled, whole, rtol=1e-4, atol=1e-4)
    assert torch.equal(own[:, 1:], toggled[:, 1:])


def test_the_views_of_all_findings_are_those_of_each(branches, images):
    x, states = images
    for k, together in enumerate(branches.under_each(x, states)):
        alone = branches.under(x, states, of_all(k), 1 - states[:, k])
        for psi, own in zip(together, alone, strict=True):
            torch.testing.assert_close(psi, own, rtol=1e-4, atol=1e-4)


def test_each_image_may_have_a_finding_of_its_own_toggled(branches, images):
    """As if each were decomposed alone."""
    x, states = images
    k = torch.tensor([2, 0])
    other = 1 - states.gather(1, k[:, None])[:, 0]
    together = branches.under(x, states, k, other)
    for i in range(2):
        alone = branches.under(x[i : i + 1], states[i : i + 1], k[i : i + 1], other[i : i + 1])
        for psi, own in zip(together, alone, strict=True):
            torch.testing.assert_close(psi[i : i + 1], own, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("k", range(FINDINGS))
def test_every_view_rebuilds_the_same_image(branches, images, k):
    x, states = images
    first = OneFinding(branches, 0, lambda _: states)(x, states[:, 0])[0]
    seen = OneFinding(branches, k, lambda _: states)(x, states[:, k])[0]
    torch.testing.assert_close(compose(seen), compose(first), rtol=1e-4, atol=1e-4)
    assert torch.equal(distinction(seen), branches.under(x, states, of_all(0), None)[0][:, k])


def players_and_images():
    config = small_config({"network": {"branches": 2}, "judged": "both"})
    players = assemble(config, 1, 2, CPU, FINDINGS)
    states = torch.tensor([[0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 1]])
    batch = Batch(torch.randn(4, 1, 16, 16), states[:, 1], 1 - states[:, 1], states, torch.ones(4, dtype=torch.long))
    return config, players, batch


def test_the_discriminator_judges_the_finding_that_is_toggled():
    """Of its 2K logits those of the others get no gradient."""
    config, players, batch = players_and_images()
    lesson, _ = batch.split(0)
    alpha = torch.rand(players.branches.branches - 1)
    find_gradients(players, Draw(batch, lesson, torch.zeros(4, dtype=torch.bool), alpha, False), config)
    moved = players.discriminator.head.weight.grad.abs().sum(dim=(1, 2, 3)) > 0
    assert moved.tolist() == [False, False, True, True, False, False]


def test_parts_of_a_batch_keep_their_states():
    _, _, batch = players_and_images()
    parts = batch.chunk(2)
    assert [part.states.tolist() for part in parts] == [batch.states[:2].tolist(), batch.states[2:].tolist()]
    assert [part.k.tolist() for part in parts] == [[1, 1], [1, 1]]


def test_findings_take_turns_evenly_and_pairs_hold_both_states():
    states = torch.tensor([[i & 1, i >> 1 & 1, i >> 2 & 1] for i in range(8)])
    config = small_config()
    batches = FindingBatches(torch.randn(8, 1, 16, 16), states, config.batch, config.augment, seed=0)
    turns = torch.cat([batches.turns(step) for step in range(3 * FINDINGS)])
    assert turns.bincount().tolist() == [3 * config.batch] * FINDINGS
    for step in range(6):
        indices, _, y = batches.at(step)
        assert torch.equal(states[indices, batches.turns(step)], y)
        assert y.tolist() == [0, 1] * (config.batch // 2)


def test_training_on_findings_rebuilds_images_ever_better():
    config = small_config({"optimiser": {"warmup": 1, "decay": 0}})
    states = torch.tensor([[i & 1, i >> 1 & 1] for i in range(8)])
    batches = FindingBatches(torch.randn(8, 1, 16, 16).clamp(-1, 1), states, config.drawn, config.augment, seed=0)
    records = list(train_steps(assemble(config, 1, 2, CPU, findings=2), batches, config, 120))
    assert records[-1].losses["rec"] < 0.8 * records[0].losses["rec"]
    assert {record.losses["share"] for record in records} == {0.0}  # what is common sees no finding
