"""A run on test images with truth: results.json.  Definitions: docs/reference/results.md.

Pixel metrics pool over the positive class's test images, each at its own size; PSNR and SSIM are at network size.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from acdm.core.config import DEFAULT_MAP, MAPS
from acdm.core.files import write_json
from acdm.core.run import Run
from acdm.data.dataset import Dataset
from acdm.data.folder import load_dataset
from acdm.data.images.frame import Frame, squares
from acdm.data.images.read import digest
from acdm.data.images.statistics import psnr, ssim
from acdm.data.loading import read_all
from acdm.evaluation.gallery import _write_gallery
from acdm.evaluation.map_metrics import map_figures, own_size
from acdm.evaluation.truth import Truth, read_truth, trivial_scores
from acdm.maps.decomposer import Decomposer, load
from acdm.method.compose import common, compose
from acdm.training.checkpoints import load_choice


def evaluate(run: Run, dataset: Dataset, truth: Truth, split: str) -> dict[str, Any]:
    """Every figure of the contract, undefined ones as None.

    Args:
        run: what is measured.
        dataset: that `truth` was read from.
        truth: test images of the part named `split`.
        split: for the record.
    """
    decomposer = load(run.path)
    decomposer.insist_ready(None)
    decomposer.insist_channels(truth.images[0], truth.items[0].path)
    x = squares(truth.images, decomposer.size)
    y = torch.tensor([decomposer.classes.index(item.label) for item in truth.items])
    began = time.perf_counter()
    own, other = decomposer.split(x, y, 1 - y)
    drawn = decomposer.maps(x, y, own, other)
    seconds = time.perf_counter() - began
    classes = _classes(decomposer, x, y, own, other)
    results = {
        "schema": 1,
        "run": run.path.name,
        "data": dataset.root.name,
        "split": split,
        "seed": run.config().seed,
        "steps": run.config().steps,
        "step": load_choice(run.chosen)[0] or run.config().steps,
        "n": {label: len(truth.only(label)) for label in decomposer.classes},
        "positive": dataset.positive,
        "reconstruction": _reconstruction(x, own, truth, decomposer.size),
        "branches": _branches(own, other),
        "maps": {
            name: map_figures(
                name, own_size(drawn[name], truth, decomposer.size), truth, dataset, decomposer.calibration[name]
            )
            for name in MAPS
        },
        "default_map": DEFAULT_MAP,
        "trivial": trivial_scores(truth, dataset.positive),
        "classes": classes,
        "timing": {"map_images_per_second": len(x) / seconds},
    }
    return nan_to_none(results)


def _reconstruction(x: Tensor, psi: Tensor, truth: Truth, size: int) -> dict[str, float]:
    x_hat = compose(psi)
    values = psnr(x, x_hat)
    own, ceiling = [], []
    for image, square, reconstructed in zip(truth.images, x, x_hat, strict=True):
        frame, original = Frame.of(image.shape, size), torch.from_numpy(image)[None]
        own.append(psnr(original, frame.leave(reconstructed)[None]))
        ceiling.append(psnr(original, frame.leave(square)[None]))
    return {
        "psnr_mean": float(values.mean()),
        "psnr_std": float(values.std()),
        "ssim_mean": ssim(x, x_hat),
        "psnr_own_size": float(torch.cat(own).mean()),
        "psnr_resize_ceiling": float(torch.cat(ceiling).mean()),
    }


def _branches(own: Tensor, other: Tensor) -> dict[str, Any]:
    energy = own.square().mean(dim=(0, 2, 3, 4))
    gap = (common(own) - common(other)).abs()
    loudest = own.abs().amax(dim=1).sum() / own.abs().sum().clamp(min=1e-12)
    return {
        "common_gap": float(gap.mean()) if gap.numel() else math.nan,
        "energy_share": (energy / energy.sum().clamp(min=1e-12)).tolist(),
        "dominance": float(loudest),
    }


def _classes(decomposer: Decomposer, x: Tensor, y: Tensor, own: Tensor, other: Tensor) -> dict[str, float]:
    """How the judge, trained apart, sees real images, reconstructions and counterfactuals, and how close these are."""
    assert decomposer.judge is not None  # it is ready
    real = decomposer.judge.probabilities(x)
    x_hat, x_st = (compose(psi).clamp(-1, 1) for psi in (own, other))
    kept, swapped = decomposer.judge.probabilities(x_hat), decomposer.judge.probabilities(x_st)
    right = float((real.argmax(dim=1) == y).float().mean())
    return {
        "swap_accuracy": float((swapped.argmax(dim=1) == 1 - y).float().mean()),
        "judge_accuracy": right,
        "label_accuracy": right,  # --label auto asks the judge
        "image_auroc": float(roc_auc_score(y == 1, real[:, 1])),
        "reconstruction_accuracy": float((kept.argmax(dim=1) == y).float().mean()),
        "swap_distance": float((x_st - x).abs().mean()),
        "reconstruction_distance": float((x_hat - x).abs().mean()),
    }


def nan_to_none(value: Any) -> Any:
    """Undefined figures as JSON has them."""
    if isinstance(value, dict):
        return {key: nan_to_none(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [nan_to_none(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def assess(run: Run, data: Sequence[Path], split: str = "all", out: Path | None = None) -> dict[str, Any]:
    """Evaluate on `data`, write results.json (into the run with a gallery, or to `out`); return the results.

    Images that the run was trained or validated on are left out wherever the test part had to be cut from a heap.
    """
    about = run.read_json("data.json")
    config = run.config()
    dataset = replace(load_dataset(data, about["positive"], config.seed), reading=config.images)
    for name in about["classes"]:
        dataset.index(name)
    if dataset.split_made:
        dataset = _unseen(dataset, set(about["digests"]))
    truth = read_truth(dataset, split)
    results = evaluate(run, dataset, truth, split)
    write_json(out or run.results, results)
    if out is None:
        _write_gallery(run, truth)
    return results


def _unseen(dataset: Dataset, seen: set[str]) -> Dataset:
    """All of a heap but the images whose digests the run has written down, whatever they are called by now."""
    known = read_all(dataset.items, dataset.reading, keep=lambda picture, _: digest(picture.pixels))
    rest = [item for item, of_it in zip(dataset.items, known, strict=True) if of_it not in seen]
    return replace(dataset, train=[], validation=[], test=sorted(rest, key=lambda item: item.path))
