"""Several findings that begin as one, and what a signal leaves of that."""

import os
import signal

import pytest
import torch
from small import LEAST_NETWORK

from acdm.core.progress import Progress
from acdm.core.run import Run
from acdm.core.tensors import checkpoints, read_tensors
from acdm.data.images.write import png
from acdm.data.sets.three import write_three
from acdm.errors import InterruptedTrainingError
from acdm.training import beginning, session
from acdm.training import train as fitting
from acdm.training.request import Request
from acdm.training.train import train

OPTIONS = {
    "size": 16,
    "steps": 4,
    "save_every": 1,
    "precision": "fp32",
    "features": "off",
    "begin_as_one": True,
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
    write_three(folder, 16, train=64, test=8, seed=0)
    return folder


@pytest.fixture
def branches_alone(monkeypatch):
    monkeypatch.setattr(fitting, "finish_findings", lambda session, findings, backbone: None)


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
    assert not checkpoints(run / "beginning/checkpoints"), "they are of no use any more"


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
    run = begin("run", folder=tmp_path / "uses")
    assert not (run / "beginning").exists()
    assert not Run.open(run).config().begin_as_one
    assert any(line.startswith("--begin-as-one: left out") for line in begin.heard.lines)


@pytest.mark.parametrize("place", ["any", "lessons", "each"])
def test_cut_off_anywhere_it_ends_as_one_that_was_not(begin, monkeypatch, place):
    whole = state(begin("whole"))
    observe, lessons = session.Session.observe, beginning.lessons

    def stopped(self, record, steps):
        observe(self, record, steps)
        if record.step == 1 and (self.whole is not None) == (place == "any"):
            os.kill(os.getpid(), signal.SIGTERM)

    def stopped_lessons(*of):
        for loss in lessons(*of):
            os.kill(os.getpid(), signal.SIGTERM)
            yield loss

    with monkeypatch.context() as patched:
        if place == "lessons":
            patched.setattr(beginning, "lessons", stopped_lessons)
        else:
            patched.setattr(session.Session, "observe", stopped)
        with pytest.raises(InterruptedTrainingError, match=r"-o \S*/cut --resume"):
            begin("cut")
    cut = state(begin("cut", resume=True))
    assert all(torch.equal(tensor, cut[name]) for name, tensor in whole.items())
