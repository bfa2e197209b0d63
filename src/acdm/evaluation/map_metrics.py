"""Every figure of one map of all test images."""

import math
from collections.abc import Sequence

import numpy as np
from sklearn.metrics import roc_auc_score

from acdm.core.results import Intervals, MapFigures
from acdm.data.dataset import Dataset
from acdm.data.images.arrays import Floats, Mask
from acdm.evaluation import metrics
from acdm.evaluation.truth import Truth
from acdm.maps.calibration import Calibration, smoothed
from acdm.maps.kinds import kind_of
from acdm.maps.segmentation import Segmentation, cut

FEWEST_GROUPS = 5  # with an object, that an interval needs
BOOTSTRAP_BINS = 4096  # of the histograms that the bootstrap adds up


def map_metrics(
    name: str, raw: Sequence[Floats], truth: Truth, dataset: Dataset, calibration: Calibration
) -> MapFigures:
    """Every figure of one map of all test images.

    Args:
        name: of the map; it tells what the map means on negatives (`acdm.maps.kinds`).
        raw: the map as one unsmoothed number a pixel (`acdm.maps.calibration.score`), (H, W) at the images' own size.
        truth: the test images.
        dataset: that `truth` was read from.
        calibration: how the map becomes scores and masks.
    """
    kind = kind_of(name)
    raw = [
        scores * counted for scores, counted in zip(raw, truth.valid, strict=True)
    ]  # as segment does, before all else
    cuts = [cut(smoothed(scores, calibration.scale), calibration) for scores in raw]
    scores = [c.scores * counted for c, counted in zip(cuts, truth.valid, strict=True)]
    positives, negatives = truth.scored(dataset.positive), truth.only(dataset.classes[0])
    chosen = [scores[i] for i in positives]
    masks = [truth.masks[i] for i in positives]
    boxes = [truth.boxes[i] for i in positives]
    flat, true = truth.pooled(chosen, positives), truth.pooled(masks, positives)
    predicted = truth.pooled([cuts[i].mask for i in positives], positives)
    correlations = [metrics.ncc(s, m.astype(float)) for s, m in zip(chosen, masks, strict=True)]
    correlations = [value for value in correlations if not math.isnan(value)]
    highest, _ = metrics.best_iou(flat, true)
    claimed = set(range(len(scores)) if kind.claims_on_negatives else positives)
    judged = sorted({*positives, *negatives})  # of positive images without truth nobody knows what is right
    everywhere = [scores[i] if i in claimed else np.zeros_like(scores[i]) for i in judged]
    true_boxes = [truth.boxes[i] for i in judged]
    levels = np.quantile(flat, [*np.linspace(0.7, 0.998, 30), *(1 - np.geomspace(1e-3, 1 / len(flat), 30)), 1])
    other = truth.pooled([cuts[i].mask for i in negatives], negatives)
    ap50, ap50_95 = metrics.box_ap(
        [[(r.box, r.score) for r in cuts[i].regions] if i in claimed else [] for i in judged],
        true_boxes,
        [s.shape for s in everywhere],
    )
    specks = [calibration.min_area(*s.shape) for s in everywhere]
    return MapFigures(
        auprc=metrics.auprc(flat, true),
        auprc_unsmoothed=metrics.auprc(truth.pooled([raw[i] for i in positives], positives), true),
        auroc=metrics.auroc(flat, true),
        best_iou=highest,
        best_dice=metrics.dice_of_iou(highest),
        iou=metrics.iou(predicted, true) if true.any() else math.nan,
        dice=metrics.dice(predicted, true) if true.any() else math.nan,
        dice_by_group=_mean_over_groups(cuts, truth, positives),
        threshold=calibration.threshold,
        rule=calibration.rule,
        ncc_mean=float(np.mean(correlations)) if correlations else math.nan,
        ncc_std=float(np.std(correlations)) if correlations else math.nan,
        pxap=metrics.pxap(chosen, masks),
        pointing_game=metrics.pointing_game(chosen, masks),
        relevance_mass=metrics.relevance_mass(chosen, masks),
        maxboxacc=metrics.maxboxacc(chosen, boxes),
        box_recall=metrics.box_recall(everywhere, true_boxes, [float(v) for v in levels if v > 0], min_areas=specks),
        ap50=ap50,
        ap50_95=ap50_95,
        negative_area=float(other.mean()) if kind.claims_on_negatives else math.nan,
        positives_with_region=_with_region(cuts, truth.only(dataset.positive)),
        negatives_with_region=_with_region(cuts, negatives) if kind.claims_on_negatives else math.nan,
        image_auroc=math.nan if kind.drawn_for_true_class else _image_auroc(scores, truth, dataset.positive),
        polarity=calibration.polarity,
        scale=calibration.scale,
        ci=_intervals(
            [s[truth.valid[i]] for s, i in zip(chosen, positives, strict=True)],
            [cuts[i].mask[truth.valid[i]] for i in positives],
            [m[truth.valid[i]] for m, i in zip(masks, positives, strict=True)],
            [truth.items[i].group for i in positives],
        ),
    )


