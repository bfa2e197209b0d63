"""Figures of merit.  Undefined values are NaN, never a guess.

Scores are float arrays in which higher means "more of the object"; masks are boolean arrays of the same shape.
"""

from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scipy.ndimage import find_objects, label
from sklearn.metrics import average_precision_score, roc_auc_score

from acdm.data.images.arrays import Box, Floats, Mask

PXAP_LEVELS = 1000  # thresholds, as the WSOL evaluation uses


def auprc(scores: Floats, masks: Mask) -> float:
    """Average precision over pooled pixels; NaN where nothing or everything is true."""
    truth = masks.ravel()
    if truth.all() or not truth.any():
        return np.nan
    return float(average_precision_score(truth, scores.ravel()))


def auroc(scores: Floats, masks: Mask) -> float:
    """Area under the receiver operating characteristic; NaN where nothing or everything is true."""
    truth = masks.ravel()
    if truth.all() or not truth.any():
        return np.nan
    return float(roc_auc_score(truth, scores.ravel()))


def iou(prediction: Mask, truth: Mask) -> float:
    """Intersection over union of pooled pixels; NaN where both are empty.

    >>> f"{iou(np.array([True, True, False]), np.array([True, False, True])):.3f}"  # 1 of 3
    '0.333'
    """
    union = np.count_nonzero(prediction | truth)
    return np.count_nonzero(prediction & truth) / union if union else np.nan


def dice(prediction: Mask, truth: Mask) -> float:
    """2 |P & G| / (|P| + |G|) of pooled pixels; NaN where both are empty.

    >>> float(dice(np.array([True, True, False]), np.array([True, False, True])))  # 2 * 1 / (2 + 2)
    0.5
    """
    total = np.count_nonzero(prediction) + np.count_nonzero(truth)
    return 2 * np.count_nonzero(prediction & truth) / total if total else np.nan


def best_iou(scores: Floats, masks: Mask) -> tuple[float, float]:
    """The highest IoU that one threshold for all pixels reaches, and that threshold ("score >= threshold").

    An oracle: it is chosen with the masks.
    """
    truth = masks.ravel()
    if not truth.any():
        return np.nan, np.nan
    order = np.argsort(-scores.ravel(), kind="stable")
    ranked = scores.ravel()[order]
    hits = np.cumsum(truth[order])
    values = hits / (np.arange(1, len(ranked) + 1) + truth.sum() - hits)
    values[:-1][ranked[:-1] == ranked[1:]] = 0  # equal scores fall on the same side of a threshold
    place = int(values.argmax())
    return float(values[place]), float(ranked[place])


def dice_of_iou(value: float) -> float:
    """Dice and IoU of one prediction tell the same: D = 2 I / (1 + I)."""
    return 2 * value / (1 + value)


def ncc(score: Floats, truth: Floats) -> float:
    """Normalised cross-correlation of two images; NaN where either is constant.

    >>> ncc(np.array([0.0, 1.0, 2.0]), np.array([4.0, 2.0, 0.0]))
    -1.0
    """
    a, v = score - score.mean(), truth - truth.mean()
    scale = np.sqrt((a**2).sum() * (v**2).sum())
    return float((a * v).sum() / scale) if scale > 0 else np.nan


def pxap(scores: Sequence[Floats], masks: Sequence[Mask]) -> float:
    """Pixel average precision of the WSOL protocol (Choe et al. 2020).

    Every map is min-max scaled by itself; precision and recall are taken on pixels pooled over the data set.
    """
    true_counts, false_counts = np.zeros(PXAP_LEVELS), np.zeros(PXAP_LEVELS)
    for score, mask in zip(scores, masks, strict=True):
        bins = np.minimum((min_max(score) * PXAP_LEVELS).astype(int), PXAP_LEVELS - 1)
        true_counts += np.bincount(bins[mask], minlength=PXAP_LEVELS)
        false_counts += np.bincount(bins[~mask], minlength=PXAP_LEVELS)
    if not true_counts.sum():
        return np.nan
    hits, misses = np.cumsum(true_counts[::-1]), np.cumsum(false_counts[::-1])
    recall = hits / hits[-1]
    precision = hits / np.maximum(hits + misses, 1)
    return float((precision * np.diff(recall, prepend=0)).sum())


def min_max(score: Floats) -> Floats:
    """A map scaled to [0, 1] by its own least and largest value; zeros where it is constant."""
    low, high = score.min(), score.max()
    return (score - low) / (high - low) if high > low else np.zeros_like(score)


def pointing_game(scores: Sequence[Floats], masks: Sequence[Mask]) -> float:
    """Share of images whose highest pixel lies in the mask; images without a mask are left out."""
    hits = [bool(mask.flat[score.argmax()]) for score, mask in zip(scores, masks, strict=True) if mask.any()]
    return float(np.mean(hits)) if hits else np.nan


def relevance_mass(scores: Sequence[Floats], masks: Sequence[Mask]) -> float:
    """Mean over images of the share of positive score that lies in the mask (Arras et al. 2022)."""
    shares = []
    for score, mask in zip(scores, masks, strict=True):
        positive = np.maximum(score, 0)
        if mask.any() and positive.sum() > 0:
            shares.append(positive[mask].sum() / positive.sum())
    return float(np.mean(shares)) if shares else np.nan


def boxes_of(mask: Mask, min_area: int = 1) -> list[Box]:
    """The bounding box of every 8-connected part of at least `min_area` pixels."""
    parts, _ = label(mask, structure=np.ones((3, 3)))
    found = zip(find_objects(parts), np.bincount(parts.ravel())[1:], strict=True)
    return [(s[0].start, s[1].start, s[0].stop, s[1].stop) for s, pixels in found if pixels >= min_area]


