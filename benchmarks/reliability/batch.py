"""A thousand images, one in twenty of them bad, mapped by a process that is killed again and again.

    python benchmarks/reliability/batch.py RUN [COUNT] [KILLS]

Prints the exit code of the last, undisturbed call, how many images have all their maps, how many reasons the CSV lists,
how many temporaries are left, and how many images were mapped more than once.
"""

import csv
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

import acdm
from acdm.core.config import MAPS

FILES = (*(f"{name}.npy" for name in MAPS), "psi.npy", "strip.png", "overlay.png", "counterfactual.png")
BAD = 20


def main(run: Path, count: int = 1000, kills: int = 10) -> None:
    rng, size = np.random.default_rng(0), acdm.load(run).size
    with TemporaryDirectory() as name:
        images, out = Path(name) / "images", Path(name) / "maps"
        images.mkdir()
        for number in range(count):
            file = images / f"{number:04d}.png"
            Image.fromarray(rng.integers(0, 256, (size, size), np.uint8)).save(file)
            if number % BAD == 0:
                file.write_bytes(file.read_bytes()[:200])
        command = [sys.executable, "-m", "acdm", "map", str(run), str(images), "-o", str(out)]
        for _ in range(kills):
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            before = len(list(out.glob("*"))) if out.exists() else 0
            while process.poll() is None and (len(list(out.glob("*"))) if out.exists() else 0) <= before:
                time.sleep(0.05)  # killed soon after it has begun to write
            time.sleep(float(rng.uniform(0, 3)))
            process.kill()
            process.wait()
        code = subprocess.run(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode
        with (out / "maps.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        whole = sum(all((out / row["file"] / f).is_file() for f in FILES) for row in rows if not row["reason"])
        done = [json.loads(line)[0] for line in (out / ".maps.csv.done").read_text().splitlines()[1:]]
        reasons = sum(bool(row["reason"]) for row in rows)
        print(f"exit code {code}; {whole} of {count} images have all maps; {reasons} reasons")
        print(f"{len(list(out.rglob('.*.part')))} temporaries left; {len(done) - len(set(done))} mapped more than once")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
