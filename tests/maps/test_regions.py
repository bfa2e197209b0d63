from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import label

from acdm.maps.regions import mask_of, regions_of, without_specks


@pytest.mark.parametrize("heights", [[40], [1] * 40, [7, 13, 1, 19], [20, 20]])
@pytest.mark.parametrize("density", [0.0, 0.2, 0.4, 0.6, 1.0])
def test_parts_of_a_mask_in_bands_are_those_of_the_whole(rng, heights, density):
    mask, scores = rng.random((40, 33)) < density, rng.random((40, 33))
    tops = np.cumsum([0, *heights])
    bands = [(a, mask[a:b], scores[a:b]) for a, b in pairwise(tops)]
    regions = regions_of(bands)
    parts, count = label(mask, np.ones((3, 3)))
    assert len(regions) == count
    for region in regions:
        alone = mask_of([region], 0, 40, 33)
        (number,) = np.unique(parts[alone])
        np.testing.assert_array_equal(alone, parts == number)
        assert region.score == pytest.approx(scores[alone].mean())
        rows, columns = np.nonzero(alone)
        assert region.box == (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
    assert [r.score for r in regions] == sorted((r.score for r in regions), reverse=True)


def test_painting_is_the_way_back(rng):
    mask = rng.random((20, 30)) < 0.3
    regions = regions_of([(0, mask, mask.astype(float))])
    rows = [mask_of(regions, top, top + 4, 30) for top in range(0, 20, 4)]
    np.testing.assert_array_equal(np.concatenate(rows), mask)


def test_a_bay_is_no_hole():
    """A ring with a hole of one pixel, and a horseshoe whose inner pixel is open to the outside."""
    mask = np.zeros((9, 9), bool)
    mask[0:3, 0:3] = mask[5:8, 5:8] = True
    mask[1, 1] = mask[6, 6] = mask[5, 6] = False
    mask[0, 8] = True
    ring, horseshoe = sorted(
        without_specks(regions_of([(0, mask, mask.astype(float))]), 2), key=lambda region: region.box
    )
    assert (ring.area, horseshoe.area) == (9, 7)
