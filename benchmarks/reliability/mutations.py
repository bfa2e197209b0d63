"""Damaged checkpoints: each is refused with a CheckpointError or says what it said before, soon.

    python benchmarks/reliability/mutations.py [COUNT] [SEED]

Also cuts the file at every kilobyte.  Prints how often which came of it; the last line is what must be 0.
"""

import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from acdm.core.config import Config
from acdm.core.tensors import read_tensors
from acdm.errors import CheckpointError
from acdm.method.players import assemble
from acdm.training.checkpoints import save_players

SLOW = 1.0  # seconds
BAD = ("crashed", "loaded silently", "slow")
SMALL = {"branches": 2, "width": 4, "max_width": 4, "downs": 1, "discriminator_width": 4, "discriminator_max_width": 4}


def checkpoint(folder: Path) -> Path:
    """A small but whole one."""
    config = Config.of({"size": 16, "network": SMALL})
    return save_players(folder, assemble(config, 1, 2, torch.device("cpu")), 1)


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """A copy that differs: bits, bytes, blocks, lengths, and the header most of all."""
    data = bytearray(content)
    header = 8 + int.from_bytes(content[:8], "little")
    limit = header if rng.random() < 0.5 else len(data)
    place, length = int(rng.integers(limit)), int(rng.integers(1, 64))
    match rng.integers(7):
        case 0:
            data[place] ^= 1 << int(rng.integers(8))
        case 1:
            data[place : place + length] = rng.bytes(len(data[place : place + length]))
        case 2:
            del data[place : place + length]
        case 3:
            data[place:place] = rng.bytes(length)
        case 4:
            data[place : place + length] = bytes(len(data[place : place + length]))
        case 5:
            data = data[: max(1, place)]
        case 6:
            data[:8] = int(rng.integers(2**63)).to_bytes(8, "little")
    return bytes(data)


def outcome(path: Path, content: bytes, whole: dict[str, torch.Tensor]) -> str:
    """What comes of loading a file with that content."""
    path.write_bytes(content)
    began = time.perf_counter()
    try:
        tensors, _ = read_tensors(path, "training")
    except CheckpointError:
        result = "refused"
    except Exception as error:  # whatever it is, it is the finding
        result = f"crashed: {type(error).__name__}: {error}"
    else:
        same = tensors.keys() == whole.keys() and all(torch.equal(tensors[name], whole[name]) for name in whole)
        result = "the same" if same else "loaded silently"
    return "slow" if time.perf_counter() - began > SLOW else result


def main(count: int = 20_000, seed: int = 0) -> None:
    rng, counts = np.random.default_rng(seed), Counter[str]()
    with TemporaryDirectory() as folder:
        path = checkpoint(Path(folder))
        content, (whole, _) = path.read_bytes(), read_tensors(path, "training")
        for _ in range(count):
            counts[outcome(path, mutated(content, rng), whole)] += 1
        for end in range(0, len(content), 1024):
            counts[f"cut short: {outcome(path, content[:end], whole)}"] += 1
    for result, number in counts.most_common():
        print(f"{number:6} {result}")
    print(f"{sum(n for result, n in counts.items() if any(bad in result for bad in BAD)):6} that must not be")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
