import math

import pytest
import torch
import torch.nn.functional as F
from small import small_config
from torch.optim.swa_utils import AveragedModel

from acdm.core.config import Optimiser
from acdm.data.batches import Batches
from acdm.errors import DivergedError, OutOfMemoryError
from acdm.method import losses
from acdm.method.compose import blend
from acdm.method.discriminator import FromFeatures
from acdm.method.players import assemble, moving_average
from acdm.method.step import Batch, real_ones, step
from acdm.training.loop import steps_for, train_steps
from acdm.training.schedule import rate

CPU = torch.device("cpu")


def batches(config, classes=2):
    images = torch.randn(12, 1, 16, 16, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    labels = torch.arange(12) % classes
    return Batches(images, labels, config.drawn, config.augment, config.seed)


def test_reconstruction_comes_below_that_of_the_best_constant_image():
    """Nothing but each batch's own mean would pay that much."""
    config = small_config({"optimiser": {"warmup": 1, "decay": 0}})
    data = batches(config)
    records = list(train_steps(assemble(config, 1, 2, CPU), data, config, 120))
    x = data.at(119)[1][: config.batch]
    assert records[-1].losses["rec"] < 0.8 * losses.l_rec(x, x.mean().expand_as(x))


@pytest.mark.parametrize("judged", ["paired", "swapped", "both"])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_every_loss_is_told_and_finite(judged, n):
    config = small_config({"judged": judged, "network": {"branches": n}})
    (record,) = train_steps(assemble(config, 1, 2, CPU), batches(config), config, 1)
    terms = {"rec", "grad_rec", "dis_rec", "sqc", "energy", "sparse", "share", "adv"}
    assert set(record.losses) == {*terms, "discriminator", "mismatch", "r1", "total"}
    assert all(math.isfinite(value) for value in record.losses.values())


def test_without_their_weight_no_lessons_are_drawn():
    config = small_config({"loss": {"mismatch": 0}})
    assert config.drawn == config.batch
    (record,) = train_steps(assemble(config, 1, 2, CPU), batches(config), config, 1)
    assert "mismatch" not in record.losses


def test_pairs_are_of_one_class_and_pull_the_players_apart():
    config = small_config({"optimiser": {"r1_every": 64}})
    players = assemble(config, 1, 2, CPU)
    torch.nn.init.normal_(players.branches.decoder.head.weight, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([0, 1, 0, 1])
    genuine = torch.tensor([[0.0, -9], [-9, 10], [1, -9], [-9, 11]])  # logits of both classes; -9 where nobody asks
    swapped = torch.tensor([[-9.0, 12], [2, -9], [-9, 13], [3, -9]])  # each is 2 above its partner in the class
    lesson = torch.tensor([[5.0, 20], [4, 23], [6, 21], [5, 24]])
    players.discriminator = Told(torch.cat([genuine, swapped, lesson]))
    images = Batch(torch.randn(4, 1, 16, 16), y, 1 - y)
    terms = step(players, images, images, torch.rand(2), 1, config)
    assert terms["discriminator"].item() == pytest.approx(math.log1p(math.exp(2)), rel=1e-5)
    assert terms["adv"].item() == pytest.approx(math.log1p(math.exp(-2)), rel=1e-5)
    # class 0: 5 and 6 against 4 and 5; class 1: 23 and 24 against 20 and 21
    expected = (math.log1p(math.exp(-1)) + math.log1p(math.exp(-3))) / 2
    assert terms["mismatch"].item() == pytest.approx(expected, rel=1e-5)


class Told(torch.nn.Module):
    """A discriminator that gives the logits (B, K) it was told."""

    def __init__(self, logits):
        super().__init__()
        self.logits, self.one = logits, torch.nn.Parameter(torch.ones(1))

    def forward(self, x, seen):
        return self.logits * self.one + 0 * x.mean()


def frozen_features(x):
    """Two levels of features that nothing learns: differences of neighbours, and means of 2 x 2 of their squares."""
    steps = torch.cat([x.roll(1, 2) - x, x.roll(1, 3) - x], dim=1)
    return [steps, F.avg_pool2d(steps.square(), 2)]


def with_features(config, findings=1):
    """Players whose discriminator sees features; one image does not hang on another."""
    players = assemble(config, 1, 2, CPU, findings, frozen_features)
    players.discriminator.by_features.norms = torch.nn.ModuleList([torch.nn.Identity(), torch.nn.Identity()])
    torch.nn.init.normal_(
        players.discriminator.by_features.head.weight, std=0.01, generator=torch.Generator().manual_seed(2)
    )
    return players


@pytest.mark.parametrize("judged", ["paired", "swapped", "both"])
@pytest.mark.parametrize("sees_features", [False, True])
def test_scaling_the_discriminators_gradient_is_descending_the_adversarial_term(judged, sees_features):
    """Against two separate backward passes of the same losses; what enters class 1 weighs a quarter."""
    config = small_config({"judged": judged, "real": 0.5, "loss": {"mismatch": 0, "dis_rec": 0, "invention": 0.25}})
    players = with_features(config) if sees_features else assemble(config, 1, 2, CPU)
    keep = 0 if sees_features else 0.5  # it goes through pixels alone
    few = torch.Generator().manual_seed(0)  # small weights, so that no gradient is clipped
    torch.nn.init.normal_(players.branches.decoder.head.weight, std=0.01, generator=few)
    parameters = [*players.branches.parameters(), *players.discriminator.parameters()]
    (_, x, y), alpha = batches(config).at(0), torch.tensor([0.3, 0.8])
    other = 1 - y
    psi, psi_st = players.branches(x, y, other)
    x_hat, x_st = blend(psi, psi_st, alpha), blend(psi_st, psi, alpha)
    fake, fake_class = (x_st, other) if judged != "both" else (torch.cat([x_st, x_hat]), torch.cat([other, y]))

    def logits(images, classes):
        seen = frozen_features(images) if sees_features else []
        return players.discriminator(images, seen)[torch.arange(len(classes)), classes][classes.argsort(stable=True)]

    weight = torch.ones(len(fake))
    weight[: len(y)] = torch.where(y == 0, 0.25, 1)
    weight = weight[fake_class.argsort(stable=True)]
    if judged == "paired":
        shown = torch.where(real_ones(0.5, 1, 4)[:, None, None, None], x, x_hat)
        genuine, swapped = logits(shown.detach(), y), logits(fake.detach(), fake_class)
        discriminator_loss = losses.l_paired(genuine, swapped)
        keeping = losses.l_paired(logits(shown, y), swapped)
        adversarial = (weight * F.softplus(genuine - logits(fake, fake_class))).mean() + keep * keeping
    else:
        discriminator_loss = losses.l_discriminator(logits(x, y), logits(fake.detach(), fake_class))
        adversarial = (weight * F.softplus(-logits(fake, fake_class))).mean()
    of_discriminator = torch.autograd.grad(discriminator_loss, players.discriminator.parameters(), retain_graph=True)
    of_adversarial = torch.autograd.grad(adversarial, players.branches.parameters())

    silent = dict.fromkeys(("rec", "grad_rec", "sqc", "energy", "sparse", "share"), 0)
    config = config.with_(loss={**silent, "adv": 1, "keep": keep})
    step(players, Batch(x, y, other), Batch(x[:0], y[:0], y[:0]), alpha, 1, config)
    got = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    torch.testing.assert_close(got, [*of_adversarial, *of_discriminator], rtol=1e-3, atol=1e-6)


def test_features_say_of_an_image_what_its_loudest_places_say():
    """One level of one channel, and a finer one that says nothing: eight places of 2 make +2 for one class, -2 for the
    other, wherever they are.
    """
    judge = FromFeatures([1, 1], 2)
    judge.norms = torch.nn.ModuleList([torch.nn.Identity(), torch.nn.Identity()])
    judge.places = torch.nn.Identity()
    for layer, weight in ((judge.levels[0], 0.0), (judge.levels[1], 1.0), (judge.head, 1 / judge.head.in_channels)):
        torch.nn.init.constant_(layer.weight, weight)
        torch.nn.init.zeros_(layer.bias)
    coarse = torch.zeros(2, 1, 8, 8)
    coarse[0, 0, 1, :] = 2
    coarse[1, 0, 2:4, 2:6] = 2
    logits = judge([torch.rand(2, 1, 16, 16), coarse])
    torch.testing.assert_close(logits, torch.tensor([[-2.0, 2.0], [-2.0, 2.0]]))


def test_a_counterfactual_keeps_its_other_findings_by_features_too():
    """Against the adversarial term and the cross-entropy of the other finding's state, written out by hand."""
    config = small_config({"judged": "swapped", "loss": {"mismatch": 0, "dis_rec": 0, "invention": 1}})
    players = with_features(config, findings=2)
    few = torch.Generator().manual_seed(0)
    torch.nn.init.normal_(players.branches.decoder.head.weight, std=0.01, generator=few)
    torch.nn.init.zeros_(players.discriminator.head.weight)  # pixels say nothing
    (_, x, y), alpha = batches(config).at(0), torch.tensor([0.3, 0.8, 0.6])
    k, states = torch.tensor([0, 0, 1, 1])[: len(x)], torch.stack([y, y.flip(0)], dim=1)
    y = states.gather(1, k[:, None])[:, 0]
    batch = Batch(x, y, 1 - y, states, k)

    psi, psi_st = players.seen(states, k)(x, y, 1 - y)
    x_st = blend(psi_st, psi, alpha)
    logits = players.discriminator(x_st, players.see(x_st)).unflatten(1, (-1, 2))
    images = torch.arange(len(x))
    turned = F.softplus(-logits[images, k, 1 - y]).mean()
    kept = F.cross_entropy(logits[images, 1 - k], states[images, 1 - k])
    expected = torch.autograd.grad(turned + kept, players.branches.parameters(), allow_unused=True)

    silent = dict.fromkeys(("rec", "grad_rec", "sqc", "energy", "sparse", "share"), 0)
    config = config.with_(loss={**silent, "adv": 1, "keep": 0})
    step(players, batch, Batch(x[:0], y[:0], y[:0], states[:0], y[:0]), alpha, 1, config)
    parameters = list(players.branches.parameters())
    got = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    wanted = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, expected, strict=True)]
    torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-6)
    assert max(float(g.abs().max()) for g in wanted) > 1e-4


