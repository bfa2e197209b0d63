"""Does what is mapped carry the class?

    python benchmarks/quality/controls/deletion.py RUN DATA [all|dev|final] [MAP]

In each test image of the positive class that the judge gets right, the pixels of the mask-free mask are replaced by the
counterfactual's; beside it the same shape moved to a random place (with the edges joined) is.  Counts of images whose
class the judge, trained apart, then takes for the other one.  The judge also weighs evidence, and so has a part in
object, which that may have taught; it has none in residual, contrast and psi1.
"""

import sys
from pathlib import Path

import numpy as np
import torch

import acdm
from acdm.core.config import DEFAULT_MAP
from acdm.data.folder import load_dataset
from acdm.data.images.frame import squares
from acdm.evaluation.truth import read_truth
from acdm.maps.decomposer import Decomposer

PLACES = 5  # random places tried for each image, each counted


def replaced(image: np.ndarray, counterfactual: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(C, H, W) with the pixels of `mask` (H, W) taken from the counterfactual, in [-1, 1]."""
    return np.where(mask, np.clip(counterfactual, -1, 1), image).astype(np.float32)


def moved(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same shape elsewhere: at least a quarter of the image away along one axis."""
    height, width = mask.shape
    down, right = rng.integers(height // 4, 3 * height // 4 + 1), rng.integers(0, width)
    if rng.integers(2):
        down, right = rng.integers(0, height), rng.integers(width // 4, 3 * width // 4 + 1)
    return np.roll(mask, (down, right), axis=(0, 1))


def count(model: Decomposer, images: list[np.ndarray], label: str, name: str) -> dict[str, int]:
    """How many images there are, are the judge's to flip, and flip."""
    rng, positive = np.random.default_rng(0), model.index(label)
    counts = {"images": len(images), "right": 0, "mapped": 0, "flipped": 0, "flipped, moved": 0}
    area = 0.0
    for image in images:
        if _decided(model, image) != positive:
            continue
        counts["right"] += 1
        d = model.decompose(image, label)
        mask = acdm.segment(d.maps()[name]).mask
        if not mask.any():
            continue
        counts["mapped"] += 1
        area += mask.mean()
        other = d.counterfactual.numpy()
        counts["flipped"] += _decided(model, replaced(image, other, mask)) != positive
        for _ in range(PLACES):
            counts["flipped, moved"] += _decided(model, replaced(image, other, moved(mask, rng))) != positive
    print(f"mapped area: {area / max(1, counts['mapped']):.3f} of an image")
    return counts


def _decided(model: Decomposer, image: np.ndarray) -> int:
    return model.classify(squares([image], model.size))[0]


def main(run: Path, data: Path, split: str = "all", name: str = DEFAULT_MAP) -> None:
    torch.manual_seed(0)
    model, dataset = acdm.load(run), load_dataset([data])
    truth = read_truth(dataset, split)
    counts = count(model, [truth.images[i] for i in truth.only(dataset.positive)], dataset.positive, name)
    tried = counts["mapped"]
    here, elsewhere = counts["flipped"] / max(1, tried), counts["flipped, moved"] / max(1, PLACES * tried)
    print(counts)
    print(f"flipped: {here:.3f} of the mapped images; moved: {elsewhere:.3f}; ratio", end=" ")
    print(f"{here / elsewhere:.1f}" if elsewhere else "undefined: the moved area never flips")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
