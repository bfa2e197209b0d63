"""From a signed map to a mask and its regions; no true mask is ever seen."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from skimage.filters import sobel
from skimage.segmentation import random_walker, watershed
from torch import Tensor

from acdm.data.images.arrays import Box
from acdm.maps.calibration import Calibration
from acdm.maps.regions import Mask, Region, Scores, cut, painted, regions_of, tidied

Refine = Literal["none", "watershed", "random-walker"]

SURE, NOTHING = 1.0, 0.3  # shares of the threshold: from here on surely object, up to here surely none


@dataclass(frozen=True)
class Segmentation:
    """A map cut at a threshold.

    Attributes:
        mask: (H, W).
        scores: (H, W), what was cut.
        threshold: from which on a pixel belongs to the object.
        regions: connected parts, the one with the highest score first.
    """

    mask: Mask
    scores: Scores
    threshold: float
    regions: list[Region]

    @property
    def boxes(self) -> list[Box]:
        return [region.box for region in self.regions]


def segment(
    signed: Tensor,
    rule: str | float = "default",
    *,
    calibration: Calibration | None = None,
    min_area: int | None = None,
    refine: Refine = "none",
    image: Tensor | None = None,
) -> Segmentation:
    """Cut a map, close small holes, drop small parts, and find the regions.

    Args:
        signed: (C, H, W); a map of a `Decomposition` knows its calibration.
        rule: default, negatives, otsu, two-means (all learned on training images, without masks), or a number.
        calibration: of the map, where it does not know its own.
        min_area: in pixels; smaller parts are dropped and smaller holes closed.  None: what the calibration takes
            for a speck.
        refine: whether the border is moved to edges of the image, and how.
        image: (C, H, W), needed to refine.

    Raises:
        ValueError: when the map knows no calibration and none is given, or the image to refine by is missing.
        ConfigError: when there is no such rule.
    """
    known = calibration or getattr(signed, "calibration", None)
    if known is None:
        raise ValueError("got a map without a calibration, expected one of acdm.load(run).decompose(image)")
    threshold = known.at(rule)
    scores = known.scores(signed)
    mask = cut(scores, threshold)
    if refine != "none" and mask.any():
        if image is None:
            raise ValueError(f"got no image, expected the one to refine by ({refine})")
        mask = _refined(mask, scores, threshold, np.asarray(image).mean(axis=0), refine)
    regions = regions_of([(0, mask, scores)])
    regions = tidied(regions, known.least(*mask.shape) if min_area is None else min_area)
    mask = painted(regions, 0, *mask.shape)
    return Segmentation(mask, scores, threshold, regions)


def _refined(mask: Mask, scores: Scores, threshold: float, grey: Scores, how: Refine) -> Mask:
    """Decide the pixels between surely none and surely object by the image's edges."""
    seeds = np.zeros(mask.shape, np.int32)
    seeds[scores <= NOTHING * threshold] = 1
    seeds[scores >= SURE * threshold] = 2
    if not (seeds == 1).any():
        return mask
    if how == "watershed":
        labels = watershed(sobel(grey), seeds)
    else:
        labels = random_walker(grey, seeds, beta=130, mode="cg_j", tol=1e-3)
    return np.asarray(labels == 2)
