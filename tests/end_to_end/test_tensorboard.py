"""Curves for TensorBoard, read back by TensorBoard."""

import csv

import pytest
from extras import installed
from small import SMALL

from acdm.cli.app import main
from acdm.training.tensorboard import TensorBoard

pytestmark = pytest.mark.skipif(installed("tensorboard") is None, reason="tensorboard is not installed")


def curves(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    seen = EventAccumulator(str(folder)).Reload()
    return {name: {e.step: e.value for e in seen.Scalars(name)} for name in seen.Tags()["scalars"]}


def test_they_are_those_of_the_record_after_a_resume_too(toy, tmp_path):
    run, more = tmp_path / "run", ["--config", str(tmp_path / "often.yaml")]
    (tmp_path / "often.yaml").write_text("validate_every: 10\nsave_every: 10\n")
    assert main(["train", str(toy), "-o", str(run), *SMALL, *more, "--steps", "30"]) == 0
    for step in (20, 30):  # as if it had been cut off after 10
        (run / "checkpoints" / f"step-{step}.safetensors").unlink(missing_ok=True)
    assert main(["train", str(toy), "-o", str(run), *SMALL, *more, "--steps", "30", "--resume"]) == 0
    rows = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
    drawn = curves(run / "tensorboard")
    assert {"psnr", "rec", "adv", "discriminator"} <= set(drawn)
    for name, curve in drawn.items():
        record = {int(row["step"]): float(row[name]) for row in rows if row[name]}
        assert curve == pytest.approx(record, rel=1e-3), name


def test_a_disk_that_refuses_ends_the_curves_and_nothing_else(tmp_path):
    (tmp_path / "board").write_text("in the way")
    said = []
    board = TensorBoard(tmp_path / "board", said.append)
    board.add(1, {"psnr": 20.0})
    board.add(2, {"psnr": 21.0})
    board.close()
    assert len(said) == 1
    assert "metrics.csv goes on" in said[0]


def test_a_disk_that_fills_up_ends_the_curves_and_nothing_else(tmp_path, monkeypatch):
    said = []
    board = TensorBoard(tmp_path / "board", said.append)
    board.add(1, {"psnr": 20.0})

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    for name in ("add_scalar", "flush", "close"):
        monkeypatch.setattr(board._writer, name, full)
    board.add(2, {"psnr": 21.0})
    board.close()
    assert len(said) == 1
