"""How a signed map becomes scores and a mask: what `acdm.maps.calibrate` learned without masks, kept with the run."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter
from torch import Tensor

from acdm.core.config import MAPS
from acdm.core.files import write_json
from acdm.core.run import Run
from acdm.errors import ConfigError, RunError


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