def _largest_part(mask: Mask) -> Box | None:
    """The bounding box of the 8-connected part with the most pixels."""
    parts, count = label(mask, structure=np.ones((3, 3)))
    if not count:
        return None
    rows, columns = find_objects(parts)[int(np.bincount(parts.ravel())[1:].argmax())]
    return rows.start, columns.start, rows.stop, columns.stop


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes.

    >>> box_iou((0, 0, 2, 2), (0, 1, 2, 3))  # 2 of 6 pixels
    0.3333333333333333
    """
    rows = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    columns = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    return rows * columns / (area(a) + area(b) - rows * columns)


def area(box: Box) -> int:
    """Pixels within a box."""
    return (box[2] - box[0]) * (box[3] - box[1])


def maxboxacc(scores: Sequence[Floats], boxes: Sequence[Sequence[Box]], delta: float = 0.5) -> float:
    """MaxBoxAcc of the WSOL protocol: the largest part's box against the truth, one threshold for the data set."""
    images = [(min_max(s), b) for s, b in zip(scores, boxes, strict=True) if b]
    if not images:
        return np.nan
    hits = np.zeros(100)
    for score, truth in images:
        for level in range(100):
            largest = _largest_part(score >= level / 100)
            hits[level] += largest is not None and max(box_iou(largest, box) for box in truth) >= delta
    return float(hits.max() / len(images))


def box_recall(
    scores: Sequence[Floats],
    boxes: Sequence[Sequence[Box]],
    thresholds: Sequence[float],
    min_iou: float = 0.3,
    min_areas: Sequence[int] | None = None,
) -> float:
    """Share of true boxes found at IoU >= `min_iou`, at the best single threshold with at most one false box an image.

    Args:
        scores: (H, W) each, of all test images.
        boxes: the truth of each image; empty where there is no object.
        thresholds: candidates.
        min_iou: from which on a true box counts as found.
        min_areas: of each image, pixels that a part needs to count as a detection; None: one.

    Boxes cut by the border are ignored: not to be found, and no false alarm where found.
    """
    whole = [[b for b in truth if not _cut(b, s.shape)] for s, truth in zip(scores, boxes, strict=True)]
    true = sum(map(len, whole))
    if not true:
        return np.nan
    best, least = 0, min_areas or [1] * len(scores)
    for threshold in thresholds:
        found = false = 0
        for score, truth, wanted, min_area in zip(scores, boxes, whole, least, strict=True):
            detections = boxes_of(score >= threshold, min_area)
            found += sum(any(box_iou(b, d) >= min_iou for d in detections) for b in wanted)
            false += sum(not any(box_iou(b, d) >= min_iou for b in truth) for d in detections)
            if false > len(scores):
                break
        else:
            best = max(best, found)
    return best / true


def box_ap(
    found: Sequence[Sequence[tuple[Box, float]]], boxes: Sequence[Sequence[Box]], shapes: Sequence[tuple[int, ...]]
) -> tuple[float, float]:
    """Average precision of scored boxes at IoU .5, and the mean of those at .5 to .95, by pycocotools.

    Args:
        found: boxes with scores, of all test images.
        boxes: the truth of each image; empty where there is no object.
        shapes: (H, W) of each image.

    Boxes cut by the border are ignored, as crowds are.
    """
    truth = [
        {**_coco(box), "image_id": i, "iscrowd": int(_cut(box, shape))}
        for i, (own, shape) in enumerate(zip(boxes, shapes, strict=True))
        for box in own
    ]
    if all(entry["iscrowd"] for entry in truth):
        return np.nan, np.nan
    seen = [{**_coco(box), "image_id": i, "score": s} for i, own in enumerate(found) for box, s in own]
    if not seen:
        return 0.0, 0.0
    with redirect_stdout(StringIO()):
        known = COCO()
        known.dataset = {
            "info": {},
            "images": [{"id": i} for i in range(len(boxes))],
            "annotations": [{**entry, "id": number} for number, entry in enumerate(truth, start=1)],
            "categories": [{"id": 1, "name": "object"}],
        }
        known.createIndex()
        judged = COCOeval(known, known.loadRes(seen), "bbox")
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return float(judged.stats[1]), float(judged.stats[0])


def _coco(box: Box) -> dict[str, Any]:
    top, left, bottom, right = box
    height, width = bottom - top, right - left
    return {"bbox": [left, top, width, height], "area": height * width, "category_id": 1}


def _cut(box: Box, shape: tuple[int, ...]) -> bool:
    return min(box[0], box[1]) <= 0 or box[2] >= shape[0] or box[3] >= shape[1]


def bootstrap(values: Sequence[Floats], groups: Sequence[str], statistic, seed: int = 0) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """95 % interval of `statistic(summed values)` when whole groups are drawn with replacement, 500 times.

    Args:
        values: per image, counts that add up over images, such as histograms.
        groups: of each image.
        statistic: from added-up counts to a number.
        seed: of the draws.
    """
    names = sorted(set(groups))
    sums = np.stack([np.sum([v for v, g in zip(values, groups, strict=True) if g == name], axis=0) for name in names])
    rng = np.random.default_rng(seed)
    draws = [statistic(sums[rng.integers(len(names), size=len(names))].sum(axis=0)) for _ in range(500)]
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return float(low), float(high)


def auprc_of_counts(counts: Floats) -> float:
    """Average precision from (bins, 2) counts of false and true pixels, bins from the lowest score to the highest."""
    false, true = np.cumsum(counts[::-1], axis=0).T
    if not true[-1]:
        return np.nan
    precision = true / np.maximum(true + false, 1)
    return float((precision * np.diff(true / true[-1], prepend=0)).sum())