def test_both_gradients_are_taken_at_the_same_weights():
    weights = []
    for discriminator_lr in (1e-9, 1.0):
        config = small_config({"optimiser": {"warmup": 1, "discriminator_lr": discriminator_lr}})
        players = assemble(config, 1, 2, CPU)
        torch.nn.init.normal_(players.branches.decoder.head.weight, generator=torch.Generator().manual_seed(0))
        next(train_steps(players, batches(config), config, 4))
        weights.append(torch.cat([p.detach().flatten() for p in players.branches.parameters()]))
    assert torch.equal(*weights)


def test_the_average_forgets_early_weights_soon_and_late_ones_slowly():
    module = torch.nn.Linear(1, 1, bias=False)
    average = AveragedModel(module, multi_avg_fn=moving_average(0.5))
    expected = None
    for n, value in enumerate((1.0, 3.0, -2.0, 5.0)):
        torch.nn.init.constant_(module.weight, value)
        average.update_parameters(module)
        memory = min(0.5, (1 + n) / (10 + n))
        expected = value if expected is None else memory * expected + (1 - memory) * value
    assert average.module.weight.item() == pytest.approx(expected)


def test_with_three_classes_every_image_is_turned_into_each_other_class(monkeypatch):
    config, seen = small_config({"batch": 6, "loss": {"mismatch": 0}}), set()

    def watched(players, batch, *rest):
        seen.update(zip(batch.y.tolist(), batch.other.tolist(), strict=True))
        return step(players, batch, *rest)

    monkeypatch.setattr("acdm.training.loop.step", watched)
    records = list(train_steps(assemble(config, 1, 3, CPU), batches(config, classes=3), config, 8))
    assert seen == {(y, other) for y in range(3) for other in range(3) if y != other}
    assert all(math.isfinite(record.losses["total"]) for record in records)


