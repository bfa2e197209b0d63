"""What is learned from training images without masks: which sign carries the object, and where to cut.

Rules:
    otsu               Otsu's threshold over the pooled training maps of the positive class (contrast, whose negatives
                       show the object that the swap would add, and therefore never set a threshold)
    otsu or negatives  the same, but at least the value that 99.5 % of the other class's training pixels stay under
                       (psi1, residual)
"""

from dataclasses import dataclass

import numpy as np
import torch
from skimage.filters import threshold_otsu
from torch import Tensor

from acdm.compose import compose, distinction
from acdm.decompose import MAPS, Decomposer, score
from acdm.errors import RunError
from acdm.files import write_json
from acdm.run import Run

QUANTILE = 0.995
ONE_SIDED = 0.75  # of the maps' energy on one sign, and that sign alone is scored
IMAGES = 150  # of each class, the first of the training images


@dataclass(frozen=True)
class Calibration:
    """How one map becomes scores and a mask.

    Attributes:
        polarity: "positive", "negative" or "both".
        threshold: a pixel belongs to the object where its score is at least this.
        rule: how the threshold was found.
    """

    polarity: str
    threshold: float
    rule: str


def calibrate(decomposer: Decomposer, x: Tensor, y: Tensor) -> dict[str, Calibration]:
    """Calibrate every map on training images (n, C, S, S) of classes (n,)."""
    chosen = torch.cat([torch.nonzero(y == k).squeeze(1)[:IMAGES] for k in (0, 1)])
    x, y = x[chosen], y[chosen]
    maps = network_maps(x, y, *decomposer.split(x, y, 1 - y))
    result = {}
    for name in MAPS:
        positives, negatives = maps[name][y == 1].numpy(), maps[name][y == 0].numpy()
        polarity = _polarity(positives)
        threshold, rule = float(threshold_otsu(score(positives, polarity))), "otsu"
        if name != "contrast":
            threshold = max(threshold, float(np.quantile(score(negatives, polarity), QUANTILE)))
            rule = f"otsu or negatives {QUANTILE:.1%}"
        result[name] = Calibration(polarity, threshold, rule)
    return result


def network_maps(x: Tensor, y: Tensor, own: Tensor, other: Tensor) -> dict[str, Tensor]:
    """The three maps of a batch at network size, (n, C, S, S) each.

    Args:
        x: (n, C, S, S).
        y: (n,) classes, 0 or 1.
        own, other: branches under them and under the other class, (n, N, C, S, S).
    """
    negative = torch.where((y == 0)[:, None, None, None], compose(own), compose(other))
    return {
        "psi1": distinction(own),
        "contrast": distinction(own) - distinction(other),
        "residual": x - negative,
    }


def save_calibration(run: Run, calibration: dict[str, Calibration]) -> None:
    write_json(run.calibration, {name: vars(c) for name, c in calibration.items()})


def load_calibration(run: Run) -> dict[str, Calibration]:
    """Raises RunError when calibration.json is missing or not one."""
    content = run.read_json(run.calibration.name)
    try:
        return {
            name: Calibration(str(c["polarity"]), float(c["threshold"]), str(c["rule"])) for name, c in content.items()
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RunError(f"{run.calibration}: not a calibration; make it again with --resume") from None


def _polarity(positives: np.ndarray) -> str:
    above, below = (np.maximum(positives, 0) ** 2).sum(), (np.minimum(positives, 0) ** 2).sum()
    if above + below == 0:
        return "both"
    share = above / (above + below)
    return "positive" if share >= ONE_SIDED else "negative" if share <= 1 - ONE_SIDED else "both"
