"""One training as several processes (gloo): the same weights, whatever their number."""

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
import torch
from small import SMALL

from acdm.core.tensors import read_tensors

# eq. (7) pools over the images it sees at once
PARTS = "accumulate: 2\nsave_every: 10\nvalidate_every: 10\nablation: {choose: false}\n"


def command(toy, run, config, *options):
    return [sys.executable, "-m", "acdm", "train", str(toy), "-o", str(run), *SMALL, "--config", str(config), *options]


def weights(run, step):
    return read_tensors(run / f"checkpoints/step-{step}.safetensors", "training")[0]


def assert_close(one, two):
    """But for biases that an instance norm takes away, or that cancel in pairs: Adam makes steps of their rounding."""
    assert one.keys() == two.keys()
    compared = 0
    for name in one:
        idle = name.endswith(".bias") and ("encoder" in name or "decoder" in name) and "head" not in name
        moments = name.startswith(("generator_optimiser", "discriminator_optimiser"))  # go by number
        if not idle and not moments and name != "discriminator.head.bias":
            torch.testing.assert_close(one[name], two[name], atol=1e-6, rtol=1e-5, msg=name)
            compared += one[name].numel()
    assert compared > 0.9 * sum(t.numel() for name, t in one.items() if "optimiser" not in name)


@pytest.fixture(scope="module")
def alone(toy, tmp_path_factory):
    """Twenty steps by one process."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "parts.yaml").write_text(PARTS)
    (folder / "shares.yaml").write_text(PARTS.replace("accumulate: 2", "accumulate: 1"))
    subprocess.run(
        command(toy, folder / "run", folder / "parts.yaml", "--steps", "20"), check=True, capture_output=True
    )
    return folder


def test_two_processes_have_the_weights_of_one(toy, alone, tmp_path):
    done = subprocess.run(
        command(toy, tmp_path / "run", alone / "shares.yaml", "--steps", "20", "--devices", "2"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("finished") == 1, "one of them speaks"
    assert_close(weights(tmp_path / "run", 20), weights(alone / "run", 20))
    assert (tmp_path / "run/calibration.json").is_file()


def test_a_run_of_one_process_is_gone_on_with_by_two(toy, alone, tmp_path):
    shutil.copytree(alone / "run", tmp_path / "run")
    (tmp_path / "run/checkpoints/step-20.safetensors").unlink()
    options = ["--steps", "20", "--devices", "2", "--resume"]
    subprocess.run(command(toy, tmp_path / "run", alone / "shares.yaml", *options), check=True, capture_output=True)
    assert_close(weights(tmp_path / "run", 20), weights(alone / "run", 20))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_all_saves_once_and_ends_all(toy, alone, tmp_path, number, code):
    run = tmp_path / "run"
    process = subprocess.Popen(
        command(toy, run, alone / "shares.yaml", "--steps", "100000", "--devices", "2"),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=partial(signal.signal, number, signal.SIG_DFL),  # whatever the tests themselves are let ignore
    )
    while process.poll() is None and not (run / "metrics.csv").exists():
        time.sleep(0.02)
    os.killpg(process.pid, number)  # the launcher passes it on, once
    _, said = process.communicate(timeout=120)
    assert (process.returncode, said.count("--resume")) == (code, 2), said[-3000:]
    assert len(list((run / "checkpoints").iterdir())) >= 1
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--devices", "3"], "do not fall into"), (["--devices", "2", "--nodes", "2"], "set NODE_RANK")],
)
def test_what_cannot_be_shared_is_said(toy, alone, tmp_path, options, words):
    done = subprocess.run(
        command(toy, tmp_path / "run", alone / "shares.yaml", *options), capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
