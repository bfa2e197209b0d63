"""A run on test images with truth: results.json.  Definitions: docs/reference/results.md.

Pixel metrics pool over the positive class's test images, each at its own size; PSNR and SSIM are at network size.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from acdm.core.config import DEFAULT_MAP, MAPS, Split
from acdm.core.progress import QUIET, Progress
from acdm.core.results import BranchFigures, ClassFigures, Reconstruction, Results, Timing
from acdm.core.run import Run
from acdm.data.dataset import Dataset
from acdm.data.folder import load_dataset
from acdm.data.images.frame import Frame, squares
from acdm.data.images.statistics import psnr, ssim
from acdm.evaluation.gallery import write_gallery
from acdm.evaluation.map_metrics import map_metrics, own_size
from acdm.evaluation.truth import Truth, read_truth, trivial_scores
from acdm.maps.decomposer import Decomposer, Drawn, load
from acdm.maps.judge import Judge
from acdm.method.compose import common, compose
from acdm.training.checkpoints import load_choice


@dataclass(frozen=True)
class Evaluated:
    """Test images, decomposed once: `x` (n, C, S, S) are the squares that the network saw."""

    decomposer: Decomposer
    truth: Truth
    x: Tensor
    drawn: Drawn
    seconds: float


def evaluate(
    run: Run, data: Sequence[Path], split: Split = "all", out: Path | None = None, progress: Progress = QUIET
) -> Results:
    """Measure a run on test images; writes results.json (into the run with a gallery, or to `out`).

    Images that the run was trained or validated on are left out wherever the test part had to be cut from a heap.

    Args:
        run: what is measured.
        data: folders as they were given to the training.
        split: the part of the test images.
        out: another place for results.json.
        progress: told of every image that is read.

    Raises:
        RunError, DataError: when the run is unfinished, or images or truth cannot be used.
    """
    decomposer = load(run.path)
    decomposer.require_ready(None)
    dataset = _test_images(run, data)
    truth = read_truth(dataset, split, progress, frozenset(run.read_data().digests))
    decomposer.require_channels(truth.pictures[0].pixels, truth.items[0].path)
    evaluated = draw_all(decomposer, truth)
    results = measure(run, dataset, split, evaluated)
    results.write(out or run.results)
    if out is None:
        write_gallery(run.gallery, decomposer, truth, evaluated.x, evaluated.drawn)
    return results


def _test_images(run: Run, data: Sequence[Path]) -> Dataset:
    """The data set as the run takes it; of a heap all images are test images, but those that the run has seen."""
    about, config = run.read_data(), run.config()
    dataset = replace(load_dataset(data, about.positive, config.seed), reading=config.images)
    for name in about.classes:
        dataset.index(name)
    whole = sorted(dataset.items, key=lambda item: item.path)
    return replace(dataset, train=[], validation=[], test=whole) if dataset.split_made else dataset


def draw_all(decomposer: Decomposer, truth: Truth) -> Evaluated:
    """Decompose every test image, once, under its true class."""
    x = squares([picture.pixels for picture in truth.pictures], decomposer.size)
    y = torch.tensor([decomposer.index(item.label) for item in truth.items])
    began = time.perf_counter()
    drawn = decomposer.draw(x, y)
    return Evaluated(decomposer, truth, x, drawn, time.perf_counter() - began)


def measure(run: Run, dataset: Dataset, split: Split, evaluated: Evaluated) -> Results:
    """Every figure of the contract."""
    decomposer, truth, x, drawn = evaluated.decomposer, evaluated.truth, evaluated.x, evaluated.drawn
    config = run.config()
    assert decomposer.judge is not None  # the run is ready
    return Results(
        run=run.path.name,
        data=dataset.root.name,
        split=split,
        seed=config.seed,
        steps=config.steps,
        step=load_choice(run.chosen, run.id)[0] or config.steps,
        n={label: len(truth.only(label)) for label in decomposer.classes},
        positive=dataset.positive,
        reconstruction=reconstruction_figures(x, drawn.own, truth, decomposer.size),
        branches=branch_figures(drawn.own, drawn.other),
        maps={
            name: map_metrics(
                name,
                own_size(drawn.maps[name], truth, decomposer.size),
                truth,
                dataset,
                decomposer.calibration[name],
            )
            for name in MAPS
        },
        default_map=DEFAULT_MAP,
        trivial=trivial_scores(truth, dataset.positive),
        classes=class_figures(decomposer.judge, x, drawn),
        timing=Timing(map_images_per_second=len(x) / evaluated.seconds),
    )


def reconstruction_figures(x: Tensor, psi: Tensor, truth: Truth, size: int) -> Reconstruction:
    """How well images are rebuilt from psi (n, N, C, S, S), at network size and at their own."""
    x_hat = compose(psi)
    values = psnr(x, x_hat)
    own, ceiling = [], []
    for picture, square, reconstructed in zip(truth.pictures, x, x_hat, strict=True):
        frame, original = Frame.of(picture.pixels.shape, size), torch.from_numpy(picture.pixels)[None]
        own.append(psnr(original, frame.leave(reconstructed)[None]))
        ceiling.append(psnr(original, frame.leave(square)[None]))
    return Reconstruction(
        psnr_mean=float(values.mean()),
        psnr_std=float(values.std()),
        ssim_mean=ssim(x, x_hat),
        psnr_own_size=float(torch.cat(own).mean()),
        psnr_resize_ceiling=float(torch.cat(ceiling).mean()),
    )


def branch_figures(own: Tensor, other: Tensor) -> BranchFigures:
    """How branches (n, N, C, S, S) under both classes share the energy, and what 2 to N differ by."""
    energy = own.square().mean(dim=(0, 2, 3, 4))
    gap = (common(own) - common(other)).abs()
    loudest = own.abs().amax(dim=1).sum() / own.abs().sum().clamp(min=1e-12)
    return BranchFigures(
        common_gap=float(gap.mean()) if gap.numel() else math.nan,
        energy_share=tuple((energy / energy.sum().clamp(min=1e-12)).tolist()),
        dominance=float(loudest),
    )


def class_figures(judge: Judge, x: Tensor, drawn: Drawn) -> ClassFigures:
    """How the check classifier sees real images, reconstructions and counterfactuals, and how close these are."""
    real, y = judge.probabilities(x), drawn.y
    x_hat, x_st = (compose(psi).clamp(-1, 1) for psi in (drawn.own, drawn.other))
    kept, swapped = judge.probabilities(x_hat), judge.probabilities(x_st)
    right = float((real.argmax(dim=1) == y).float().mean())
    return ClassFigures(
        swap_accuracy=float((swapped.argmax(dim=1) == 1 - y).float().mean()),
        judge_accuracy=right,
        label_accuracy=right,  # --label auto asks the check classifier
        image_auroc=float(roc_auc_score(y == 1, real[:, 1])),
        reconstruction_accuracy=float((kept.argmax(dim=1) == y).float().mean()),
        swap_distance=float((x_st - x).abs().mean()),
        reconstruction_distance=float((x_hat - x).abs().mean()),
    )
