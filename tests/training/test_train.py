"""Divergence, injected where it can begin; a training that is told to save; what stays behind."""

import os
import re
import signal
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from small import LEAST_NETWORK

from acdm.core.progress import Progress
from acdm.core.run import Run
from acdm.core.tensors import checkpoints, read_tensors
from acdm.data.sets.synthetic import write_synthetic
from acdm.errors import DivergedError, InterruptedTrainingError
from acdm.method import losses
from acdm.training import loop, session, validation
from acdm.training import train as fitting
from acdm.training.request import Request, prepare
from acdm.training.train import train as train_run

OPTIONS = {
    "size": 16,
    "steps": 8,
    "ablation": {"choose": False},
    "save_every": 2,
    "precision": "fp32",
    "features": "off",
    "network": LEAST_NETWORK,
    "optimiser": {"r1_every": 1},
}


class Heard(Progress):
    """Remembers what is said."""

    def __init__(self, lines):
        self.lines = lines

    def say(self, line):
        self.lines.append(line)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "toy"
    write_synthetic(folder, "1", 16, train=40, test=8, seed=0)
    return folder


@pytest.fixture
def trained(toy, tmp_path, monkeypatch):
    """Train, with something done to the session after a step; what was said, and the run folder."""
    monkeypatch.setattr(fitting, "_finish", lambda session, given: None)

    def train(after=lambda session, step: None, options=None):
        said, asked = [], {**OPTIONS, **(options or {})}
        observe = session.Session.observe

        def watched(self, record, steps):
            observe(self, record, steps)
            after(self, record.step)

        monkeypatch.setattr(session.Session, "observe", watched)
        try:
            train_run(Request(folders=[toy], out=tmp_path / "run", preset="tiny", options=asked), Heard(said))
        except DivergedError as error:
            said.append(error)
        return said, tmp_path / "run"

    return train


def _spoil_input(s):
    s.images.train[0].fill_(float("nan"))


def _spoil_generator(s):
    next(iter(s.players.branches.parameters())).data.fill_(float("nan"))


def _spoil_discriminator(s):
    next(iter(s.players.discriminator.parameters())).data.fill_(float("inf"))


def _spoil_moment(s):
    next(iter(s.players.generator_optimiser.state.values()))["exp_avg"].fill_(float("nan"))


def _spoil_average(s):
    next(iter(s.players.average.parameters())).data.fill_(float("nan"))


@pytest.mark.parametrize("recorded", [False, True])  # as on a GPU, unrecorded here
@pytest.mark.parametrize(
    "spoil", [_spoil_generator, _spoil_discriminator, _spoil_moment, _spoil_average], ids=lambda f: f.__name__[7:]
)
def test_what_is_not_finite_is_left_behind_by_going_back(trained, spoil, recorded, monkeypatch):
    monkeypatch.setattr(fitting, "can_be_recorded", lambda config, group: recorded)
    done = []

    def once(s, step):
        if step == (4 if recorded else 3) and not done:  # recorded steps are looked at before each save
            done.append(step)
            spoil(s)

    said, run = trained(once)
    assert not isinstance(said[-1], DivergedError)
    assert sum("back to the last checkpoint" in line for line in said) == 1
    assert [path.stem for path in checkpoints(run / "checkpoints")] == ["step-6", "step-8"]
    for path in checkpoints(run / "checkpoints"):
        assert all(torch.isfinite(t).all() for t in read_tensors(path, "training")[0].values())


def test_what_does_not_get_better_ends_after_three_times_and_names_loss_step_and_images(trained):
    said, run = trained(lambda s, step: _spoil_input(s) if step == 3 else None)
    error = said[-1]
    assert isinstance(error, DivergedError)
    assert error.exit_code == 11
    assert "loss 'rec' is not finite at step 3" in str(error)
    assert ".png" in str(error)
    assert sum("back to the last checkpoint" in str(line) for line in said) == session.MAX_ROLLBACKS
    assert "optimiser:\n  lr: 0.000125" in (run / "config.yaml").read_text(), "an eighth"
    (kept,) = checkpoints(run / "checkpoints")
    assert kept.stem == "step-2"


def test_a_gradient_of_r1_that_is_not_finite_never_reaches_a_weight(trained, monkeypatch):
    r1, calls = losses.r1, []

    def spoilt(logit, x):
        calls.append(1)
        value = r1(logit, x)
        return value * (1 + 0 * x.sum() * float("inf")) if len(calls) == 3 else value

    monkeypatch.setattr(losses, "r1", spoilt)
    monkeypatch.setattr(
        "acdm.training.defaults.seconds_a_step", lambda config, channels, findings: 0.01
    )  # which takes steps, too
    said, run = trained()
    assert sum("back to the last checkpoint" in line for line in said) == 1
    assert checkpoints(run / "checkpoints")[-1].stem == "step-8"


