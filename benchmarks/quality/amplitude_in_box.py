"""Share of branch 1's absolute amplitude within the dark shape's bounding box: toy set 2.

    python benchmarks/quality/amplitude_in_box.py RUN TOY

Prints the share, pooled over all test images and for each class, and beside it the share of the area.
"""

import json
import sys
from pathlib import Path

import numpy as np

import acdm
from acdm.data.folder import load_dataset

MARGIN = 2  # pixels around the box


def main(run: Path, toy: Path) -> None:
    model = acdm.load(run)
    boxes = json.loads((toy / "toy.json").read_text())["test_boxes"]
    sums = {name: np.zeros(4) for name in model.classes}  # amplitude inside and in all, area inside and in all
    for item in load_dataset([toy]).test:
        psi1 = model.decompose(item.path, item.label).psi1.abs().sum(dim=0).numpy()  # (H, W)
        top, bottom, left, right = boxes[item.path.name]
        rows, columns = (
            slice(max(0, top - MARGIN), bottom + MARGIN + 1),
            slice(max(0, left - MARGIN), right + MARGIN + 1),
        )
        inside = psi1[rows, columns]
        sums[item.label] += inside.sum(), psi1.sum(), inside.size, psi1.size
    for name, values in [("all", sum(sums.values())), *sums.items()]:
        print(f"{name}: {values[0] / values[1]:.3f} of the amplitude in {values[2] / values[3]:.3f} of the area")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
