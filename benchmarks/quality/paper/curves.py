"""PSNR of validation images against steps and against minutes of training, as a picture.

    acdm bench benchmarks/quality/paper/fig10.yaml -o OUT ...; python benchmarks/quality/paper/curves.py OUT fig10.svg

A line a variant: the mean over its seeds, as far as the shortest of them goes; the band is from the least to the most.
"""

import csv
import sys
from collections import defaultdict
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from acdm.evaluation.bench import Point, at

AXES = {"step": ("steps", 1), "seconds": ("minutes of training", 60)}  # of `Point`: words, and how many make one
DRAWN = 50  # places across, at which curves are read

Curves = dict[tuple[str, str], dict[str, list[Point]]]  # by data and variant, by seed


def read(path: Path) -> Curves:
    curves: Curves = defaultdict(lambda: defaultdict(list))
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            point = Point(int(row["step"]), float(row["seconds"]), float(row["psnr"]))
            curves[row["data"], row["variant"]][row["seed"]].append(point)
    return curves


def main(out: Path, picture: Path) -> None:
    curves = read(out / "curves.csv")
    names = list(dict.fromkeys(data for data, _ in curves))
    colours = {variant: f"C{n}" for n, variant in enumerate(dict.fromkeys(variant for _, variant in curves))}
    _, axes = plt.subplots(len(names), len(AXES), figsize=(9, 3.2 * len(names)), squeeze=False, layout="constrained")
    for (data, variant), seeds in curves.items():
        for place, (axis, (_, unit)) in zip(axes[names.index(data)], AXES.items(), strict=True):
            first = max(getattr(points[0], axis) for points in seeds.values())
            last = min(getattr(points[-1], axis) for points in seeds.values())
            across = np.linspace(first, last, DRAWN)
            up = [[at(points, axis, where) for where in across] for points in seeds.values()]
            place.plot(across / unit, np.mean(up, axis=0), color=colours[variant], label=variant)
            place.fill_between(across / unit, np.min(up, axis=0), np.max(up, axis=0), color=colours[variant], alpha=0.2)
    for row, data in zip(axes, names, strict=True):
        for place, (words, _) in zip(row, AXES.values(), strict=True):
            place.set(xlabel=words, ylabel="PSNR, dB", title=data)
            place.grid(alpha=0.3)
    axes[0, 0].legend()
    plt.savefig(picture)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
