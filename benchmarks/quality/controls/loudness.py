"""How loud are a run's maps?

    python benchmarks/quality/controls/loudness.py RUN DATA [all|dev|final]

Mean absolute value of each map over the test images, and over those of each class, at network size.  A run on permuted
labels should have next to nothing to say.
"""

import sys
from pathlib import Path

import torch

import acdm
from acdm.data.folder import load_dataset
from acdm.data.images.frame import squares
from acdm.evaluation.truth import read_truth


def main(run: Path, data: Path, split: str = "all") -> None:
    model = acdm.load(run)
    truth = read_truth(load_dataset([data]), split)
    x = squares(truth.images, model.size)
    y = torch.tensor([model.index(item.label) for item in truth.items])
    for name, drawn in model.maps(x, y).items():
        of_each = [f"{label} {float(drawn[y == k].abs().mean()):.5f}" for k, label in enumerate(model.classes)]
        print(f"{name}: {float(drawn.abs().mean()):.5f}; {', '.join(of_each)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
