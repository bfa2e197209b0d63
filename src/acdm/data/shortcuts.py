"""Would something cheap alone tell the classes apart?  Then a map may show that, and not the object.

Each trait of an image is a few numbers that know nothing of its content; a cross-validated logistic regression says how
well they separate the classes.  Groups (patients, boards) stay whole, as in every split.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from acdm.core.records import Shortcut
from acdm.data.images.arrays import Array, Vector
from acdm.data.images.frame import Frame
from acdm.data.images.statistics import local_deviation

GRID = 16  # cells a side of the thumbnail in which one place is looked for
FOLDS = 5
MAX_IMAGES = 2000  # more say nothing new
WARN = 0.8  # AUROC from which users are warned of a trait; ours


def traits(image: Array, path: Path) -> dict[str, Vector]:
    """Measure one image (C, H, W) in [-1, 1] and the file it came from: a few numbers a trait."""
    _, h, w = image.shape
    grey = image.mean(axis=0)
    mean = image.mean(axis=(1, 2))
    down, across = np.abs(np.diff(grey, axis=0)).mean(), np.abs(np.diff(grey, axis=1)).mean()
    local = local_deviation(grey, 5).mean()
    fine = np.abs(grey - uniform_filter(grey, 3)).mean()
    square = Frame.of(image.shape, GRID).enter(torch.from_numpy(grey[None]))[0]
    values = {
        "size": [h, w, h / w],
        "file": [path.suffix.lower() in (".jpg", ".jpeg"), np.log(path.stat().st_size / (h * w))],
        "brightness": [grey.mean()],
        "contrast": [grey.std()],
        "texture": [down, across, local, fine],
        "place": square.flatten().tolist(),
    }
    if len(image) > 1:
        values["colour"] = [*(mean - mean.mean()), np.ptp(image, axis=0).mean()]
    return {name: np.asarray(value, dtype=np.float64) for name, value in values.items()}


def shortcuts(measured: list[dict[str, Vector]], labels: Vector, groups: list[str], seed: int = 0) -> list[Shortcut]:
    """Every trait's AUROC, the most telling first; nothing where there are too few images to hold some back.

    Args:
        measured: `traits` of each image.
        labels: (n,) of 0 and 1.
        groups: each image's group; none is on both sides of a fold.
        seed: decides the folds, and which images are looked at where there are very many.
    """
    chosen = _some(labels, np.random.default_rng(seed).permutation(len(measured)))
    y, group = labels[chosen], np.asarray(groups)[chosen]
    least = min((len(set(group[y == k])) for k in (0, 1)), default=0)
    if least < 2:
        return []
    folds = list(StratifiedGroupKFold(min(FOLDS, least), shuffle=True, random_state=seed).split(y, y, group))
    folds = [(fit, held) for fit, held in folds if 0 < y[fit].sum() < len(fit)]
    if not folds:
        return []
    found = []
    for name in measured[0]:
        x = np.stack([measured[i][name] for i in chosen])
        found.append(
            _best_place(x, y, folds) if name == "place" else Shortcut(trait=name, auroc=_separation(x, y, folds))
        )
    return sorted(found, key=lambda s: (-s.auroc, not s.detail))


def _some(labels: Vector, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first `MAX_IMAGES` in an order of images, but half of them of the smaller class, or all it has."""
    if len(order) <= MAX_IMAGES:
        return order
    least = min(MAX_IMAGES // 2, *(int((labels == k).sum()) for k in (0, 1)))
    first = np.concatenate([order[labels[order] == k][:least] for k in (0, 1)])
    rest = order[~np.isin(order, first)]
    return np.concatenate([first, rest[: MAX_IMAGES - len(first)]])


def _separation(x: NDArray[np.float64], y: Vector, folds: list[tuple[Vector, Vector]]) -> float:
    """Cross-validated AUROC of a logistic regression on x (n, numbers)."""
    scores = np.full(len(y), np.nan)
    for fit, held in folds:
        model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
        scores[held] = model.fit(x[fit], y[fit]).decision_function(x[held])
    return _mean_auroc(scores, y, folds)


def _best_place(x: NDArray[np.float64], y: Vector, folds: list[tuple[Vector, Vector]]) -> Shortcut:
    """The one cell of the thumbnail that separates best where it was looked for, judged where it was not."""
    scores, places = np.full(len(y), np.nan), []
    for fit, held in folds:
        areas = _areas(x[fit], y[fit])
        place = int(np.abs(areas - 0.5).argmax())
        scores[held] = x[held, place] * (1 if areas[place] >= 0.5 else -1)
        places.append(place)
    row, column = divmod(max(set(places), key=places.count), GRID)
    where = f"{(row + 0.5) / GRID:.0%} from the top, {(column + 0.5) / GRID:.0%} from the left"
    return Shortcut(trait="brightness of one place", auroc=_mean_auroc(scores, y, folds), detail=where)


def _areas(x: NDArray[np.float64], y: Vector) -> Vector:
    """AUROC of every column of (n, columns), from rank sums (Mann and Whitney)."""
    positives = int(y.sum())
    ranks = rankdata(x, axis=0)[y == 1].sum(axis=0)
    return np.asarray((ranks - positives * (positives + 1) / 2) / (positives * (len(y) - positives)))


def _mean_auroc(scores: Vector, y: Vector, folds: list[tuple[Vector, Vector]]) -> float:
    """Mean AUROC over folds, for models of different folds have different scales; a fold of one class is left out."""
    areas = [roc_auc_score(y[held], scores[held]) for _, held in folds if 0 < y[held].sum() < len(held)]
    return float(np.mean(areas)) if areas else 0.5
