"""What is learned from training images without masks: which sign carries the object, how coarse it is, where to cut.

Scale: the smoothing after which the highest score of an image tells the two classes' images apart best (AUROC), by the
residual, for which an image's class need not be known; no more than is clearly better.  Thin cracks ask for none.
Evidence has a scale of its own.
Speck: an eighth of the area such that half of what the default threshold marks on images of the positive class lies in
larger parts.

Rules, all over the pooled training maps:
    otsu       Otsu's threshold over the positive class
    two-means  half-way between the centres of two clusters (k-means) of the positive class's scores
    negatives  the value that 99.5 % of the other class's pixels stay under; contrast, whose negatives show the object
               that the swap would add, takes that of psi1
    default    otsu for contrast; the larger of otsu and negatives for psi1; their geometric mean for residual and
               evidence, whose loudness differs from patient to patient more than their noise does
"""

import numpy as np
import torch
from skimage.filters import threshold_otsu
from sklearn.cluster import KMeans
from sklearn.metrics import roc_auc_score
from torch import Tensor

from acdm.core.config import MAPS
from acdm.maps.calibration import Calibration, score, smoothed
from acdm.maps.decomposer import Decomposer
from acdm.maps.regions import cut, regions_of

QUANTILE = 0.995
SCALES = (0.0, 0.01, 0.02, 0.03, 0.05)  # of the side
CLEARLY = 0.002  # of AUROC
SPECK = 1 / 8  # of the usual part
ONE_SIDED = 0.75  # of the maps' energy on one sign, and that sign alone is scored
PIXELS = 100_000  # that k-means looks at
IMAGES = 150  # of each class, the first of the training images


def calibrate(decomposer: Decomposer, x: Tensor, y: Tensor) -> dict[str, Calibration]:
    """Calibrate every map on training images (n, C, S, S) of classes (n,)."""
    chosen = some_of_each(y)
    x, y = x[chosen], y[chosen]
    maps = decomposer.maps(x, y, *decomposer.split(x, y, 1 - y))
    quiet = {name: np.asarray(maps[name][y == 0]) for name in MAPS}
    quiet["contrast"] = quiet["psi1"]
    loud = {name: np.asarray(maps[name][y == 1]) for name in MAPS}
    polarity = {name: _polarity(loud[name]) for name in MAPS}
    polarity["evidence"] = polarity["residual"]  # a weight, whose sign is that of what it weighs
    scale = {name: _scale(score(maps[name], polarity[name]), y.numpy()) for name in ("residual", "evidence")}
    return {
        name: _cut(name, loud[name], quiet[name], polarity[name], scale.get(name, scale["residual"])) for name in MAPS
    }


def calibrate_like_residual(signed: Tensor, y: Tensor, polarity: str | None = None) -> Calibration:
    """The same for another method's maps (n, C, S, S) of images of classes (n,), which are defined for both classes.

    So that methods are compared by what they see, not by how their maps are smoothed and cut.
    """
    loud, quiet = (np.asarray(signed[y == k]) for k in (1, 0))
    polarity = polarity or _polarity(loud)
    scale = _scale(score(signed, polarity), y.numpy())
    return _cut("residual", loud, quiet, polarity, scale)


def some_of_each(y: Tensor) -> Tensor:
    """Which training images a calibration looks at, by their classes (n,): the first of each class."""
    return torch.cat([torch.nonzero(y == k).squeeze(1)[:IMAGES] for k in (0, 1)])


def _cut(name: str, loud: np.ndarray, quiet: np.ndarray, polarity: str, scale: float) -> Calibration:
    scores, others = (smoothed(score(part, polarity), scale) for part in (loud, quiet))
    thresholds = {
        "negatives": float(np.quantile(others, QUANTILE)),
        "otsu": float(threshold_otsu(scores)),
        "two-means": _between_two_means(scores),
    }
    threshold, rule = _default(name, thresholds)
    return Calibration(polarity, scale, _speck(scores, threshold), threshold, rule, thresholds)


def _default(name: str, thresholds: dict[str, float]) -> tuple[float, str]:
    """The threshold that is taken where none is asked for, and its name."""
    otsu, negatives = thresholds["otsu"], thresholds["negatives"]
    if name == "contrast":
        return otsu, "otsu"
    if name == "psi1":
        return max(otsu, negatives), f"otsu or negatives {QUANTILE:.1%}"
    return float(np.sqrt(otsu * negatives)), f"between otsu and negatives {QUANTILE:.1%}"


def _scale(scores: np.ndarray, y: np.ndarray) -> float:
    """Of `SCALES` the least after which the highest of an image's scores (n, S, S) tells its class (n,) about best."""
    told = np.array([roc_auc_score(y == 1, smoothed(scores, scale).max(axis=(1, 2))) for scale in SCALES])
    return SCALES[int(np.argmax(told >= told.max() - CLEARLY))]


def _speck(scores: np.ndarray, threshold: float) -> float:
    """As a share of an image: `SPECK` of the area such that half of all marked pixels lie in larger parts."""
    parts = [regions_of([(0, cut(image, threshold), image)]) for image in scores]
    areas = np.sort([region.area for regions in parts for region in regions])
    if not len(areas):
        return 0.0
    usual = areas[np.searchsorted(areas.cumsum(), areas.sum() / 2)]
    return float(SPECK * usual / scores[0].size)


def _between_two_means(scores: np.ndarray) -> float:
    values = np.random.default_rng(0).permutation(scores.ravel())[:PIXELS, None]
    if len(np.unique(values)) < 2:
        return float(values[0, 0])
    return float(KMeans(2, n_init=1, random_state=0).fit(values).cluster_centers_.mean())


def _polarity(positives: np.ndarray) -> str:
    above, below = (np.maximum(positives, 0) ** 2).sum(), (np.minimum(positives, 0) ** 2).sum()
    if above + below == 0:
        return "both"
    share = above / (above + below)
    return "positive" if share >= ONE_SIDED else "negative" if share <= 1 - ONE_SIDED else "both"
