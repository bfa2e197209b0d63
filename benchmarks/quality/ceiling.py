"""How far labels alone have come: a run's object map beside the same segmenter taught by true masks.

    python benchmarks/quality/ceiling.py RUN DATA MASKS [COUNT …]

MASKS holds the true masks of the training images, named as `acdm train --masks` wants them; COUNT, 5 or 10 of them say,
takes so many alone, the first in a drawn order.  The seed and recipe are the run's own; each teaches 600 steps.
Widths, levels and size of the network may be judged by this on dev halves; the recipe never.  Prints AUPRC, best Dice
and Dice of each part of the test set.
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from acdm.core.config import TAUGHT, Config
from acdm.core.device import flush_denormals
from acdm.core.memory import keep_memory
from acdm.core.results import MapFigures
from acdm.core.run import Run
from acdm.data.corrections import find_corrections, read_corrections
from acdm.data.dataset import Dataset
from acdm.data.folder import load_dataset
from acdm.data.images.frame import squares
from acdm.data.loading import TrainingImages, load_images
from acdm.evaluation.looks import own_size
from acdm.evaluation.map_metrics import map_metrics
from acdm.evaluation.truth import Truth, read_truth
from acdm.maps.calibration import calibrate, calibration_images
from acdm.maps.decomposer import Decomposer
from acdm.maps.features import Features
from acdm.maps.loading import load
from acdm.training.segmenter import choose_teacher, lessons, teach, with_masks


def chosen(count: int, of: int, seed: int) -> list[int]:
    """So many of `of` places, the first in an order that the seed draws; fewer are among more."""
    return torch.randperm(of, generator=torch.Generator().manual_seed(seed))[:count].tolist()


def main(path: Path, data: Path, masks: Path, counts: list[int]) -> None:
    model, config, dataset, images, truths = opened(path, data)
    (found, _), (x, y) = find_corrections(masks, dataset), images.train
    features = Features.installed() if config.features == "auto" else None
    teacher, _ = choose_teacher(model, features, (x, y), images.validation, config.seed)
    learned = lessons(teacher, x, y)
    print("| taught by | part | AUPRC | best Dice | Dice |\n| --- | --- | --- | --- | --- |")
    if model.segmenter:
        with_them = f" and {model.segmenter.masks} masks" if model.segmenter.masks else ""
        show(f"maps{with_them}, the run's own", model, truths, dataset, (x, y))
    for count in [*(count for count in counts if count < len(found)), len(found)]:
        some = [found[k] for k in chosen(count, len(found), config.seed)]
        taught = with_masks(learned, x, read_corrections(some, dataset, config.size))
        segmenter = teach(taught, config, features, taught.most)
        name = f"{count} masks" if count < len(found) else f"all {count} masks"
        show(name, replace(model, segmenter=segmenter), truths, dataset, (x, y))


def opened(path: Path, data: Path) -> tuple[Decomposer, Config, Dataset, TrainingImages, dict[str, Truth]]:
    """A run in two classes with its data set, its images at network size, and the truth of each part."""
    keep_memory()
    flush_denormals()
    run = Run.open(path)
    config = run.config()
    dataset = replace(load_dataset([data], run.read_data().positive, config.seed), reading=config.images)
    truths = {split: read_truth(dataset, split) for split in (("dev", "final") if dataset.dev else ("all",))}
    return load(path), config, dataset, load_images(dataset, config.size), truths


def show(
    name: str, model: Decomposer, truths: dict[str, Truth], dataset: Dataset, training: tuple[Tensor, Tensor]
) -> None:
    """Print a line for each part of the test set."""
    for split, f in figures(model, truths, dataset, training).items():
        told = " | ".join(f"{value:.3f}" for value in (f.auprc, f.best_dice, f.dice))
        print(f"| {name} | {split} | {told} |", flush=True)


def figures(
    model: Decomposer, truths: dict[str, Truth], dataset: Dataset, training: tuple[Tensor, Tensor]
) -> dict[str, MapFigures]:
    """What `object` reaches in each part, calibrated on training images (n, C, S, S) of classes (n,)."""
    x, y = calibration_images(*training)
    known, found = calibrate({TAUGHT: model.objects(x)}, y)[TAUGHT], {}
    for split, truth in truths.items():
        drawn = own_size(model.objects(squares(truth.images, model.size)), truth.images)
        found[split] = map_metrics(TAUGHT, [m[0] for m in drawn], truth, dataset, known)
    return found


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), [int(count) for count in sys.argv[4:]])