def _with_region(cuts: list[Segmentation], images: list[int]) -> float:
    """Share of the images in whose mask there is a region."""
    return float(np.mean([bool(cuts[i].regions) for i in images]))


def _mean_over_groups(cuts: list[Segmentation], truth: Truth, images: list[int]) -> float:
    """Dice of the mask-free masks of each group's images together, averaged over groups that have truth."""
    dices = []
    for group in sorted({truth.items[i].group for i in images}):
        own = [i for i in images if truth.items[i].group == group]
        true = truth.pooled([truth.masks[i] for i in own], own)
        if true.any():
            dices.append(metrics.dice(truth.pooled([cuts[i].mask for i in own], own), true))
    return float(np.mean(dices)) if dices else math.nan


def _image_auroc(scores: Sequence[Floats], truth: Truth, positive: str) -> float:
    """AUROC of an image's highest score, by which its class is told."""
    return float(roc_auc_score([item.label == positive for item in truth.items], [s.max() for s in scores]))


def _intervals(
    scores: Sequence[Floats],
    predicted: Sequence[Mask],
    masks: Sequence[Mask],
    groups: list[str],
) -> Intervals:
    """95 % bootstrap over groups of AUPRC and of the mask-free Dice; of few groups nothing is known."""
    if len({group for group, mask in zip(groups, masks, strict=True) if mask.any()}) < FEWEST_GROUPS:
        return Intervals(auprc=(math.nan, math.nan), dice=(math.nan, math.nan))
    everywhere, true = (np.concatenate(parts) for parts in (scores, [s[m] for s, m in zip(scores, masks, strict=True)]))
    shares = np.linspace(0, 1, BOOTSTRAP_BINS)
    edges = np.unique([np.quantile(everywhere, shares), np.quantile(true, shares)])  # an object may be a few pixels

    def histogram(s: Floats, m: Mask) -> Floats:
        bins = np.clip(np.searchsorted(edges, s, side="right") - 1, 0, len(edges) - 1)
        counts = [np.bincount(bins[part], minlength=len(edges)) for part in (~m, m)]
        return np.stack(counts, axis=1).astype(float)

    def overlap(p: Mask, m: Mask) -> Floats:
        return np.array([np.count_nonzero(p & m), np.count_nonzero(p) + np.count_nonzero(m)], float)

    counts = [histogram(s, m) for s, m in zip(scores, masks, strict=True)]
    overlaps = [overlap(p, m) for p, m in zip(predicted, masks, strict=True)]
    return Intervals(
        auprc=metrics.bootstrap(counts, groups, metrics.auprc_of_counts),
        dice=metrics.bootstrap(overlaps, groups, lambda v: 2 * v[0] / max(v[1], 1)),
    )