def test_sigusr1_saves_and_goes_on(trained):
    said, run = trained(lambda s, step: os.kill(os.getpid(), signal.SIGUSR1) if step == 5 else None)
    assert "saved after step" in " ".join(said)
    assert checkpoints(run / "checkpoints")[-1].stem == "step-8"


def test_while_branch_1_is_silent_sparsity_weighs_half_as_much_from_look_to_look(trained, monkeypatch):
    """Steps that follow a look are trained with the new weight; here any branch 1 counts as silent."""
    monkeypatch.setattr(validation, "PATIENCE", 3)
    monkeypatch.setattr(validation, "SILENT", 2.0)
    weights = []
    steps = fitting.train_steps

    def watched(players, batches, config, *rest):
        for record in steps(players, batches, config, *rest):
            weights.append(config.loss.sparse)
            yield record

    monkeypatch.setattr(fitting, "train_steps", watched)
    said, run = trained(options={"validate_every": 2, "loss": {"sparse": 3.0}})
    assert weights == [3.0] * 4 + [1.5] * 4, "of 8 steps, and not below 1"
    assert Run.open(run).config().loss.sparse == 1.5, "a resumed training goes on with it"
    assert sum("branch 1 is to speak: the weight of sparsity is 1.5" in line for line in said) == 1


def test_a_training_by_the_clock_plans_anew_when_it_turns_out_slower(trained, monkeypatch):
    """The rate is to have fallen to zero when the minutes are over, so that the last step has to be known before.

    Steps take .1 s by themselves, and .2 s with all that is done beside; of half a minute the branches get 21 s.
    """
    clock, steps = SimpleNamespace(now=0.0), fitting.train_steps
    for module in (fitting, session):
        monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    monkeypatch.setattr(fitting, "train_steps", lambda *of: (replace(record, seconds=0.1) for record in steps(*of)))

    def tick(session, step):
        session.began, clock.now = 0.0, 0.2 * step

    said, run = trained(tick, {"steps": None, "minutes": 0.5})
    planned = [int(count) for line in said for count in re.findall(r": (\d+) steps fit,", str(line))]
    assert planned[0] == pytest.approx(30 + (0.88 * 21 - 6) / 0.1, abs=2)
    assert planned[1:] == [pytest.approx(0.97 * 21 / 0.2, abs=2)]
    assert int(checkpoints(run / "checkpoints")[-1].stem.split("-")[1]) == pytest.approx(planned[-1], abs=2)
    assert Run.open(run).config().steps == planned[-1]


def test_a_training_cut_off_at_half_the_size_ends_as_one_that_was_not(toy, tmp_path, monkeypatch):
    """Of eight steps the first four see 8 px, and need not be sparse; with three done a signal comes."""
    monkeypatch.setattr(fitting, "_finish", lambda session, given: None)
    sides, sparsities, step = [], [], loop.step

    def watched(players, batch, lesson, alpha, index, config, *rest):
        sides.append(batch.x.shape[-1])
        sparsities.append(config.loss.sparse)
        return step(players, batch, lesson, alpha, index, config, *rest)

    monkeypatch.setattr(loop, "step", watched)
    options, said = {**OPTIONS, "half_size_steps": 4}, []

    def request(name, resume=False):
        return Request(folders=[toy], out=tmp_path / name, preset="tiny", options=options, resume=resume)

    train_run(request("whole"), Heard(said))
    assert sides[-8:] == 4 * [8] + 4 * [16]  # after those that were timed
    assert sparsities[-8:] == 4 * [0] + 4 * [10]
    assert "step 4: images are of full size, 16 px, from here on" in said

    observe = session.Session.observe

    def stopped(self, record, steps):
        observe(self, record, steps)
        if record.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(session.Session, "observe", stopped)
        with pytest.raises(InterruptedTrainingError, match="after step 3"):
            train_run(request("cut"))
    train_run(request("cut", resume=True))
    assert sides[-5:] == [8] + 4 * [16]
    one, two = (
        read_tensors(tmp_path / name / "checkpoints" / "step-8.safetensors", "training")[0] for name in ("whole", "cut")
    )
    assert all(torch.equal(tensor, two[name]) for name, tensor in one.items())


def test_at_most_half_of_the_steps_see_half_the_size(toy, tmp_path):
    options = {**OPTIONS, "half_size_steps": 500}
    for steps, expected in ((8, 4), (7, 3), (2000, 500)):
        asked = Request(folders=[toy], out=tmp_path / "run", preset="tiny", options={**options, "steps": steps})
        assert prepare(asked).config.half_size_steps == expected
    without_blocks = replace(asked, options={**options, "network": {**LEAST_NETWORK, "stem": 1}})
    assert prepare(without_blocks).config.half_size_steps == 0
