"""How signed maps become scores and masks: learned on training images, without masks, and kept with the run.

Scale: the smoothing after which the highest score of an image tells the two classes' images apart best (AUROC), by the
residual, for which an image's class need not be known; no more than is clearly better.  Thin cracks ask for none.
The object has a scale of its own.
Speck: an eighth of the area such that half of what the default threshold marks on images of the positive class lies in
larger parts.

Thresholds, all over the pooled training maps; `acdm.maps.kinds` says which is the default of each map:
    otsu       Otsu's threshold over the positive class
    two-means  half-way between the centres of two clusters (k-means) of the positive class's scores
    negatives  the value that 99.5 % of the other class's pixels stay under
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_otsu
from sklearn.cluster import KMeans
from sklearn.metrics import roc_auc_score
from torch import Tensor

from acdm.core.config import MAPS, TAUGHT, MapName
from acdm.core.files import parse_json, write_json
from acdm.core.run import Run
from acdm.data.batches import some_of_each
from acdm.data.images.arrays import Floats
from acdm.errors import ConfigError, RunError
from acdm.maps.kinds import KINDS, QUANTILE, MapKind
from acdm.maps.regions import above, regions_of

SCALES = (0.0, 0.01, 0.02, 0.03, 0.05)  # shares of the side
AUROC_TIE = 0.002  # scales this close to the best AUROC count as equal; the smallest wins
SPECK_SHARE = 1 / 8  # of the usual part's area
ONE_SIDED = 0.75  # share of the maps' energy on one sign, from which on that sign alone is scored
KMEANS_PIXELS = 100_000
POLARITIES = ("positive", "negative", "both")
IMAGES = 150  # of each class


@dataclass(frozen=True)
class Calibration:
    """How one map becomes scores and a mask.

    Attributes:
        polarity: "positive", "negative" or "both".
        scale: standard deviation of the Gaussian that scores are smoothed by, as a share of the image's longer side.
        speck: a part of a mask smaller than this share of the longer side's square is dropped.
        threshold: a pixel belongs to the object where its score is at least this.
        rule: how the threshold was found.
        thresholds: what each named rule would say.
        probability: whether scores are probabilities, at whose levels objects that touch are parted.
    """

    polarity: str
    scale: float
    speck: float
    threshold: float
    rule: str
    thresholds: dict[str, float]
    probability: bool = False

    def scores(self, signed: np.ndarray | Tensor) -> np.ndarray:
        """A signed map (..., C, H, W) as one smoothed number a pixel (..., H, W): higher means more of the object."""
        return smoothed(score(signed, self.polarity), self.scale)

    def signs(self, signed: np.ndarray | Tensor) -> np.ndarray:
        """-1 where a signed map (..., C, H, W) is dark, else 1; smoothed as its scores are, (..., H, W)."""
        return np.where(smoothed(np.asarray(signed).mean(axis=-3), self.scale) < 0, -1.0, 1.0)

    def min_area(self, height: int, width: int) -> int:
        """Pixels that a part of a mask has at least, in an image of that size."""
        return round(self.speck * max(height, width) ** 2)

    def claiming_nothing(self) -> "Calibration":
        """This calibration with thresholds that no score reaches."""
        return replace(self, threshold=np.inf, thresholds=dict.fromkeys(self.thresholds, np.inf))

    def threshold_for(self, rule: str | float) -> float:
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
        return np.inf if self.threshold == np.inf else value  # where nothing is claimed, no number claims it


def score(signed: np.ndarray | Tensor, polarity: str) -> np.ndarray:
    """A signed map (..., C, H, W) as one number a pixel (..., H, W): |map|, or its positive or negative part.

    Channels are averaged after the part is taken.

    >>> [score(np.array([[[1.0]], [[-3.0]]]), polarity).item() for polarity in ("both", "positive", "negative")]
    [2.0, 0.5, 1.5]
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


