"""Do runs that differ in their seed draw the same maps?

    python benchmarks/quality/controls/stability.py DATA RUN RUN [RUN …]

For each map, the correlation of two runs' maps of one image, averaged over test images of the positive class and over
pairs of runs.
"""

import sys
from itertools import combinations
from pathlib import Path

import numpy as np

import acdm
from acdm.core.config import MAPS
from acdm.data.folder import load_dataset
from acdm.evaluation.metrics import ncc
from acdm.evaluation.truth import read_truth


def correlations(maps: list[list[np.ndarray]]) -> list[float]:
    """Of maps of the same images by several runs: mean over images of each pair of runs."""
    return [
        float(np.nanmean([ncc(a, b) for a, b in zip(first, second, strict=True)]))
        for first, second in combinations(maps, 2)
    ]


def main(data: Path, *runs: Path) -> None:
    dataset = load_dataset([data])
    truth = read_truth(dataset, "all")
    images = [truth.images[i] for i in truth.only(dataset.positive)]
    models = [acdm.load(run) for run in runs]
    drawn = [[model.decompose(image, dataset.positive).maps() for image in images] for model in models]
    for name in MAPS:
        values = correlations([[maps[name].numpy() for maps in of_run] for of_run in drawn])
        print(f"{name}: {np.mean(values):.3f} (pairs of runs: {', '.join(f'{v:.3f}' for v in values)})")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
