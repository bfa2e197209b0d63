"""A run on test images with truth: results.json.  Definitions: docs/reference/results.md.

Pixel metrics pool over the positive class's test images, each at its own size; PSNR and SSIM are at network size.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from acdm.core.config import Split
from acdm.core.files import write_text
from acdm.core.progress import QUIET, Progress
from acdm.core.results import Agreement, BranchFigures, ClassFigures, Reconstruction, Results, Timing
from acdm.core.run import Run
from acdm.data.dataset import Dataset
from acdm.data.folder import load_dataset
from acdm.evaluation.agreement import mirror_dice
from acdm.evaluation.gallery import write_gallery
from acdm.evaluation.looks import Columns, Seen, look_at_all
from acdm.evaluation.map_metrics import map_metrics
from acdm.evaluation.truth import Truth, read_truth, trivial_scores
from acdm.maps.decomposer import Decomposer
from acdm.maps.doubt import look_first
from acdm.maps.loading import load
from acdm.training.checkpoints import load_choice


def evaluate(
    run: Run,
    data: Sequence[Path],
    split: Split = "all",
    out: Path | None = None,
    progress: Progress = QUIET,
    features: Path | None = None,
) -> Results:
    """Measure a run on test images; writes results.json (into the run with a gallery and look-first.csv, or to `out`).

    Images that the run was trained or validated on are left out wherever the test part had to be cut from a heap.

    Args:
        run: what is measured.
        data: folders as they were given to the training.
        split: the part of the test images.
        out: another place for results.json.
        progress: told of every image that is read.
        features: file of those that the run's segmenter was taught on, where it was on such.

    Raises:
        RunError, DataError: when the run is unfinished, or images or truth cannot be used.
    """
    decomposer = load(run.path, features=features)
    dataset, truth = read_test_images(run, decomposer, data, split, progress)
    seen = look_at_all(decomposer, truth, progress)
    results = measure(run, decomposer, dataset, truth, split, seen)
    results.write(out or run.results)
    if out is None:
        keep_pictures(run, decomposer, truth, seen)
    return results


def read_test_images(
    run: Run, decomposer: Decomposer, data: Sequence[Path], split: Split, progress: Progress = QUIET
) -> tuple[Dataset, Truth]:
    """Read what a run is measured on; arguments and errors as for `evaluate`."""
    decomposer.require_ready(None)
    dataset = _test_images(run, data)
    progress.begin("reading images", len(dataset.part(split)))
    truth = read_truth(dataset, split, progress, frozenset(run.read_data().digests))
    decomposer.require_channels(truth.pictures[0].pixels, truth.items[0].path)
    return dataset, truth


def keep_pictures(run: Run, decomposer: Decomposer, truth: Truth, seen: Seen) -> None:
    """Write a run's gallery, and look-first.csv where it has a segmenter."""
    if decomposer.segmenter:
        doubtful = zip(truth.items, seen.columns["doubt"].tolist(), strict=True)
        write_text(run.look_first, look_first([(item.name, None, doubt) for item, doubt in doubtful]))
    write_gallery(run.gallery, decomposer, truth, seen)


def _test_images(run: Run, data: Sequence[Path]) -> Dataset:
    """The data set as the run takes it; of a heap all images are test images, but those that the run has seen."""
    about, config = run.read_data(), run.config()
    dataset = load_dataset(data, about.positive, config.seed, about.reference, whole=True)
    dataset = replace(dataset, reading=config.images)
    for name in about.classes:
        dataset.index(name)
    whole = sorted(dataset.items, key=lambda item: item.path)
    return replace(dataset, train=[], validation=[], test=whole) if dataset.split_made else dataset


def measure(run: Run, decomposer: Decomposer, dataset: Dataset, truth: Truth, split: Split, seen: Seen) -> Results:
    """Every figure of the contract."""
    config = run.config()
    return Results(
        run=run.path.name,
        data=dataset.root.name,
        split=split,
        seed=config.seed,
        steps=config.steps,
        step=load_choice(run.chosen, run.id)[0] or config.steps,
        n={label: len(truth.only(label)) for label in decomposer.classes},
        scored=sum(truth.known[i] for i in truth.only(dataset.positive)),
        masks=decomposer.segmenter.masks if decomposer.segmenter else 0,
        positive=dataset.positive,
        reconstruction=reconstruction_figures(seen.columns),
        branches=branch_figures(seen.columns),
        maps={
            name: map_metrics(name, scores, truth, dataset, decomposer.calibration[name])
            for name, scores in seen.scores.items()
        },
        default_map=decomposer.default_map,
        trivial=trivial_scores(truth, dataset.positive),
        classes=class_figures(seen.columns),
        agreement=Agreement(mirror_dice=mirror_dice(decomposer, truth)),
        timing=Timing(map_images_per_second=len(truth.items) / seen.seconds),
    )


def reconstruction_figures(columns: Columns) -> Reconstruction:
    """How well images are rebuilt, and how far counterfactuals take the object away."""
    return Reconstruction(
        psnr_mean=float(columns["psnr"].mean()),
        psnr_std=float(columns["psnr"].std()),
        ssim_mean=float(columns["ssim"].mean()),
        psnr_own_size=float(columns["psnr_own_size"].mean()),
        psnr_resize_ceiling=float(columns["psnr_resize_ceiling"].mean()),
        removal=removal(columns["left"].sum(), columns["there"].sum()),
    )


def removal(left: Tensor, there: Tensor) -> float:
    """1 - left / there, what counterfactuals take away of all that differs from its surroundings, in [0, 1]."""
    return float((1 - left / there).clamp(0, 1)) if there > 0 else math.nan


def branch_figures(columns: Columns) -> BranchFigures:
    """How branches share the energy, and what 2 to N differ by between the classes."""
    energy = columns["energy"].mean(dim=0)
    gap = columns["common_gap"]
    return BranchFigures(
        common_gap=float(gap.mean()),
        energy_share=tuple((energy / energy.sum().clamp(min=1e-12)).tolist()),
        dominance=float(columns["loudest"].sum() / columns["loudness"].sum().clamp(min=1e-12)),
    )


def class_figures(columns: Columns) -> ClassFigures:
    """How the check classifier sees real images, reconstructions and counterfactuals, and how close these are."""
    y, real = columns["y"], columns["real"]
    right = real.argmax(dim=1) == y
    kept, swapped = (columns[name].argmax(dim=1) for name in ("kept", "swapped"))
    return ClassFigures(
        swap_accuracy=float((swapped == 1 - y).float().mean()),
        judge_accuracy=float(right.float().mean()),
        judge_balanced_accuracy=float(torch.stack([right[y == k].float().mean() for k in (0, 1)]).mean()),
        label_accuracy=float((columns["label"] == y).float().mean()),
        image_auroc=float(roc_auc_score(y == 1, real[:, 1])),
        reconstruction_accuracy=float((kept == y).float().mean()),
        swap_distance=float(columns["swap_distance"].mean()),
        reconstruction_distance=float(columns["reconstruction_distance"].mean()),
    )
