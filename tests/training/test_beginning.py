"""Several findings that begin as one, and what a signal leaves of that."""

import os
import signal
from dataclasses import replace
from functools import partial

import pytest
import torch
from small import LEAST_NETWORK

from acdm.cli.info import found_runs
from acdm.core.progress import Progress
from acdm.core.run import Run
from acdm.core.tensors import checkpoints, read_tensors
from acdm.data.images.write import png
from acdm.data.sets.three import write_three
from acdm.errors import InterruptedTrainingError
from acdm.maps.judge import train_judge
from acdm.maps.loading import load
from acdm.training import beginning, loop, session
from acdm.training import train as fitting
from acdm.training.request import Request
from acdm.training.train import train
from acdm.web.live import write_live

OPTIONS = {
    "size": 16,
    "steps": 4,
    "save_every": 1,
    "precision": "fp32",
    "features": "off",
    "network": LEAST_NETWORK,
}


class Heard(Progress):
    def __init__(self):
        self.phases, self.lines = [], []

    def begin(self, phase, total=None):
        self.phases.append((phase, total))

    def say(self, line):
        self.lines.append(line)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "three"
    write_three(folder, 16, train=240, test=8, seed=0)
    return folder


@pytest.fixture
def branches_alone(monkeypatch):
    """Nothing comes after the branches, and the check classifier of any finding is quick."""
    monkeypatch.setattr(fitting, "finish_findings", lambda session, findings, backbone: None)
    monkeypatch.setattr(fitting, "train_judge", partial(train_judge, steps=1))


@pytest.fixture
def begin(data, tmp_path, branches_alone):
    """Train under a name, and hear what is told."""

    def run(name, resume=False, folder=data, **options):
        heard = Heard()
        request = Request(folders=[folder], out=tmp_path / name, preset="tiny", options={**OPTIONS, **options})
        try:
            train(Request(**{**vars(request), "resume": resume}), heard)
        finally:
            run.heard = heard
        return tmp_path / name

    return run


def state(run):
    (last,) = (path for path in checkpoints(run / "checkpoints") if path.stem == "step-4")
    return read_tensors(last, "training")[0]


def test_any_finding_is_trained_first_then_the_discriminator_alone_then_each(begin):
    run = begin("run")
    assert [phase for phase in begin.heard.phases if "step" in phase[0] or "lessons" in phase[0]] == [
        ("step", None),
        ("the discriminator's lessons", 4),
        ("step", None),
    ]
    assert (run / "beginning/metrics.csv").is_file()


@pytest.mark.parametrize(("auroc", "seen"), [(0.6, True), (0.8, False)])
def test_where_pixels_do_not_tell_any_finding_the_discriminators_see_features(begin, cut, monkeypatch, auroc, seen):
    """Cut off and gone on with, they still do; the check classifier stays as it was fitted."""
    fitted = []

    def judge(*of, **how):
        fitted.append(1)
        return replace(train_judge(*of, **{**how, "steps": 1}), auroc=auroc)

    monkeypatch.setattr(fitting, "train_judge", judge)
    cut("any", features="auto")
    run = Run.open(begin("cut", resume=True, features="auto"))
    assert run.config().discriminator_features is run.beginning.config().discriminator_features is seen
    assert any("pixels alone hardly tell" in line for line in run.last_lines(30)) is seen
    assert len(fitted) == 1


def test_what_any_finding_began_with_draws_maps_and_takes_little_room(begin):
    run = begin("run")
    of_any = load(run / "beginning")
    assert of_any.classes == ("none", "any")
    assert set(of_any.decompose(torch.zeros(1, 16, 16)).drawn) == {"residual", "evidence"}
    assert [path.stem for path in checkpoints(run / "beginning/checkpoints")] == ["step-2"]


def test_without_it_each_finding_begins_alone(begin):
    run = begin("run", begin_as_one=False)
    assert not (run / "beginning").exists()


