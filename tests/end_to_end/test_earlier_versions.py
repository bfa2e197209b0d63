"""A run that was finished when there were fewer maps: a sentence, and what is missing is made without training."""

import json
import shutil

import numpy as np
import pytest
import torch

import acdm
from acdm.cli.app import main
from acdm.cli.info import about
from acdm.core.config import DEFAULT_MAP
from acdm.core.run import Run
from acdm.errors import RunError
from acdm.method.compose import compose


@pytest.fixture
def earlier(run, tmp_path):
    """The run as a version without the default map would have left it."""
    folder = tmp_path / "earlier"
    shutil.copytree(run, folder)
    path = folder / "calibration.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != DEFAULT_MAP}))
    results = json.loads((folder / "results.json").read_text())
    del results["maps"][DEFAULT_MAP]
    (folder / "results.json").write_text(json.dumps(results | {"default_map": "residual"}))
    for file in (folder / "gallery").glob("*.npz"):
        arrays = {k: v for k, v in np.load(file).items() if not k.endswith(DEFAULT_MAP)}
        np.savez(file, **arrays)
    return folder


def test_a_run_from_before_an_option_goes_on_as_it_began(earlier):
    config = earlier / "config.yaml"
    kept = [line for line in config.read_text().splitlines() if line.split(":")[0].strip() not in ("real", "invention")]
    config.write_text("\n".join(kept))
    assert (Run(earlier).config().real, Run(earlier).config().loss.invention) == (0, 1)


@pytest.mark.parametrize("command", ["map", "segment", "ui", "evaluate"])
def test_what_needs_the_missing_map_says_so(command, earlier, toy, tmp_path, capsys):
    more = {"evaluate": [str(toy)], "ui": []}.get(command, [str(toy / "test"), "-o", str(tmp_path / "out")])
    assert main([command, str(earlier), *more]) == 2
    said = capsys.readouterr().err
    assert "--resume" in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_it_is_shown_with_the_maps_it_has(earlier, capsys):
    assert main(["report", str(earlier)]) == 0
    assert "scores" not in capsys.readouterr().err
    assert about(Run.open(earlier))["ready"] is False


def test_resumed_it_is_calibrated_and_not_trained(earlier, run, toy, capsys):
    known = json.loads((run / "calibration.json").read_text())
    before = {path: path.stat().st_mtime_ns for path in (earlier / "checkpoints").iterdir()}
    assert main(["train", str(toy), "-o", str(earlier), "--resume"]) == 0
    assert "trained already" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in (earlier / "checkpoints").iterdir()} == before
    assert json.loads((earlier / "calibration.json").read_text()).keys() == known.keys()
    assert acdm.load(earlier).origin == acdm.load(run).origin


def test_maps_of_another_calibration_are_not_taken_for_done(run, toy, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(run, other)
    out = [str(toy / "test" / "with"), "-o", str(tmp_path / "out"), "--label", "with"]
    assert main(["map", str(other), *out]) == 0
    written = (tmp_path / "out").glob("*/overlay.png")
    first = {path: path.stat().st_mtime_ns for path in written}
    path = other / "calibration.json"
    content = json.loads(path.read_text())
    content[DEFAULT_MAP]["threshold"] *= 2
    path.write_text(json.dumps(content))
    assert main(["map", str(other), *out]) == 0
    assert all(path.stat().st_mtime_ns > before for path, before in first.items())


def test_without_its_judge_a_run_is_not_finished(run, toy, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    (folder / "judge.safetensors").unlink()
    assert main(["map", str(folder), str(toy / "test"), "-o", str(tmp_path / "out"), "--label", "with"]) == 2
    assert "no judge" in capsys.readouterr().err
    with pytest.raises(RunError, match="no judge"):
        acdm.load(folder).require_ready(None)


def test_maps_are_the_same_in_inference_mode(run):
    model = acdm.load(run)
    x = torch.rand(1, 1, 16, 16).numpy() * 2 - 1
    outside = model.decompose(x[0], "with")
    with torch.inference_mode():
        inside = model.decompose(x[0], "with")
    torch.testing.assert_close(inside.evidence, outside.evidence)
    torch.testing.assert_close(compose(inside.psi[None]), compose(outside.psi[None]))
