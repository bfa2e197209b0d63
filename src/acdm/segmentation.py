"""From a signed map to a mask and its regions; no true mask is ever seen."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, label
from skimage.filters import sobel
from skimage.morphology import remove_small_holes, remove_small_objects
from skimage.segmentation import random_walker, watershed
from torch import Tensor

from acdm.calibration import Calibration, score
from acdm.metrics import Box

Mask = NDArray[np.bool_]
Scores = NDArray[np.floating]
Refine = Literal["none", "watershed", "random-walker"]

SURE, NOTHING = 1.0, 0.3  # shares of the threshold: from here on surely object, up to here surely none
CONNECTED = np.ones((3, 3))  # eight neighbours


@dataclass(frozen=True)
class Region:
    """One connected part of a mask.

    Attributes:
        mask: (box height, box width), of this part alone.
        box: first row, first column, one past the last row, one past the last column.
        score: the map's mean within it.
    """

    mask: Mask
    box: Box
    score: float

    @property
    def area(self) -> int:
        """Pixels."""
        return int(self.mask.sum())


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
    min_area: int = 0,
    refine: Refine = "none",
    image: Tensor | None = None,
) -> Segmentation:
    """Cut a map, close small holes, drop small parts, and find the regions.

    Args:
        signed: (C, H, W); a map of a `Decomposition` knows its calibration.
        rule: default, negatives, otsu, two-means (all learned on training images, without masks), or a number.
        calibration: of the map, where it does not know its own.
        min_area: in pixels; smaller parts are dropped and smaller holes closed.
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
    scores = score(signed, known.polarity)
    mask = scores >= threshold if threshold > 0 else scores > 0
    if refine != "none" and mask.any():
        if image is None:
            raise ValueError(f"got no image, expected the one to refine by ({refine})")
        mask = _refined(mask, scores, threshold, np.asarray(image).mean(axis=0), refine)
    if min_area > 1:
        mask = remove_small_holes(
            remove_small_objects(mask, max_size=min_area - 1, connectivity=2), max_size=min_area - 1
        )
    return Segmentation(mask, scores, threshold, regions_of(mask, scores))


def regions_of(mask: Mask, scores: Scores) -> list[Region]:
    """8-connected parts of a mask (H, W), the one with the highest mean of `scores` first."""
    parts, _ = label(mask, structure=CONNECTED)
    regions = []
    for number, place in enumerate(find_objects(parts), start=1):
        own = parts[place] == number
        box = (place[0].start, place[1].start, place[0].stop, place[1].stop)
        regions.append(Region(own, box, float(scores[place][own].mean())))
    return sorted(regions, key=lambda region: -region.score)


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
