"""From a signed map to a mask and its regions; no true mask is ever seen."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from skimage.filters import sobel
from skimage.segmentation import random_walker, watershed
from torch import Tensor

from acdm.data.images.arrays import Box, Floats, Mask
from acdm.maps.calibration import Calibration
from acdm.maps.decomposition import SignedMap
from acdm.maps.parts import parted
from acdm.maps.regions import Region, above, mask_of, regions_of, without_specks

Refine = Literal["none", "watershed", "random-walker"]

SURELY_OBJECT, SURELY_NONE = 1.0, 0.3  # shares of the threshold, from the first on and up to the second


@dataclass(frozen=True)
class Segmentation:
    """A map cut at a threshold.

    Attributes:
        mask: (H, W).
        scores: (H, W), what was cut.
        threshold: from which on a pixel belongs to the object.
        regions: connected parts, the one with the highest score first; of a probability, objects that touch are apart.
    """

    mask: Mask
    scores: Floats
    threshold: float
    regions: list[Region]

    @property
    def boxes(self) -> list[Box]:
        """The regions' bounding boxes."""
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
        calibration: of the map, where the map does not know its own.
        min_area: in pixels; smaller parts are dropped and smaller holes closed.  None takes what the calibration
            calls a speck.
        refine: whether borders are moved to edges of the image, and how.
        image: (C, H, W), needed to refine.

    Raises:
        ValueError: when the map knows no calibration and none is given, or the image to refine by is missing.
        ConfigError: when there is no such rule.
    """
    known = calibration or (signed.calibration if isinstance(signed, SignedMap) else None)
    if known is None:
        raise ValueError("got a map without a calibration, expected one of acdm.load(run).decompose(image)")
    if refine != "none" and image is None:
        raise ValueError(f"got no image, expected the one to refine by ({refine})")
    grey = None if refine == "none" else np.asarray(image).mean(axis=0)
    return cut(known.scores(signed), known, rule, min_area=min_area, refine=refine, grey=grey)


def cut(
    scores: Floats,
    known: Calibration,
    rule: str | float = "default",
    *,
    min_area: int | None = None,
    refine: Refine = "none",
    grey: Floats | None = None,
) -> Segmentation:
    """Cut the smoothed scores (H, W) of a map; `grey` (H, W) is the image to refine by, all else as for `segment`."""
    threshold = known.threshold_for(rule)
    mask = above(scores, threshold)
    if refine != "none" and grey is not None and mask.any():
        mask = _refined(mask, scores, threshold, grey, refine)
    regions = objects_of([(0, mask, scores)], known, known.min_area(*mask.shape) if min_area is None else min_area)
    mask = mask_of(regions, 0, *mask.shape)
    return Segmentation(mask, scores, threshold, regions)


def objects_of(bands: Iterable[tuple[int, Mask, Floats]], known: Calibration, min_area: int) -> list[Region]:
    """The regions of a mask that comes in bands, as `regions_of` takes them: no specks, objects that touch apart."""
    regions = without_specks(regions_of(bands, known.probability), min_area)
    return parted(regions, min_area) if known.probability else regions


def _refined(mask: Mask, scores: Floats, threshold: float, grey: Floats, how: Refine) -> Mask:
    """Decide the pixels between surely none and surely object by the image's edges."""
    seeds = np.zeros(mask.shape, np.int32)
    seeds[scores <= SURELY_NONE * threshold] = 1
    seeds[scores >= SURELY_OBJECT * threshold] = 2
    if not (seeds == 1).any():
        return mask
    if how == "watershed":
        labels = watershed(sobel(grey), seeds)
    else:
        labels = random_walker(grey, seeds, beta=130, mode="cg_j", tol=1e-3)
    return np.asarray(labels == 2)
