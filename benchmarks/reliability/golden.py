"""Checksums of weights and maps of short trainings: equal before and after a change that must change no behaviour.

    python benchmarks/reliability/golden.py OUT            train three short runs into OUT and print their checksums
    python benchmarks/reliability/golden.py OUT --again    map with the runs that are in OUT already

Figures hold on one machine alone: another processor adds up in another order.
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

import acdm

RUNS = {
    "two branches": ("1", ["--branches", "2"]),
    "five branches": ("2", ["--branches", "5"]),
    "colour": ("tint", ["--branches", "2", "--precision", "bf16"]),
}
OPTIONS = ["--size", "32", "--steps", "20", "--device", "cpu", "--seed", "3", "--network.width", "8"]
MAPS = ("psi1", "contrast", "residual", "evidence")


def checksums(out: Path, again: bool) -> dict[str, dict[str, str]]:
    """SHA-256 of the newest checkpoint's tensors and of the maps of four test images, for each run."""
    found = {}
    for name, (toy, options) in RUNS.items():
        folder = out / name.replace(" ", "-")
        precision = [] if "--precision" in options else ["--precision", "fp32"]
        if not again:
            _do("toy", str(folder / "data"), "--set", toy, "--size", "32", "--train", "60", "--test", "12")
            _do("train", str(folder / "data"), "-o", str(folder / "run"), *OPTIONS, *options, *precision)
        found[name] = {"weights": _weights(folder / "run"), "maps": _maps(folder)}
    return found


def _do(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "acdm", *arguments], check=True, stdout=subprocess.DEVNULL)


def _weights(run: Path) -> str:
    """Of values alone: what a tensor is called may change."""
    tensors = load_file(run / "checkpoints" / "step-20.safetensors")
    return hashlib.sha256("".join(sorted(_digest([tensor]) for tensor in tensors.values())).encode()).hexdigest()[:16]


def _maps(folder: Path) -> str:
    model = acdm.load(folder / "run")
    maps = []
    for images in sorted((folder / "data" / "test").iterdir()):
        if images.name in model.classes:
            for path in sorted(images.glob("*.png"))[:2]:
                d = model.decompose(path, images.name)
                maps += [getattr(d, name).numpy() for name in MAPS]
    return _digest(maps)


def _digest(arrays: list[np.ndarray]) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()[:16]


if __name__ == "__main__":
    print(json.dumps(checksums(Path(sys.argv[1]), "--again" in sys.argv), indent=1))
