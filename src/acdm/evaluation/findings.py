"""A run of several findings on test images: the results of each finding, and how well maps tell them apart."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
from sklearn.metrics import roc_auc_score

from acdm.core.config import MapName, Split
from acdm.core.files import write_bytes
from acdm.core.progress import QUIET, Progress
from acdm.core.results import FindingResults, MeanFigures, Results
from acdm.core.run import Run
from acdm.data.dataset import Dataset
from acdm.data.images.arrays import Box, Floats
from acdm.data.images.write import png
from acdm.evaluation.looks import look_at_findings
from acdm.evaluation.results import evaluate, keep_pictures, measure, read_test_images
from acdm.evaluation.truth import Truth
from acdm.maps.calibration import load_calibration, smoothed
from acdm.maps.loading import load_findings
from acdm.maps.pictures import findings_sheet
from acdm.maps.segmentation import cut

SHOWN = 8  # images of gallery/findings.png
Scores = Mapping[MapName, list[Floats]]


def evaluate_run(
    run: Run,
    data: Sequence[Path],
    split: Split = "all",
    out: Path | None = None,
    progress: Progress = QUIET,
    features: Path | None = None,
) -> Results | FindingResults:
    """Measure a run, whether of two classes or of several findings; of these each, and all of them together.

    Args:
        run, data, split, progress, features: as for `acdm.evaluation.results.evaluate`.
        out: another place for the run's results.json; then nothing is written into the run.

    Raises:
        RunError, DataError: as `evaluate`.
    """
    if not run.findings():
        return evaluate(run, data, split, out, progress, features)
    decomposer = load_findings(run, features)
    datasets: dict[str, Dataset] = {}
    truths: dict[str, Truth] = {}
    for name, one in decomposer.of_each.items():
        datasets[name], truth = read_test_images(run.finding(name), one, data, split, progress)
        pictures = next(iter(truths.values()), truth).pictures
        truths[name] = replace(truth, pictures=pictures)  # they are the same, and kept once
    seen = look_at_findings(decomposer, truths, progress)
    results: dict[str, Results] = {}
    for name, one in decomposer.of_each.items():
        of_one = run.finding(name)
        results[name] = measure(of_one, one, datasets[name], truths[name], split, seen[name])
        if out is None:
            results[name].write(of_one.results)
            keep_pictures(of_one, one, truths[name], seen[name])
    scores: dict[str, Scores] = {name: found.scores for name, found in seen.items()}
    maps = [name for name in next(iter(scores.values())) if all(name in of_one for of_one in scores.values())]
    sensitivities = {name: sensitivity({k: s[name] for k, s in scores.items()}, truths) for name in maps}
    whole = FindingResults(
        schema=next(iter(results.values())).schema_,
        run=run.path.name,
        data=next(iter(results.values())).data,
        split=split,
        labels=results,
        mean={name: _mean(name, results, sensitivities[name]) for name in maps},
        confusion={name: confusion({k: s[name] for k, s in scores.items()}, truths) for name in maps},
        sensitivity=sensitivities,
    )
    whole.write(out or run.results)
    if out is None:
        _draw_together(run, {name: s[results[name].default_map] for name, s in scores.items()}, results, truths)
    return whole


def _draw_together(
    run: Run, scores: Mapping[str, list[Floats]], results: Mapping[str, Results], truths: Mapping[str, Truth]
) -> None:
    """Write gallery/findings.png: images with the most findings, all that is true and all that was found in them."""
    first = next(iter(truths.values()))
    counts = [sum(truth.items[i].label == name for name, truth in truths.items()) for i in range(len(first.items))]
    shown = sorted(range(len(counts)), key=lambda i: -counts[i])[:SHOWN]
    found = []
    for name, of_one in scores.items():
        known = load_calibration(run.finding(name))[results[name].default_map]
        found.append([cut(smoothed(of_one[i], known.scale), known).mask for i in shown])
    truth = [[of_one.masks[i] for i in shown] for of_one in truths.values()]
    sheet = findings_sheet(
        [first.images[i] for i in shown], list(zip(*truth, strict=True)), list(zip(*found, strict=True))
    )
    write_bytes(run.gallery / "findings.png", png(sheet))


def confusion(scores: Mapping[str, list[Floats]], truths: Mapping[str, Truth]) -> dict[str, dict[str, float]]:
    """Which share of each finding's map lies in the true parts of each finding, over all test images.

    Args:
        scores: a finding's map of each test image, (H, W) of numbers that are not negative.
        truths: the same test images as each finding sees them.

    Returns:
        By the finding that the map is of, then by that of the true parts; NaN where the map is empty.
    """

    def share(of_one: list[Floats], truth: Truth) -> float:
        whole = sum(float(s.sum()) for s in of_one)
        within = sum(float(s[mask].sum()) for s, mask in zip(of_one, truth.masks, strict=True))
        return within / whole if whole else math.nan

    return {name: {other: share(of_one, truth) for other, truth in truths.items()} for name, of_one in scores.items()}


def sensitivity(scores: Mapping[str, list[Floats]], truths: Mapping[str, Truth]) -> dict[str, float]:
    """How well a finding's map tells its own true boxes from those of other findings: AUROC of the map's mean there.

    Args:
        scores, truths: as for `confusion`.
    """
    found = {}
    for name, of_one in scores.items():
        means, own = [], []
        for other, truth in truths.items():
            for values, boxes in zip(of_one, truth.boxes, strict=True):
                means += [_mean_in(values, box) for box in boxes]
                own += [other == name] * len(boxes)
        found[name] = float(roc_auc_score(own, means)) if 0 < sum(own) < len(own) else math.nan
    return found


def _mean_in(values: Floats, box: Box) -> float:
    top, left, bottom, right = box
    inside = values[max(0, top) : bottom, max(0, left) : right]
    return float(np.mean(inside)) if inside.size else 0.0


def _mean(name: MapName, results: Mapping[str, Results], sensitivities: Mapping[str, float]) -> MeanFigures:
    maps = [found.maps[name] for found in results.values()]
    means = {}
    for key in ("auprc", "best_iou", "dice", "pointing_game"):
        known = [value for figures in maps if (value := getattr(figures, key)) is not None]
        means[key] = fmean(known) if known else None
    known = [value for value in sensitivities.values() if not math.isnan(value)]
    return MeanFigures(**means, sensitivity=fmean(known) if known else None)