def test_where_every_image_has_a_finding_there_is_none_to_begin_with(begin, tmp_path):
    generator = torch.Generator().manual_seed(0)
    for name in ("field", "forest", "town"):
        for part, number in (("train", 12), ("test", 2)):
            for i in range(number):
                file = tmp_path / "uses" / part / name / f"{i}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(png(torch.randint(256, (16, 16), generator=generator, dtype=torch.uint8).numpy()))
    run = begin("run", folder=tmp_path / "uses", begin_as_one=True)
    assert not (run / "beginning").exists()
    assert not Run.open(run).config().begin_as_one
    assert any(line.startswith("--begin-as-one: left out") for line in begin.heard.lines)
    begin("run", folder=tmp_path / "uses", begin_as_one=True, resume=True)
    assert "begin_as_one: stays False, as this run began" in begin.heard.lines


@pytest.fixture
def cut(begin, monkeypatch):
    """Begin a training that a signal stops after a step of any finding, a lesson, or a step of each."""
    observe, lessons = session.Session.observe, beginning.lessons

    def run(part, **options):
        def stopped(self, record, steps):
            observe(self, record, steps)
            if record.step == 1 and (self.whole is not None) == (part == "any"):
                os.kill(os.getpid(), signal.SIGTERM)

        def stopped_lessons(*of):
            for loss in lessons(*of):
                os.kill(os.getpid(), signal.SIGTERM)
                yield loss

        with monkeypatch.context() as patched:
            if part == "lessons":
                patched.setattr(beginning, "lessons", stopped_lessons)
            else:
                patched.setattr(session.Session, "observe", stopped)
            with pytest.raises(InterruptedTrainingError, match=r"-o \S*/cut --resume"):
                begin("cut", **options)

    return run


@pytest.fixture
def sides(monkeypatch):
    """Sides of the images of all steps, and the weight of sparsity in them."""
    seen, step = [], loop.step

    def watched(players, batch, lesson, alpha, index, config, *rest):
        seen.append((batch.x.shape[-1], config.loss.sparse, players.findings))
        return step(players, batch, lesson, alpha, index, config, *rest)

    monkeypatch.setattr(loop, "step", watched)
    return seen


@pytest.mark.parametrize("part", ["any", "each"])
def test_half_the_size_is_of_the_beginning_alone(begin, cut, sides, part):
    """Of any finding at most half of the steps are, and no step of each; though the options are given again."""
    cut(part, half_size_steps=4)
    begin("cut", resume=True, half_size_steps=4)
    assert sides[-6:] == [(8, 0, 1), (16, 10, 1)] + 4 * [(16, 10, 3)]


def test_gone_on_with_the_beginning_does_what_is_asked_for_now(begin, cut, sides):
    cut("any", steps=8)
    del sides[:]
    begin("cut", resume=True, steps=4)
    assert [findings for *_, findings in sides] == [1] + 4 * [3]


def test_what_any_finding_had_to_lower_stays_lowered(begin, monkeypatch):
    monkeypatch.setattr(session.Session, "_measure", lambda self, *of: setattr(self.health, "silent", True))
    run = begin("run", validate_every=2, half_size_steps=2)
    assert Run.open(run / "beginning").config().loss.sparse == 10 / 2, "not by steps of half the size"
    assert Run.open(run).config().loss.sparse == 10 / 2 / 4, "twice more by the four steps of each"


def test_the_page_shows_the_beginning_until_there_is_more(begin, cut, tmp_path):
    cut("any", validate_every=1)
    run = Run.open(tmp_path / "cut")
    assert "Stopped after 1 step" in write_live(run, "stopped").read_text()
    assert "the findings begin as one: any of them against none" in run.last_lines(9)
    begin("cut", resume=True, validate_every=1)
    assert "Stopped after 4 steps" in write_live(run, "stopped").read_text()


def test_a_list_of_runs_is_without_beginnings(begin, tmp_path):
    begin("run")
    assert [run.path.name for run in found_runs(tmp_path)] == ["run"]


@pytest.mark.parametrize("part", ["any", "lessons", "each"])
def test_cut_off_anywhere_it_ends_as_one_that_was_not(begin, cut, part):
    whole = state(begin("whole"))
    cut(part)
    gone_on = state(begin("cut", resume=True))
    assert all(torch.equal(tensor, gone_on[name]) for name, tensor in whole.items())
