"""Mapping on Dask: the same files as without, and a worker that is killed costs nothing."""

import csv
import os
import signal
import threading
import time

import numpy as np
import pytest
from end_to_end.small import SMALL
from extras import installed
from PIL import Image

import acdm
from acdm import scale
from acdm.cli import main
from acdm.maps import map_folder

pytestmark = pytest.mark.skipif(installed("distributed") is None, reason="needs the scale extra")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small run, and forty images of which two are none."""
    folder = tmp_path_factory.mktemp("scale")
    assert main(["toy", str(folder / "toy"), "--size", "16", "--train", "40", "--test", "12"]) == 0
    assert main(["train", str(folder / "toy"), "-o", str(folder / "run"), *SMALL, "--steps", "4"]) == 0
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    for number in range(40):
        Image.fromarray(rng.integers(0, 256, (16, 16), np.uint8)).save(folder / f"images/{number:02d}.png")
    for number in (3, 30):
        (folder / f"images/{number:02d}.png").write_text("no image")
    return folder


def test_a_killed_worker_costs_nothing(made, tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "PART", 4)
    out = tmp_path / "maps"

    def kill_one():
        """The first child that has begun to write."""
        while not out.exists() or not list(out.glob("*.png")):
            time.sleep(0.01)
        import psutil

        workers = [p for p in psutil.Process().children(recursive=True) if "spawn_main" in " ".join(p.cmdline())]
        os.kill(workers[0].pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    outcomes = list(scale.map_on_dask(made / "run", made / "images", out, "with", workers=2))
    killer.join()
    assert sorted(o.file for o in outcomes) == [f"{number:02d}.png" for number in range(40)]
    assert sorted(o.file for o in outcomes if o.reason) == ["03.png", "30.png"]
    list(map_folder(acdm.load(made / "run"), made / "images", tmp_path / "alone", "with"))
    for number in set(range(40)) - {3, 30}:
        one, two = (np.load(folder / f"{number:02d}.png/psi.npy") for folder in (out, tmp_path / "alone"))
        np.testing.assert_allclose(one, two, atol=1e-5)
    assert not list(out.rglob(".*.part"))
    with (out / "maps.csv").open(newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == [f"{number:02d}.png" for number in range(40)]
    before = (out / "00.png/psi.npy").stat().st_mtime_ns
    assert main(["map", str(made / "run"), str(made / "images"), "-o", str(out), "--label", "with"]) == 3
    assert (out / "00.png/psi.npy").stat().st_mtime_ns == before, "either engine goes on with what the other did"
