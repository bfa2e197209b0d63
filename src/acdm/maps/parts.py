"""Objects that touch in a mask, parted where the probability falls between them.

Seeds are the parts of a region at a higher probability; the watershed of the probability deals out the rest of it
(Vincent and Soille 1991).  A region is parted only where that makes its parts more convex, so that one object of many
limbs stays one.  Chosen on dev halves: docs/results/choices.md.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label
from skimage.measure import regionprops
from skimage.segmentation import watershed

from acdm.data.images.arrays import Floats, Mask
from acdm.maps.regions import CONNECTED, Region

LEVELS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # probabilities at which parts are looked for; the highest that helps is taken
MORE_CONVEX = 0.05  # of solidity: a part's pixels over those of its convex hull
SEED_SHARE, LEAST_SEED = 0.5, 4  # of the smallest region's pixels; pixels
MOST_PIXELS = 1_000_000  # of a region's box; a larger one is no heap of objects, and would take minutes
MOST_PARTS = 1_000


def parted(regions: Sequence[Region], min_area: int) -> list[Region]:
    """Regions of a map of probabilities, those that hold several objects in their parts, the highest score first.

    Args:
        regions: connected parts of a mask, with their scores.
        min_area: pixels of the smallest region that counts.
    """
    parts = [part for region in regions for part in _parts_of(region, min_area)]
    return sorted(parts, key=lambda part: -part.score)


def _parts_of(region: Region, min_area: int) -> list[Region]:
    """The parts of one region, at the highest level whose parts are more convex; else the region itself."""
    if region.scores is None or region.mask.size > MOST_PIXELS or region.scores.max() < LEVELS[0]:
        return [region]
    scores = region.scores.astype(np.float32)
    whole = float(regionprops(region.mask.astype(np.uint8))[0].solidity)
    for level in reversed(LEVELS):
        grown = _grown(region.mask, scores, level, min_area)
        if grown is None:
            continue
        parts = regionprops(grown)
        if np.average([p.solidity for p in parts], weights=[p.area for p in parts]) >= whole + MORE_CONVEX:
            return [_within(region, np.asarray(part.image), part.bbox) for part in parts]
    return [region]


def _grown(mask: Mask, scores: Floats, level: float, min_area: int) -> NDArray[np.int32] | None:
    """The mask dealt out to two or more parts of at least `min_area` pixels, by number; None where there are none."""
    seeds, count = label(mask & (scores >= level), CONNECTED)
    kept = np.flatnonzero(np.bincount(seeds.ravel()) >= max(LEAST_SEED, SEED_SHARE * min_area))
    while 2 <= len(kept[kept > 0]) <= MOST_PARTS:
        kept = kept[kept > 0]
        grown = watershed(-scores, np.where(np.isin(seeds, kept), seeds, 0), CONNECTED, mask=mask)
        large = kept[np.bincount(grown.ravel(), minlength=count + 1)[kept] >= min_area]
        if len(large) == len(kept):
            return np.asarray(grown, np.int32)
        kept = large
    return None


def _within(region: Region, mask: Mask, inner: tuple[int, int, int, int]) -> Region:
    """The part of a region that lies in a box within its own, by the part's mask in it."""
    top, left, bottom, right = inner
    assert region.scores is not None  # it was parted by them
    scores = region.scores[top:bottom, left:right]
    row, column = region.box[:2]
    box = (row + top, column + left, row + bottom, column + right)
    return Region(mask, box, float(scores[mask].astype(np.float64).mean()), scores)
