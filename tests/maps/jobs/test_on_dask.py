"""Mapping on Dask: the same files as without, and a worker that is killed costs nothing."""

import csv
import io
import os
import signal
import threading
import time

import numpy as np
import pytest
from archives import members
from extras import installed

import acdm
from acdm.cli.app import main
from acdm.maps.jobs import on_dask
from acdm.maps.jobs.folders import map_folder
from acdm.maps.jobs.shards import map_shards
from acdm.maps.jobs.worklist import MapOptions, find_images

pytestmark = pytest.mark.skipif(installed("distributed") is None, reason="needs the scale extra")


def test_a_killed_worker_costs_nothing(forty, tmp_path, monkeypatch):
    monkeypatch.setattr(on_dask, "PART", 4)
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
    outcomes = list(
        on_dask.map_on_dask(forty / "run", find_images(forty / "images"), out, MapOptions(label="with"), workers=2)
    )
    killer.join()
    assert sorted(o.file for o in outcomes) == [f"{number:02d}.png" for number in range(40)]
    assert sorted(o.file for o in outcomes if o.reason) == ["03.png", "30.png"]
    list(
        map_folder(
            acdm.load(forty / "run"), find_images(forty / "images"), tmp_path / "alone", MapOptions(label="with")
        )
    )
    for number in set(range(40)) - {3, 30}:
        one, two = (np.load(folder / f"{number:02d}.png/psi.npy") for folder in (out, tmp_path / "alone"))
        np.testing.assert_allclose(one, two, atol=1e-5)
    assert not list(out.rglob(".*.part"))
    with (out / "maps.csv").open(newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == [f"{number:02d}.png" for number in range(40)]
    before = (out / "00.png/psi.npy").stat().st_mtime_ns
    assert main(["map", str(forty / "run"), str(forty / "images"), "-o", str(out), "--label", "with"]) == 3
    assert (out / "00.png/psi.npy").stat().st_mtime_ns == before, "either engine goes on with what the other did"


def test_shards_are_the_same_whoever_writes_them(forty, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    local = list(map_shards(acdm.load(forty / "run"), find_images(forty / "images"), here, "with", 16))
    spread = list(on_dask.shards_on_dask(forty / "run", find_images(forty / "images"), there, "with", 16, workers=2))
    assert sorted(spread, key=lambda outcome: outcome.file) == local
    for number in range(3):
        one, two = (members(folder / f"shard-{number:05d}.tar") for folder in (here, there))
        assert list(one) == list(two)
        for name in one:
            if name.endswith(".npy"):
                a, b = (np.load(io.BytesIO(held[name])).astype(float) for held in (one, two))
                np.testing.assert_allclose(a, b, atol=2e-3)
    assert list(on_dask.shards_on_dask(forty / "run", find_images(forty / "images"), here, "with", 16)) == local, (
        "nothing is left to do"
    )