def calibration_images(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The training images (n, C, S, S) and classes (n,) that a calibration looks at: some of each class."""
    chosen = some_of_each(y, classes=2, each=IMAGES)
    return x[chosen], y[chosen]


def calibrate(maps: Mapping[MapName, Tensor], y: Tensor) -> dict[MapName, Calibration]:
    """Calibrate maps, (n, C, S, S) each, of training images of classes (n,)."""
    kinds = {name: kind for name, kind in KINDS.items() if name in maps}
    loud = {name: np.asarray(maps[name][y == 1]) for name in kinds}
    quiet = {name: np.asarray(maps[kind.quiet_of][y == 0]) for name, kind in kinds.items()}
    polarity = {name: _polarity(loud[kind.sign_of]) for name, kind in kinds.items()}
    scale = {
        name: _scale(score(maps[name], polarity[name]), y.numpy())
        for name in {kind.scale_of: None for kind in kinds.values()}
    }
    return {
        name: _cut(kind, loud[name], quiet[name], polarity[name], scale[kind.scale_of]) for name, kind in kinds.items()
    }


def calibrate_like_residual(
    signed: Tensor, y: Tensor, polarity: str | None = None, most: float = np.inf
) -> Calibration:
    """Calibrate another method's maps (n, C, S, S) of images of classes (n,), which are defined for both classes.

    Methods are then compared by what they see, not by how their maps are smoothed and cut.  They are smoothed by `most`
    at the most.
    """
    loud, quiet = (np.asarray(signed[y == k]) for k in (1, 0))
    polarity = polarity or _polarity(loud)
    return _cut(KINDS["residual"], loud, quiet, polarity, _scale(score(signed, polarity), y.numpy(), most))


def _cut(kind: MapKind, loud: Floats, quiet: Floats, polarity: str, scale: float) -> Calibration:
    scores, others = (smoothed(score(part, polarity), scale) for part in (loud, quiet))
    thresholds = {
        "negatives": float(np.quantile(others, QUANTILE)),
        "otsu": float(threshold_otsu(scores)),
        "two-means": _between_two_means(scores),
    }
    threshold, rule = kind.default_rule(thresholds)
    return Calibration(polarity, scale, speck_share(scores, threshold), threshold, rule, thresholds, kind.probability)


def _scale(scores: Floats, y: Floats, most: float = np.inf) -> float:
    """The smallest of `SCALES` after which images' highest scores separate the classes as well as after any other.

    None is larger than `most`.
    """
    scales = [scale for scale in SCALES if scale <= most]
    told = np.array([roc_auc_score(y == 1, smoothed(scores, scale).max(axis=(1, 2))) for scale in scales])
    return scales[int(np.argmax(told >= told.max() - AUROC_TIE))]


def speck_share(scores: Floats, threshold: float) -> float:
    """`SPECK_SHARE` of the area such that half of all marked pixels lie in larger parts, as a share of an image.

    Scores are (n, S, S); 0 where nothing reaches the threshold.
    """
    parts = [regions_of([(0, above(image, threshold), image)]) for image in scores]
    areas = np.sort([region.area for regions in parts for region in regions])
    if not len(areas):
        return 0.0
    usual = areas[np.searchsorted(areas.cumsum(), areas.sum() / 2)]
    return float(SPECK_SHARE * usual / scores[0].size)


def _between_two_means(scores: Floats) -> float:
    values = np.random.default_rng(0).permutation(scores.ravel())[:KMEANS_PIXELS, None]
    if len(np.unique(values)) < 2:
        return float(values[0, 0])
    return float(KMeans(2, n_init=1, random_state=0).fit(values).cluster_centers_.mean())


def _polarity(positives: Floats) -> str:
    """The sign that holds `ONE_SIDED` of the energy of the positive class's maps, or "both"."""
    positive, negative = (np.maximum(positives, 0) ** 2).sum(), (np.minimum(positives, 0) ** 2).sum()
    if positive + negative == 0:
        return "both"
    share = positive / (positive + negative)
    return "positive" if share >= ONE_SIDED else "negative" if share <= 1 - ONE_SIDED else "both"


def save_calibration(run: Run, calibration: Mapping[MapName, Calibration]) -> None:
    """Write calibration.json, with the id of its run."""
    owner = {"run": run.id} if run.id else {}
    write_json(run.calibration, {**owner, **{name: vars(c) for name, c in calibration.items()}})


def load_calibration(run: Run) -> dict[MapName, Calibration]:
    """Calibration of every map that the run draws; empty if it has none, or one from a version with fewer maps.

    Raises:
        RunError: when calibration.json is not one, or is of another run.
    """
    if not run.calibration.is_file():
        return {}
    try:
        content = parse_json(run.calibration.read_text(encoding="utf-8"))
        owner, own = content.pop("run", ""), run.id
        known = {name: _checked({"probability": name == TAUGHT, **entry}) for name, entry in content.items()}
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"{run.calibration}: not a calibration ({error}); make it again with --resume") from None
    if owner and own and owner != own:
        raise RunError(f"{run.calibration}: is of another run; make it again with --resume")
    names = [name for name in MAPS if name in known]
    return {name: known[name] for name in names} if {*names, TAUGHT} == set(MAPS) else {}


def _checked(entry: dict[str, Any]) -> Calibration:
    """One map's calibration out of a file, which may be a stranger's; raises ValueError for what makes no sense."""
    polarity, thresholds = str(entry["polarity"]), dict(entry["thresholds"])
    numbers = {name: float(entry[name]) for name in ("scale", "speck", "threshold")}
    named = {str(rule): float(value) for rule, value in thresholds.items()}
    if polarity not in POLARITIES:
        raise ValueError(f"polarity '{polarity}', expected one of {', '.join(POLARITIES)}")
    if not (0 <= numbers["scale"] <= 1 and 0 <= numbers["speck"] <= 1):
        raise ValueError("scale and speck must lie between 0 and 1")
    if not all(value >= 0 and np.isfinite(value) for value in (numbers["threshold"], *named.values())):
        raise ValueError("a threshold is no number of at least 0")
    probability = bool(entry["probability"])
    return Calibration(polarity=polarity, rule=str(entry["rule"]), thresholds=named, probability=probability, **numbers)
