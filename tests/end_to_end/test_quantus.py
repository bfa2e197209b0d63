"""Quantus takes acdm's maps, and its measures agree with ours."""

import subprocess
import sys

import numpy as np
import pytest
from extras import installed

from acdm.evaluation.metrics import pointing_game, relevance_mass

quantus = installed("quantus")
pytestmark = pytest.mark.skipif(quantus is None, reason="quantus is not installed")


def test_the_example_prints_three_measures(toy, run):
    images = sorted((toy / "test" / "with").glob("*.png"))[:2]
    command = [sys.executable, "-W", "ignore", "examples/quantus_metrics.py", run, *images]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    sparseness, change, curve = done.stdout.splitlines()
    for line in (sparseness, change):
        assert len([float(v) for v in line.split(": [")[1].strip("]").split(",")]) == 2
    falling = [float(v) for v in curve.split(": [")[1].strip("]").split(",")]
    assert len(falling) == 16
    assert all(0 <= v <= 1 for v in falling)


def test_its_pointing_game_and_mass_are_ours(rng):
    scores, masks = rng.random((8, 1, 12, 12)), rng.random((8, 1, 12, 12)) > 0.7
    about = {"model": None, "x_batch": scores, "y_batch": np.zeros(8, int), "a_batch": scores, "s_batch": masks}
    options = {"abs": False, "normalise": False, "disable_warnings": True}
    ours = pointing_game(scores[:, 0], masks[:, 0]), relevance_mass(scores[:, 0], masks[:, 0])
    theirs = quantus.PointingGame(**options)(**about), quantus.RelevanceMassAccuracy(**options)(**about)
    assert ours == pytest.approx([np.mean(values) for values in theirs])