def test_lazy_r1_keeps_its_strength():
    every, lazy = (small_config({"optimiser": {"r1_every": n}}) for n in (1, 4))
    values = [next(train_steps(assemble(c, 1, 2, CPU), batches(c), c, 8)).losses["r1"] for c in (every, lazy)]
    assert values[1] == pytest.approx(4 * values[0])


@pytest.mark.parametrize(("judged", "most"), [("swapped", 4), ("paired", 2)])  # pairs need both classes in a part
def test_a_batch_in_parts_gives_the_gradients_of_the_whole(judged, most):
    weights = {"dis_rec": 0}  # eq. (7) pools its indicator over the images it sees
    gradients = []
    for parts in (1, most):
        config = small_config({"accumulate": parts, "loss": weights, "judged": judged})
        players = assemble(config, 1, 2, CPU)
        torch.nn.init.normal_(players.branches.decoder.head.weight, generator=torch.Generator().manual_seed(0))
        next(train_steps(players, batches(config), config, 1))
        both = (*players.branches.parameters(), *players.discriminator.parameters())
        gradients.append(torch.cat([p.grad.flatten() for p in both]))
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("blend", [True, False])
def test_without_blending_every_step_is_one_with_alpha_1(blend, monkeypatch):
    config, seen = small_config({"ablation": {"blend": blend}}), []

    def watched(players, batch, lesson, alpha, *rest):
        seen.append(alpha)
        return step(players, batch, lesson, alpha, *rest)

    monkeypatch.setattr("acdm.training.loop.step", watched)
    list(train_steps(assemble(config, 1, 2, CPU), batches(config), config, 2))
    assert all((alpha == 1).all() for alpha in seen) != blend
    assert {len(alpha) for alpha in seen} == {config.network.branches - 1}


