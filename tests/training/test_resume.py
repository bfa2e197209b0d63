"""What may change when a run is gone on with, and which files belong to it."""

import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from small import OPTIONS
from torch import nn

import acdm
from acdm.core.config import Config
from acdm.core.progress import Progress
from acdm.core.run import Run
from acdm.core.tensors import newest_checkpoint, read_tensors
from acdm.data.sets.synthetic import write_synthetic
from acdm.errors import AcdmError, CheckpointError, ConfigError, DataError, InterruptedTrainingError, RunError
from acdm.maps.features import Features
from acdm.training import train as fitting
from acdm.training.request import Request
from acdm.training.train import train


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Toy images, and two finished runs of them with the same options."""
    folder = tmp_path_factory.mktemp("resumed")
    write_synthetic(folder / "toy", "1", 16, train=40, test=8, seed=0)
    for name in ("one", "two"):
        train(Request(folders=[folder / "toy"], out=folder / name, options={**OPTIONS, "steps": 4}))
    return folder


@pytest.fixture
def run(made, tmp_path):
    shutil.copytree(made / "one", tmp_path / "one")
    shutil.copytree(made / "toy", tmp_path / "toy")
    return tmp_path / "one"


class Heard(Progress):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


def resume(run, progress=None, **request):
    asked = Request(folders=[run.parent / "toy"], out=run, resume=True, **request)
    return train(asked, progress or Progress())


def test_other_pixels_under_the_same_names_are_refused(run):
    rng = np.random.default_rng(0)
    for path in sorted((run.parent / "toy/train/with").iterdir())[:3]:
        Image.fromarray(rng.integers(0, 256, (16, 16), np.uint8)).save(path)
    with pytest.raises(DataError, match="3 images have the names but not the pixels"):
        resume(run, options={"steps": 6})


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"positive": "without"}, "--positive without: cannot change"),
        ({"preset": "paper"}, "size: cannot change with --resume"),
        ({"options": {"loss": {"sparse": 3}}}, "loss.sparse: cannot change with --resume .this run has 10.0, not 3"),
        ({"options": {"blend": False}}, "ablation.blend: cannot change"),
        ({"options": {"lessons": 2}}, "lessons: cannot change"),
    ],
)
def test_what_does_not_agree_with_the_run_is_refused(run, request_, words):
    with pytest.raises(ConfigError, match=words):
        resume(run, **request_)


def test_what_agrees_may_be_typed_again_and_steps_may_grow(run):
    resume(run, positive="with", options={**OPTIONS, "loss": {"sparse": 10}, "steps": 6})
    assert newest_checkpoint(run / "checkpoints").step == 6


def test_a_finished_run_trains_on_only_where_steps_or_minutes_are_given(run):
    before, heard = newest_checkpoint(run / "checkpoints").step, Heard()
    resume(run, heard)
    assert newest_checkpoint(run / "checkpoints").step == before
    assert "is finished; give --steps or --minutes" in heard.lines[-1]
    resume(run, options={"minutes": 0.02})
    assert newest_checkpoint(run / "checkpoints").step > before + 30


class Stopping(Heard):
    """Stops the training half-way, once."""

    def advance(self, facts=(), done=None, total=None):
        if total and done == total // 2:
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_finished_run_that_is_stopped_while_it_trains_on_is_unfinished_until_it_goes_on(run, tmp_path):
    (tmp_path / "masks").mkdir()
    image = next(Path(file.path) for file in Run(run).read_data().files["train"] if file.label == "with")
    Image.fromarray(np.full((16, 16), 255, np.uint8)).save(tmp_path / "masks" / f"{image.stem}.png")
    with pytest.raises(InterruptedTrainingError, match=rf"--resume --masks {re.escape(str(tmp_path))}/masks'"):
        resume(run, Stopping(), options={"steps": 60}, masks=tmp_path / "masks")
    assert newest_checkpoint(run / "checkpoints").step < 60
    with pytest.raises(RunError):
        acdm.load(run).require_ready(None)
    resume(run)
    assert newest_checkpoint(run / "checkpoints").step == 60
    acdm.load(run).require_ready(None)


@pytest.mark.parametrize("name", ["checkpoints/step-4.safetensors", "judge.safetensors", "calibration.json"])
def test_a_file_of_another_run_is_known(run, made, name):
    shutil.copy(made / "two" / name, run / name)
    (run / "chosen.safetensors").unlink(missing_ok=True)
    with pytest.raises((CheckpointError, RunError), match="is of another run"):
        acdm.load(run)


def test_a_damaged_choice_is_drawn_anew(run):
    (run / "chosen.safetensors").write_bytes(b"damaged")
    heard = Heard()
    resume(run, heard, options={"steps": 6})
    assert any("chosen anew" in line for line in heard.lines)
    acdm.load(run).require_ready(None)


@pytest.mark.parametrize(
    "change", [{"scale": 3e5}, {"threshold": float("nan")}, {"polarity": "sideways"}, {"speck": -1}]
)
def test_a_calibration_that_makes_no_sense_is_a_sentence(run, change):
    path = run / "calibration.json"
    content = json.loads(path.read_text())
    content["evidence"] |= change
    path.write_text(json.dumps(content))
    with pytest.raises(RunError, match="not a calibration"):
        acdm.load(run)


def test_runs_of_before_have_no_name_and_take_their_files(run):
    env = json.loads((run / "env.json").read_text())
    del env["id"]
    (run / "env.json").write_text(json.dumps(env))
    acdm.load(run).require_ready(None)
    assert Run(run).id == ""


def complaint(run):
    """What is said against a run; None where it can be used."""
    try:
        acdm.load(run).require_ready(None)
    except AcdmError as error:
        return str(error)
    return None


@pytest.mark.parametrize("file", ["config.yaml", "data.json", "env.json", "calibration.json"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"a": ', b"[]", b"\xff\xfe"])
def test_a_damaged_file_is_a_sentence(run, file, content):
    path = run / file
    if content is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(content)
    said = complaint(run)
    assert said is None or ("\n" not in said and any(words in said for words in (str(run), "this run", "options")))


def test_maps_are_drawn_in_the_precision_of_the_training(run):
    assert acdm.load(run).precision == "fp32"
    assert read_tensors(run / "checkpoints/step-4.safetensors", "training")[1]["run"] == Run(run).id


def without_segmenter(run):
    """Take from a run what versions before segmenters did not leave."""
    (run / "segmenter.safetensors").unlink()
    known = json.loads((run / "calibration.json").read_text())
    del known["object"]
    (run / "calibration.json").write_text(json.dumps(known))


def networks_of(run):
    return {path.name: path.read_bytes() for path in (*run.glob("checkpoints/*"), run / "judge.safetensors")}


def test_a_run_of_before_gets_a_segmenter_and_keeps_its_networks(run):
    taught, before = (run / "segmenter.safetensors").read_bytes(), networks_of(run)
    without_segmenter(run)
    assert "object" not in acdm.load(run).names
    resume(run)
    assert "object" in acdm.load(run).names
    assert networks_of(run) == before
    assert (run / "segmenter.safetensors").read_bytes() == taught, "the same seed, the same segmenter"


def test_a_damaged_segmenter_is_a_sentence_and_taught_anew(run):
    taught = (run / "segmenter.safetensors").read_bytes()
    (run / "segmenter.safetensors").write_bytes(taught[:100])
    with pytest.raises(CheckpointError, match="damaged"):
        acdm.load(run)
    resume(run)
    assert (run / "segmenter.safetensors").read_bytes() == taught


def test_where_none_is_asked_for_there_is_none_and_evidence_stands_for_it(made, tmp_path):
    options = {**OPTIONS, "steps": 4, "segmenter": False}
    train(Request(folders=[made / "toy"], out=tmp_path / "run", options=options))
    model = acdm.load(tmp_path / "run")
    assert not (tmp_path / "run/segmenter.safetensors").exists()
    d = model.decompose(np.zeros((16, 16), np.float32), "with")
    assert model.default_map == d.default_map == "evidence"
    with pytest.raises(RunError, match="no map 'object'"):
        _ = d.object
    with pytest.raises(RunError, match=r"no map 'object'.*--resume --segmenter"):
        model.require_map("object")
    asked = {"out": tmp_path / "run", "resume": True, "options": {"segmenter": True}}
    train(Request(folders=[made / "toy"], **asked))
    assert "object" in acdm.load(tmp_path / "run").names, "one can be added later"


def test_without_its_features_a_run_draws_evidence_and_says_so(run, monkeypatch):
    without_segmenter(run)
    resume(run, options={"features": "auto"})
    assert "object" in acdm.load(run).names
    monkeypatch.setattr(Features, "installed", lambda: None)
    with pytest.warns(UserWarning, match="features are not here"):
        model = acdm.load(run)
    model.require_ready(None)
    assert "object" not in model.names


def test_masks_teach_the_segmenter_of_a_finished_run_anew_and_leave_its_networks(run, made, tmp_path):
    taught, before = (run / "segmenter.safetensors").read_bytes(), networks_of(run)
    named = [Path(file.path) for file in Run(run).read_data().files["train"] if file.label == "with"]
    (tmp_path / "masks").mkdir()
    for image in named[:2]:
        Image.fromarray(np.full((16, 16), 255, np.uint8)).save(tmp_path / "masks" / f"{image.stem}.png")
    resume(run, masks=tmp_path / "masks")
    assert networks_of(run) == before
    corrected = (run / "segmenter.safetensors").read_bytes()
    assert corrected != taught
    segmenter = acdm.load(run).segmenter
    assert segmenter is not None
    assert segmenter.masks == 2
    with pytest.raises(ConfigError, match="--segmenter"):
        resume(run, masks=tmp_path / "masks", options={"segmenter": False})
    next((tmp_path / "masks").iterdir()).unlink()
    heard = Heard()
    resume(run, heard, masks=tmp_path / "masks")
    assert any("2 masks taught this run's segmenter, and 1 are given now" in line for line in heard.lines)


def test_other_features_teach_the_segmenter_of_a_finished_run_anew(run):
    assert acdm.load(run).segmenter.features is None
    before = networks_of(run)
    resume(run, options={"features": "auto"})
    assert acdm.load(run).segmenter.features is not None
    assert networks_of(run) == before


def test_features_of_a_file_are_named_anew_and_never_kept(run, tmp_path):
    torch.manual_seed(0)
    strides = nn.ModuleList(nn.Conv2d(3, 2, 2**k, 2**k) for k in range(1, 5))

    class Mine(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.strides = strides

        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            return [stride(x) for stride in self.strides]

    mine = tmp_path / "secret-place" / "mine.pt"
    mine.parent.mkdir()
    torch.jit.script(Mine()).save(str(mine))
    without_segmenter(run)
    resume(run, options={"features": str(mine)})
    assert "object" in acdm.load(run, features=mine).names
    kept = [path for path in run.rglob("*") if path.is_file() and b"secret-place" in path.read_bytes()]
    assert not kept, "a run stores no path"
    with pytest.warns(UserWarning, match="give --features PATH"):
        assert "object" not in acdm.load(run).names
    without_segmenter(run)
    with pytest.raises(ConfigError, match="give --features PATH again"):
        resume(run)


def test_stopped_while_the_segmenter_is_taught_it_is_taught_anew(run, monkeypatch):
    taught = (run / "segmenter.safetensors").read_bytes()
    without_segmenter(run)

    def stopped(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        arguments[-1]()  # as after a step

    with monkeypatch.context() as patched:
        patched.setattr(fitting, "teach", stopped)
        with pytest.raises(InterruptedTrainingError, match="begins anew"):
            resume(run)
    assert not (run / "segmenter.safetensors").exists()
    resume(run)
    assert (run / "segmenter.safetensors").read_bytes() == taught


def test_by_the_clock_there_are_steps_beyond_those_that_are_done():
    """However many these are: of some of them the speed is measured."""
    session = SimpleNamespace(config=Config(), images=SimpleNamespace(findings=1))
    assert fitting._beyond_warmup(session, 12_000) >= 22_000


def test_a_run_among_its_images_is_refused(made, tmp_path):
    """Its pictures would be taken for images, and its folder for a class."""
    for name in ("without", "with"):
        shutil.copytree(made / "toy/train" / name, tmp_path / name)
    two = [tmp_path / "without", tmp_path / "with"]
    for folders, out in (
        (two, tmp_path / "with/run"),
        ([tmp_path], tmp_path / "runs/1"),
        ([made / "toy"], made / "toy/train/run"),
    ):
        with pytest.raises(ConfigError, match="lies in the folder of the images"):
            train(Request(folders=folders, out=out, options={**OPTIONS, "steps": 4}))
        assert not out.exists()


def test_a_folder_that_was_left_before_the_first_step_is_free(made, tmp_path):
    (tmp_path / "run").mkdir()
    for name in ("config.yaml", "data.json"):
        shutil.copy(made / "one" / name, tmp_path / "run")
    train(Request(folders=[made / "toy"], out=tmp_path / "run", options={**OPTIONS, "steps": 4}))
    acdm.load(tmp_path / "run").require_ready(None)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems name files in Unicode alone")
def test_a_name_in_another_encoding_is_no_hindrance(made, tmp_path):
    shutil.copytree(made / "toy", tmp_path / "toy")
    image = next((tmp_path / "toy/train/with").iterdir())
    image.rename(image.with_name(os.fsdecode(b"t\xe4ter.png")))
    train(Request(folders=[tmp_path / "toy"], out=tmp_path / "run", options={**OPTIONS, "steps": 4}))
    resume(tmp_path / "run", options={"steps": 6})


def test_figures_of_networks_that_have_changed_are_set_aside(run):
    acdm.evaluate(Run(run), run.parent / "toy")
    figures = (run / "results.json").read_bytes()
    resume(run, options={"steps": 6})
    assert not (run / "results.json").exists()
    assert (run / "before/results.json").read_bytes() == figures
    assert (run / "before/gallery").is_dir()
