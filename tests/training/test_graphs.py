"""Steps as CUDA graphs: what a GPU plays has to be what a processor does step by step.

Without a GPU the same code runs unrecorded.  With one (marked `gpu`), it is recorded.
"""

from statistics import fmean

import pytest
import torch
from small import small_config

from acdm.core.config import Config
from acdm.data.batches import Batches
from acdm.errors import DivergedError
from acdm.method.capturable import capturable_step, make_capturable, make_eager
from acdm.method.players import assemble
from acdm.method.step import Batch, Draw, real_ones, regularises, step
from acdm.training import graphs
from acdm.training.graphs import GraphedSteps
from acdm.training.loop import train_steps
from acdm.training.schedule import blending, set_rate

CPU = torch.device("cpu")
DEVICES = [
    CPU,
    pytest.param(
        torch.device("cuda"),
        marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")],
    ),
]
CHANGED = {"augment": {"flip_horizontal": True, "intensity": 0.2, "cast": 0.1}}


def batches(config: Config) -> Batches:
    images = torch.randn(12, 3, 16, 16, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    return Batches(images, torch.arange(12) % 2, config.drawn, config.augment, config.seed)


def weights(players):
    both = (players.branches, players.discriminator, players.average)
    return [tensor.clone().cpu() for module in both for tensor in module.state_dict().values()]


def inputs(data, config, index, device):
    _, x, y = data.at(index)
    return Batch(x.to(device), y.to(device), 1 - y.to(device)).split(config.batch)


@pytest.mark.parametrize("device", DEVICES)
def test_the_capturable_step_is_the_step(device):
    """Twenty steps of both, losses in fp32 to a millionth part; on a processor bit for bit."""
    config = small_config({"optimiser": {"warmup": 3}})
    data = batches(config)
    one, two = (assemble(config, 3, 2, device) for _ in range(2))
    make_capturable(two)
    for index in range(20):
        batch, lesson = inputs(data, config, index, device)
        alpha = blending(config, index, config.network.branches).to(device)
        for players in (one, two):
            set_rate(players, index, 20, config.optimiser)
        told = step(one, batch, lesson, alpha, index, config)
        real = real_ones(config.real, index, config.batch).to(device)
        found = capturable_step(two, Draw(batch, lesson, real, alpha, regularises(index, config)), config)
        for name, value in told.items():
            torch.testing.assert_close(found[name], value, rtol=0 if device == CPU else 1e-3, atol=0, msg=name)
    for a, b in zip(weights(one), weights(two), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5 if device == CPU else 1e-2, atol=1e-6 if device == CPU else 1e-3)


def test_a_capturable_step_that_is_not_finite_moves_no_weight():
    config = small_config()
    data, players = batches(config), assemble(config, 3, 2, CPU)
    make_capturable(players)
    alpha, real = blending(config, 0, config.network.branches), torch.zeros(config.batch, dtype=torch.bool)
    capturable_step(players, Draw(*inputs(data, config, 0, CPU), real, alpha, True), config)
    before = [p.clone() for p in players.branches.parameters()]
    data.images = torch.full_like(data.images, float("nan"))
    found = capturable_step(players, Draw(*inputs(data, config, 1, CPU), real, alpha, False), config)
    assert not torch.isfinite(found["total"])
    assert all(torch.equal(a, b) for a, b in zip(before, players.branches.parameters(), strict=True))
    assert all(torch.isfinite(tensor).all() for tensor in weights(players))


def test_players_that_were_capturable_take_steps_as_before():
    config = small_config()
    data, players = batches(config), assemble(config, 3, 2, CPU)
    make_capturable(players)
    make_eager(players)
    fresh = assemble(config, 3, 2, CPU)
    for one in (players, fresh):
        list(train_steps(one, data, config, 3))
    assert all(torch.equal(a, b) for a, b in zip(weights(players), weights(fresh), strict=True))


@pytest.mark.parametrize("device", DEVICES)
def test_played_steps_find_what_steps_call_by_call_find(device):
    """Images are changed in one sampling instead of two: they differ in the sixth digit, losses in the third."""
    config = small_config(CHANGED)
    data = batches(config)
    called = list(train_steps(assemble(config, 3, 2, CPU), data, config, 20))
    players = assemble(config, 3, 2, device)
    steps = GraphedSteps(players, data, config, pytest.fail)
    played = list(train_steps(players, data, config, 20, play=steps.play))
    assert [record.step for record in played] == [10, 20]
    for record in played:
        own = called[record.step - record.count : record.step]
        for name in ("rec", "grad_rec", "adv", "discriminator", "mismatch", "total"):
            wanted = fmean(one.losses[name] for one in own)
            assert record.losses[name] == pytest.approx(wanted, rel=5e-3 if device == CPU else 2e-2), name


def test_steps_are_looked_at_where_something_is_written():
    config = small_config({"validate_every": 7, "save_every": 25, "sample_every": 1000})
    players, data = assemble(config, 3, 2, CPU), batches(config)
    steps = GraphedSteps(players, data, config, pytest.fail)
    assert [record.step for record in steps.play(config, 0, 26)] == [7, 10, 14, 20, 21, 25, 26]


def test_a_recorded_step_that_finds_something_else_is_not_used(monkeypatch):
    said = []
    monkeypatch.setattr(graphs, "record", lambda step, device: lambda: step() * 1.1)
    config = small_config()
    data, players = batches(config), assemble(config, 3, 2, CPU)
    steps = GraphedSteps(players, data, config, said.append)
    records = list(train_steps(players, data, config, 12, play=steps.play))
    assert len(said) == 1
    assert said[0].startswith("steps are done call by call, for they cannot be recorded on this GPU: a recorded step")
    assert [record.step for record in records] == list(range(1, 13)), "no step is lost, none done twice"
    called = assemble(config, 3, 2, CPU)
    list(train_steps(called, data, config, 12))
    for a, b in zip(weights(players), weights(called), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-3)


def test_a_gpu_that_cannot_record_goes_on_call_by_call(monkeypatch):
    def refuses(step, device):
        step()
        raise RuntimeError("operation not permitted when stream is capturing\nsecond line")

    said = []
    monkeypatch.setattr(graphs, "record", refuses)
    config = small_config()
    data, players = batches(config), assemble(config, 3, 2, CPU)
    steps = GraphedSteps(players, data, config, said.append)
    records = list(train_steps(players, data, config, 4, play=steps.play))
    assert [record.step for record in records] == [1, 2, 3, 4]
    assert "operation not permitted when stream is capturing" in said[0]
    assert "second line" not in said[0]
    assert list(steps.play(config, 0, 4)) == [], "it is not tried again"


def test_steps_that_are_not_finite_name_the_step_and_its_images():
    config = small_config()
    data, players = batches(config), assemble(config, 3, 2, CPU)
    steps = GraphedSteps(players, data, config, pytest.fail)
    next(steps.play(config, 0, 10))
    before = [p.clone() for p in players.branches.parameters()]
    data.images[:] = float("nan")
    with pytest.raises(DivergedError, match="is not finite at step 11") as caught:
        next(steps.play(config, 10, 20))
    assert list(caught.value.images) == data.at(10)[0].tolist()
    assert all(torch.equal(a, b) for a, b in zip(before, players.branches.parameters(), strict=True))
