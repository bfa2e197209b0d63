"""Objects that touch, parted where the probability falls between them."""

from itertools import pairwise

import numpy as np
import pytest

from acdm.maps.calibration import Calibration
from acdm.maps.parts import parted
from acdm.maps.regions import mask_of, regions_of
from acdm.maps.segmentation import cut

SIDE = 48
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]
KNOWN = Calibration("positive", 0.0, 0.0, 0.25, "one in four", {}, probability=True)


def hill(row, column, width=5.0):
    """A probability that falls from 1 around a place."""
    return np.exp(-((ROWS - row) ** 2 + (COLUMNS - column) ** 2) / (2 * width**2))


def bar(top, left, bottom, right):
    inside = (top <= ROWS) & (bottom > ROWS) & (left <= COLUMNS) & (right > COLUMNS)
    return np.where(inside, 0.95, 0.0)


def test_two_hills_that_touch_are_two_objects_with_a_box_each():
    scores = np.maximum(hill(20, 14), hill(26, 30))
    found = cut(scores, KNOWN)
    assert len(regions_of([(0, scores >= 0.25, scores)])) == 1, "one connected part"
    assert len(found.regions) == 2
    (top, left, bottom, right), other = sorted(found.boxes, key=lambda box: box[1])
    assert top <= 20 < bottom
    assert left <= 14 < right <= other[1] + 2
    assert other[0] <= 26 < other[2]
    assert other[1] <= 30 < other[3]
    np.testing.assert_array_equal(found.mask, scores >= 0.25)  # the mask stays whole


def test_an_object_with_limbs_stays_one():
    """A plane: its wings and its tail are as probable as its body, or a little less."""
    body, wings, tail = bar(6, 22, 42, 27), 0.8 * bar(16, 8, 21, 41), 0.8 * bar(36, 16, 40, 33)
    scores = np.maximum.reduce([body, wings, tail])
    assert len(cut(scores, KNOWN).regions) == 1


def test_a_single_hill_stays_one_and_other_maps_are_never_parted():
    assert len(cut(hill(24, 24, 8), KNOWN).regions) == 1
    scores = np.maximum(hill(20, 14), hill(26, 30))
    assert len(cut(scores, Calibration("positive", 0.0, 0.0, 0.25, "otsu", {})).regions) == 1


@pytest.mark.parametrize("heights", [[48], [13, 17, 18], [1] * 48])
def test_parts_deal_out_their_region_in_bands_as_in_the_whole(heights):
    scores = np.maximum.reduce([hill(12, 12), hill(14, 27), hill(30, 20)])
    tops = np.cumsum([0, *heights])
    regions = regions_of([(a, scores[a:b] >= 0.25, scores[a:b]) for a, b in pairwise(tops)], keep_scores=True)
    parts = parted(regions, 0)
    masks = [mask_of([part], 0, SIDE, SIDE) for part in parts]
    assert len(parts) == 3
    np.testing.assert_array_equal(np.sum(masks, axis=0), (scores >= 0.25).astype(int))  # all of it, nothing twice
    for part, mask in zip(parts, masks, strict=True):
        assert part.score == pytest.approx(scores[mask].mean(), abs=2e-3)
        rows, columns = np.nonzero(mask)
        assert part.box == (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
    assert [part.score for part in parts] == sorted((part.score for part in parts), reverse=True)


def test_no_part_is_smaller_than_the_smallest_region():
    """Three hills in one region; the smallest part, then the two smaller ones, are too small to stand alone."""
    scores = np.maximum.reduce([hill(14, 10), hill(30, 14), hill(20, 26, 4)])
    regions = regions_of([(0, scores >= 0.25, scores)], keep_scores=True)
    areas = {least: sorted(part.area for part in parted(regions, least)) for least in (1, 150, 230)}
    assert [len(found) for found in areas.values()] == [3, 2, 1]
    assert all(found[0] >= least and sum(found) == regions[0].area for least, found in areas.items())
