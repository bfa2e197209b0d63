"""SIGKILL never loses a run: killed at so many instants and resumed, it ends with the weights of an uninterrupted one.

    python benchmarks/reliability/kills.py [COUNT]

Half of the instants are random; half are fault points within the writer: in the middle of a write, before fsync, before
and after the replacement, and while old checkpoints are dropped.  Prints how many resumed to the same weights.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

POINTS = ("write", "fsync", "replace", "replaced", "unlink")
OPTIONS = [
    "--size", "16", "--steps", "40", "--branches", "2", "--precision", "fp32", "--network.width", "4",
    "--network.max-width", "8", "--network.discriminator-width", "4", "--network.discriminator-max-width", "8",
]  # fmt: skip
OFTEN = "ablation: {choose: false}\nsave_every: 2\nsample_every: 1000\nvalidate_every: 10\n"


def child(point: str, nth: int, arguments: list[str]) -> None:
    """Train in this process, which kills itself at the nth passage of a point; judge and calibration are left out."""
    import torch

    from acdm.cli.app import main
    from acdm.core import files
    from acdm.training import train as training

    torch.set_num_threads(1)
    training._finish = lambda session: None
    passed = [0]

    def due(at: str) -> bool:
        passed[0] += at == point
        return at == point and passed[0] == nth

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    opened, fsync, replace, unlink = Path.open, os.fsync, Path.replace, Path.unlink

    def open_(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        file = opened(self, *args, **kwargs)
        if args[:1] == ("wb",) and due("write"):
            file.write(b"half of a file")
            file.flush()
            die()
        return file

    def fsync_(descriptor):  # type: ignore[no-untyped-def]
        if due("fsync"):
            die()
        fsync(descriptor)

    def replace_(self, target):  # type: ignore[no-untyped-def]
        if due("replace"):
            die()
        replace(self, target)
        if due("replaced"):
            die()

    def unlink_(self, **kwargs):  # type: ignore[no-untyped-def]
        if self.suffix == ".safetensors" and due("unlink"):
            die()
        unlink(self, **kwargs)

    Path.open, files.os.fsync, Path.replace, Path.unlink = open_, fsync_, replace_, unlink_
    sys.exit(main(arguments))


def train(toy: Path, run: Path, config: Path, *more: str, point: str = "-", nth: int = 0) -> subprocess.Popen[bytes]:
    arguments = ["train", str(toy), "-o", str(run), *OPTIONS, "--config", str(config), *more]
    command = [sys.executable, __file__, "child", point, str(nth), *arguments]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def weights(run: Path) -> bytes:
    return (run / "checkpoints" / "step-40.safetensors").read_bytes()


def trial(number: int, toy: Path, folder: Path, config: Path, seconds: float, rng: np.random.Generator) -> str:
    """Kill once, then resume until it is done; what came of it."""
    run = folder / f"run-{number}"
    point = POINTS[number // 2 % len(POINTS)] if number % 2 else "a random instant"
    process = train(toy, run, config, point=point, nth=int(rng.integers(1, 25 if point != "unlink" else 15)))
    if number % 2 == 0:
        time.sleep(rng.uniform(0.3, 1) * seconds)
        process.kill()
    killed = process.wait() == -signal.SIGKILL
    begun = (run / "env.json").is_file()
    if not begun:  # not even a run folder: nothing was lost, and the same command begins
        for path in sorted(run.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
    code = train(toy, run, config, *(["--resume"] if begun else [])).wait()
    if code:
        return f"{point}: exit code {code}"
    same = weights(run) == weights(folder / "whole")
    return f"{point}: {'killed' if killed else 'had ended'}, {'the same weights' if same else 'OTHER WEIGHTS'}"


def main(count: int = 50) -> None:
    from acdm.data.sets.synthetic import write_synthetic

    rng, counts = np.random.default_rng(0), Counter[str]()
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "often.yaml").write_text(OFTEN)
        write_synthetic(folder / "toy", "1", 16, train=40, test=8, seed=0)
        began = time.perf_counter()
        if train(folder / "toy", folder / "whole", folder / "often.yaml").wait():
            sys.exit("the uninterrupted training failed")
        seconds = time.perf_counter() - began
        for number in range(count):
            counts[trial(number, folder / "toy", folder, folder / "often.yaml", seconds, rng)] += 1
    for result, number in sorted(counts.items()):
        print(f"{number:3} {result}")
    print(f"{sum(n for r, n in counts.items() if 'the same weights' in r)} of {count} resumed to the same weights")


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], int(sys.argv[3]), sys.argv[4:])
    else:
        main(*map(int, sys.argv[1:]))
