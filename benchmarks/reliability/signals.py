"""SIGTERM and SIGINT, sent to the whole process group at any moment of a training: saved, soon, with the right code.

    python benchmarks/reliability/signals.py [COUNT]

Half of the trainings get each.  Prints how many saved and the longest time from the signal to the end.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from acdm.core.tensors import checkpoints, read_tensors
from acdm.data.sets.synthetic import write_synthetic

OPTIONS = ["--size=16", "--steps=100000", "--branches=2", "--network.width=4", "--network.discriminator-width=4"]
CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}


def trial(number: int, toy: Path, run: Path, rng: np.random.Generator) -> tuple[bool, float]:
    """Whether a signalled training ended as promised, and seconds from the signal to the end."""
    command = [sys.executable, "-m", "acdm", "train", str(toy), "-o", str(run), *OPTIONS]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while process.poll() is None and not (run / "metrics.csv").exists():
        time.sleep(0.01)
    time.sleep(float(rng.uniform(0, 1)))
    sent = list(CODES)[number % 2]
    began = time.perf_counter()
    os.killpg(process.pid, sent)
    _, said = process.communicate()
    seconds = time.perf_counter() - began
    saved = checkpoints(run / "checkpoints")
    sound = bool(saved) and bool(read_tensors(saved[-1], "training"))
    return process.returncode == CODES[sent] and sound and "--resume" in said and "Traceback" not in said, seconds


def main(count: int = 20) -> None:
    rng = np.random.default_rng(0)
    with TemporaryDirectory() as name:
        write_synthetic(Path(name) / "toy", "1", 16, train=40, test=8, seed=0)
        results = [trial(n, Path(name) / "toy", Path(name) / f"run-{n}", rng) for n in range(count)]
    print(f"{sum(good for good, _ in results)} of {count} saved; the longest took {max(s for _, s in results):.1f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
