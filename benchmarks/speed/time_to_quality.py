"""Training time until branch 1 holds the object: toy set 1, 64 px, psi1 best IoU >= .90 and PSNR >= 30 dB.

    python benchmarks/speed/time_to_quality.py ours --seeds 0 1 2 --steps 700
    python benchmarks/speed/time_to_quality.py reference --seeds 0 1 2 --steps 1300

The clock counts training with its batches, not evaluations.  Reached means: the first of two evaluations in a row, on
200 test images, the averaged networks, own class.  `--steps` is the planned length, over which the rate falls.
"""

import argparse
import time
from collections.abc import Iterator
from statistics import median

import numpy as np
import torch
from plain_trainer import BATCH, LESSONS, NETWORK, WARMUP, Reference
from torch import Tensor

from acdm.core.config import Config
from acdm.core.device import flush_denormals
from acdm.core.memory import keep_memory
from acdm.data.batches import Batches, mix
from acdm.data.images.statistics import psnr
from acdm.data.sets.toy import draw
from acdm.evaluation.metrics import best_iou
from acdm.maps.calibration import score
from acdm.method.compose import compose, distinction
from acdm.method.players import assemble
from acdm.training.defaults import resolve
from acdm.training.loop import train_steps
from acdm.training.schedule import rate

TRAIN, TEST, IOU, PSNR = 4000, 200, 0.90, 30.0
N = 5  # branches of the reference: the settings that it is frozen at


def toy_images(seed: int) -> tuple[Tensor, Tensor, np.ndarray]:
    """Images (n, 1, 64, 64), classes (n,), masks (n, 64, 64); training images first, then test images."""
    rng = np.random.default_rng(seed)
    drawn = [draw("1", number % 2, 64, rng) for number in range(TRAIN + TEST)]
    pixels = torch.from_numpy(np.stack([image.pixels for image in drawn]))[:, None]
    return pixels, torch.arange(len(drawn)) % 2, np.stack([image.mask for image in drawn])


def ours(config: Config, batches: Batches) -> Iterator[torch.nn.Module]:
    """The averaged networks after each step."""
    players = assemble(config, 1, 2, torch.device(config.device))
    for _ in train_steps(players, batches, config, config.steps):
        yield players.average


def reference(config: Config, batches: Batches) -> Iterator[torch.nn.Module]:
    start = assemble(config, 1, 2, torch.device("cpu"))
    plain = Reference(start.branches.state_dict(), start.discriminator.state_dict(), N, 1, 2)
    for index in range(config.steps):
        _, drawn, classes = batches.at(index)
        (x, real), (y, right) = ((t[:BATCH], t[BATCH:]) for t in (drawn, classes))
        alpha = torch.rand(N - 1, generator=torch.Generator().manual_seed(mix(config.seed, 0, index)))
        share = rate(index, config.steps, config.optimiser)
        plain.step((x, y, 1 - y), (real, right, 1 - right), alpha, index, share)
        yield plain.average


@torch.no_grad()
def quality(network: torch.nn.Module, x: Tensor, y: Tensor, masks: np.ndarray) -> tuple[float, float]:
    """psi1 best IoU on images with the object, mean PSNR on all."""
    parts = []
    for image, label in zip(x.split(20), y.split(20), strict=True):
        out = network(image, label)
        parts.append(out[0] if isinstance(out, tuple) else out)
    psi = torch.cat(parts)
    positive = (y == 1).numpy()
    return best_iou(score(distinction(psi)[positive], "positive"), masks[positive])[0], float(
        psnr(x, compose(psi)).mean()
    )


def time_to_quality(which: str, seed: int, steps: int, every: int) -> float:
    """Seconds of training; infinite where the quality is not reached."""
    options = {"seed": seed, "steps": steps, "augment": {"flip_horizontal": True}}
    if which == "reference":
        options |= {
            "batch": BATCH,
            "lessons": LESSONS,
            "network": {**NETWORK, "branches": N},
            "optimiser": {"warmup": WARMUP},
        }
    config = resolve(Config.of(options))
    x, y, masks = toy_images(seed)
    batches = Batches(x[:TRAIN], y[:TRAIN], config.drawn, config.augment, seed)
    spent, reached, began = 0.0, None, time.perf_counter()
    for done, network in enumerate({"ours": ours, "reference": reference}[which](config, batches), start=1):
        if done % every and done != steps:
            continue
        spent += time.perf_counter() - began
        iou, decibel = quality(network, x[TRAIN:], y[TRAIN:], masks[TRAIN:])
        print(f"{which} seed {seed} step {done}/{steps} {spent:.0f} s: IoU {iou:.3f}, {decibel:.1f} dB", flush=True)
        good = iou >= IOU and decibel >= PSNR
        if good and reached is not None:
            return reached
        reached = spent if good else None
        began = time.perf_counter()
    return float("inf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", choices=["ours", "reference"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--every", type=int, default=25)
    a = parser.parse_args()
    keep_memory()
    flush_denormals()
    times = [time_to_quality(a.which, seed, a.steps, a.every) for seed in a.seeds]
    print(f"{a.which}: {', '.join(f'{t:.0f}' for t in times)} s; median {median(times):.0f} s")


if __name__ == "__main__":
    main()
