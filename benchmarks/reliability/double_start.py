"""Two trainings started at once in one folder: exactly one runs, the other says who holds it and exits with 13.

    python benchmarks/reliability/double_start.py [COUNT]

The winner is killed after each trial, and the folder must be free again.
"""

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from acdm.core.run import lock
from acdm.data.sets.synthetic import write_synthetic

OPTIONS = ["--size=16", "--steps=100000", "--branches=2", "--network.width=4", "--network.discriminator-width=4"]


def trial(toy: Path, run: Path) -> str:
    command = [sys.executable, "-m", "acdm", "train", str(toy), "-o", str(run), *OPTIONS]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    while all(process.poll() is None for process in both):
        time.sleep(0.02)
    ended = [process for process in both if process.poll() is not None]
    time.sleep(0.5)
    running = [process for process in both if process.poll() is None]
    for process in running:
        process.kill()
    said = ended[0].communicate()[1]
    for process in running:
        process.communicate()
    if len(running) != 1:
        return f"{len(running)} ran"
    with lock(run):
        pass  # raises RunLockedError when a dead process still holds it
    if ended[0].returncode == 13 and "in use by process" in said:
        return "one ran, the other exited with 13"
    return f"one ran, the other exited with {ended[0].returncode}: {said[-200:]}"


def main(count: int = 50) -> None:
    with TemporaryDirectory() as name:
        write_synthetic(Path(name) / "toy", "1", 16, train=40, test=8, seed=0)
        results = [trial(Path(name) / "toy", Path(name) / f"run-{number}") for number in range(count)]
    for result in sorted(set(results)):
        print(f"{results.count(result):3} {result}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
