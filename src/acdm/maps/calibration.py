"""How a signed map becomes scores and a mask: what `acdm.maps.calibrate` learned without masks, kept with the run."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_otsu
from sklearn.cluster import KMeans
from sklearn.metrics import roc_auc_score
from torch import Tensor

from acdm.core.config import MAPS
from acdm.core.files import write_json
from acdm.core.run import Run
from acdm.data.batches import some_of_each
from acdm.errors import ConfigError, RunError
from acdm.maps.regions import cut, regions_of

if TYPE_CHECKING:
    from acdm.maps.decomposer import Decomposer

QUANTILE = 0.995
SCALES = (0.0, 0.01, 0.02, 0.03, 0.05)  # of the side
CLEARLY = 0.002  # of AUROC
SPECK = 1 / 8  # of the usual part
ONE_SIDED = 0.75  # of the maps' energy on one sign, and that sign alone is scored
PIXELS = 100_000  # that k-means looks at


@dataclass(frozen=True)
class Calibration:
    """How one map becomes scores and a mask.

    Attributes:
        polarity: "positive", "negative" or "both".
        scale: standard deviation of the Gaussian that scores are smoothed by, as a share of the image's longer side.
        speck: a part of a mask smaller than this share of the longer side's square is none.
        threshold: a pixel belongs to the object where its score is at least this.
        rule: how the threshold was found.
        thresholds: what each named rule would say.
    """

    polarity: str
    scale: float
    speck: float
    threshold: float
    rule: str
    thresholds: dict[str, float]

    def scores(self, signed: np.ndarray | Tensor) -> np.ndarray:
        """A signed map (..., C, H, W) as one smoothed number a pixel (..., H, W): higher means more of the object."""
        return smoothed(score(signed, self.polarity), self.scale)

    def least(self, height: int, width: int) -> int:
        """Pixels that a part of a mask has at least, in an image of that size."""
        return round(self.speck * max(height, width) ** 2)

    def silent(self) -> "Calibration":
        """The same where every named rule claims nothing."""
        return replace(self, threshold=np.inf, thresholds=dict.fromkeys(self.thresholds, np.inf))

    def at(self, rule: str | float) -> float:
        """The threshold by a named rule, or the number itself.

        Raises:
            ConfigError: when there is no such rule, or the number is no score.
        """
        if rule == "default":
            return self.threshold
        if rule in self.thresholds:
            return self.thresholds[str(rule)]
        try:
            value = float(rule)
        except ValueError:
            value = np.nan
        if not value >= 0:
            names = ", ".join(("default", *self.thresholds))
            raise ConfigError(f"threshold '{rule}': no such rule; give {names}, or a number of at least 0")
        return value


def score(signed: np.ndarray | Tensor, polarity: str) -> np.ndarray:
    """A signed map (..., C, H, W) as one number a pixel (..., H, W): |map|, or its positive or negative part.

    Channels are averaged after the part is taken.
    """
    values = np.asarray(signed)
    if polarity == "positive":
        values = np.maximum(values, 0)
    elif polarity == "negative":
        values = np.maximum(-values, 0)
    else:
        values = np.abs(values)
    return np.asarray(values.mean(axis=-3))


def smoothed(scores: np.ndarray, scale: float) -> np.ndarray:
    """(..., H, W) under a Gaussian of standard deviation `scale` times the longer side; 0 leaves them as they are."""
    sigma = scale * max(scores.shape[-2:])
    return np.asarray(gaussian_filter(scores, sigma, mode="nearest", axes=(-2, -1))) if sigma else scores


def save_calibration(run: Run, calibration: dict[str, Calibration]) -> None:
    write_json(run.calibration, {name: vars(c) for name, c in calibration.items()})


def load_calibration(run: Run) -> dict[str, Calibration]:
    """Of every map; empty where there is none, or one of an earlier version, which had fewer maps.

    Raises:
        RunError: when calibration.json is not one.
    """
    if not run.calibration.is_file():
        return {}
    content = run.read_json(run.calibration.name)
    try:
        known = {
            name: Calibration(
                str(c["polarity"]),
                float(c["scale"]),
                float(c["speck"]),
                float(c["threshold"]),
                str(c["rule"]),
                {str(rule): float(value) for rule, value in c["thresholds"].items()},
            )
            for name, c in content.items()
        }
        return known if known.keys() >= set(MAPS) else {}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RunError(f"{run.calibration}: not a calibration; make it again with --resume") from None


def calibrate(decomposer: "Decomposer", x: Tensor, y: Tensor) -> dict[str, Calibration]:
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
