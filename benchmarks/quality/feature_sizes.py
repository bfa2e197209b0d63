"""What the input size of the features costs and gives: speed of `object` beside its AUPRC.

    OMP_NUM_THREADS=1 python benchmarks/quality/feature_sizes.py RUN DATA [SIDE …]

The segmenter of a run in two classes is taught anew on features of images of each side, a multiple of 16 px, by the
same lessons, seed and steps.  Prints AUPRC of each part of the test set, and images a second with and without the run's
mirror views, by turns, best of three.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from ceiling import figures, opened
from torch import Tensor, nn

from acdm.maps.decomposer import Decomposer
from acdm.maps.features import CHANNELS, SIDE, Features
from acdm.training.segmenter import choose_teacher, lessons, teach

SIDES = (96, 128, 160, 224, 288)
TIMED = 32  # images


class Scaled(nn.Module):
    """The same features of images that are scaled to another side."""

    channels = CHANNELS

    def __init__(self, features: Features, side: int) -> None:
        super().__init__()
        self.features, self.side, self.origin = features, side, features.origin

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.features(x, self.side)


def rate(model: Decomposer, x: Tensor) -> float:
    """Images a second."""
    began = time.perf_counter()
    model.objects(x)
    return len(x) / (time.perf_counter() - began)


def main(path: Path, data: Path, sides: list[int]) -> None:
    model, config, dataset, images, truths = opened(path, data)
    features, (x, y) = Features.installed(), images.train
    assert features is not None, "the package of the features is not installed"
    teacher, _ = choose_teacher(model, features, (x, y), images.validation, config.seed)
    learned = lessons(teacher, x, y)
    print(f"| side | {' | '.join(f'AUPRC, {split}' for split in truths)} | images a second | without mirror views |")
    print("| --- " * (len(truths) + 3) + "|", flush=True)
    for side in sides:
        seen = features if side == SIDE else Scaled(features, side)
        taught = replace(model, segmenter=teach(learned, config, seen, learned.most))  # type: ignore[arg-type]
        found = [f.auprc for f in figures(taught, truths, dataset, images.train).values()]
        plain = replace(taught, mirrors=((),))
        rates = torch.tensor([[rate(taught, x[:TIMED]), rate(plain, x[:TIMED])] for _ in range(3)]).amax(dim=0)
        told = [f"{value:.3f}" for value in found] + [f"{value:.0f}" for value in rates.tolist()]
        print(f"| {side} | {' | '.join(told)} |", flush=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]), [int(side) for side in sys.argv[3:]] or list(SIDES))
