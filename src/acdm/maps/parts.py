"""Objects that touch in a mask, parted where the probability falls between them.

Seeds are the parts of a region at a higher probability; the watershed of the probability deals out the rest of it
(Vincent and Soille 1991).  A region is parted only where that makes its parts more convex, so that one object of many
limbs stays one.  Chosen on dev halves: docs/results/choices.md.
"""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import label
from skimage.measure import regionprops
from skimage.segmentation import watershed

from acdm.data.images.arrays import Mask
from acdm.maps.regions import CONNECTED, Region

LEVELS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # probabilities at which parts are looked for; the highest that helps is taken
MORE_CONVEX = 0.05  # of solidity: a part's pixels over those of its convex hull
SEED_SHARE, LEAST_SEED = 0.5, 4  # of the smallest region's pixels; pixels


def parted(regions: Sequence[Region], min_area: int) -> list[Region]:
    """Regions of a map of probabilities, those that hold several objects in their parts, the highest score first.

    Args:
        regions: connected parts of a mask.
        min_area: pixels of the smallest region that counts.
    """
    least = max(LEAST_SEED, SEED_SHARE * min_area)
    parts = [part for region in regions for part in _parts_of(region, least)]
    return sorted(parts, key=lambda part: -part.score)


def _parts_of(region: Region, least: float) -> list[Region]:
    """The parts of one region, at the highest level whose parts are more convex; else the region itself."""
    scores = region.scores.astype(np.float32)
    for level in reversed(LEVELS):
        seeds, count = label(region.mask & (scores >= level), CONNECTED)
        sizes = np.bincount(seeds.ravel(), minlength=count + 1)
        kept = [number for number in range(1, count + 1) if sizes[number] >= least]
        if len(kept) < 2:
            continue
        grown = watershed(-scores, np.where(np.isin(seeds, kept), seeds, 0), CONNECTED, mask=region.mask)
        masks = [grown == number for number in kept]
        areas = [int(mask.sum()) for mask in masks]
        if np.average([_solidity(mask) for mask in masks], weights=areas) >= _solidity(region.mask) + MORE_CONVEX:
            return [_within(region, mask) for mask in masks]
    return [region]


def _solidity(mask: Mask) -> float:
    return float(regionprops(mask.astype(np.uint8))[0].solidity)


def _within(region: Region, mask: Mask) -> Region:
    """The part of a region that a mask of its box leaves."""
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    inner = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    top, left = region.box[0], region.box[1]
    box = (int(top + rows[0]), int(left + columns[0]), int(top + rows[-1] + 1), int(left + columns[-1] + 1))
    own, scores = mask[inner], region.scores[inner]
    return Region(own, box, float(scores[own].astype(np.float64).mean()), scores)