def test_short_memory_halves_the_parts_until_one_image_is_too_much(monkeypatch):
    config = small_config()

    def too_large(limit):
        def short(players, batch, lesson, alpha, index, config, group):
            if len(batch.x) / config.parts > limit:
                torch.empty(2**60)  # torch's own complaint
            return step(players, batch, lesson, alpha, index, config, group)

        return short

    monkeypatch.setattr("acdm.training.loop.step", too_large(2))
    records = list(train_steps(assemble(config, 1, 2, CPU), batches(config), config, 2))
    assert [record.parts for record in records] == [2, 2]
    monkeypatch.setattr("acdm.training.loop.step", too_large(0))
    with pytest.raises(OutOfMemoryError, match="1 image at a time does not fit"):
        next(train_steps(assemble(config, 1, 2, CPU), batches(config), config, 2))


def test_the_same_seed_gives_the_same_players():
    config = small_config()
    torch.manual_seed(1)
    one = assemble(config, 1, 2, CPU).branches.state_dict()
    torch.manual_seed(2)
    two = assemble(config, 1, 2, CPU).branches.state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_loss_that_is_not_finite_stops_before_the_next_step():
    config = small_config()
    players, data = assemble(config, 1, 2, CPU), batches(config)
    data.images = torch.full_like(data.images, float("nan"))
    with pytest.raises(DivergedError, match="not finite at step 1") as caught:
        next(train_steps(players, data, config, 2))
    assert len(caught.value.images) == config.drawn


def test_the_learning_rate_rises_stays_and_falls_to_zero():
    options = Optimiser(warmup=10, decay=0.5)
    values = [rate(i, 100, options) for i in range(100)]
    assert values[0] == pytest.approx(0.1)
    assert values[9] == values[49] == 1
    assert values[75] == pytest.approx(0.5)
    assert values[99] == pytest.approx(0.02)


def test_minutes_become_steps():
    assert steps_for(minutes=10, seconds_so_far=70, done=30, seconds_a_step=0.5) == 30 + (528 - 70) * 2
    assert steps_for(minutes=0.01, seconds_so_far=70, done=30, seconds_a_step=0.5) == 31
