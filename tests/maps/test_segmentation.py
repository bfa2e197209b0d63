import numpy as np
import pytest
import torch

import acdm
from acdm.errors import ConfigError
from acdm.maps.calibration import Calibration
from acdm.maps.decomposition import SignedMap
from acdm.maps.segmentation import segment

KNOWN = Calibration("positive", 0.0, 0.0, 0.5, "otsu", {"negatives": 0.2, "otsu": 0.5, "two-means": 0.4})


@pytest.fixture
def signed():
    """A strong square of 4 x 4, a weak one of 3 x 3, one lone pixel, and a negative square that is no object."""
    values = torch.zeros(1, 20, 20)
    values[0, 2:6, 2:6] = 1.0
    values[0, 10:13, 10:13] = 0.3
    values[0, 18, 18] = 0.8
    values[0, 10:14, 2:6] = -1.0
    return values


def test_named_rules_cut_where_the_calibration_says(signed):
    assert segment(signed, calibration=KNOWN).boxes == [(2, 2, 6, 6), (18, 18, 19, 19)]
    assert segment(signed, "negatives", calibration=KNOWN).boxes == [(2, 2, 6, 6), (18, 18, 19, 19), (10, 10, 13, 13)]
    assert segment(signed, 0.9, calibration=KNOWN).boxes == [(2, 2, 6, 6)]


def test_regions_know_their_area_and_mean_score(signed):
    best = segment(signed, calibration=KNOWN).regions[0]
    assert (best.area, best.score) == (16, 1.0)


def test_small_parts_are_dropped_and_small_holes_closed(signed):
    signed[0, 3, 3] = 0
    cut = segment(signed, calibration=KNOWN, min_area=2)
    assert cut.boxes == [(2, 2, 6, 6)]
    assert cut.regions[0].area == 16


@pytest.mark.parametrize("rule", ["mean", "-1", "nan", ""])
def test_an_unknown_rule_is_a_sentence_with_those_there_are(signed, rule):
    with pytest.raises(ConfigError, match="negatives, otsu, two-means"):
        segment(signed, rule, calibration=KNOWN)


def test_a_map_of_unknown_origin_needs_a_calibration(signed):
    with pytest.raises(ValueError, match="calibration"):
        acdm.segment(signed)


def test_the_map_of_a_decomposition_knows_its_own(signed):
    signed = SignedMap.of(signed, KNOWN)
    assert acdm.segment(signed, rule="otsu").boxes == [(2, 2, 6, 6), (18, 18, 19, 19)]
    assert acdm.segment(signed, rule=0.9).boxes == [(2, 2, 6, 6)]  # importing the module must not hide the function


def test_a_cut_of_a_map_knows_its_calibration_and_a_sum_does_not(signed):
    signed = SignedMap.of(signed, KNOWN)
    assert acdm.segment(signed[:, 2:, 2:]).boxes == [(0, 0, 4, 4), (16, 16, 17, 17)]
    with pytest.raises(ValueError, match="calibration"):
        acdm.segment(signed + signed)


def test_scores_are_smoothed_and_specks_dropped():
    """A deviation of .05 of 20 pixels is one pixel: a lone pixel spreads to 1 / (2 pi), on 5 pixels above .1 or so."""
    smooth = Calibration("positive", 0.05, 0.03, 0.09, "otsu", {})
    assert smooth.min_area(20, 10) == 12
    values = torch.zeros(1, 20, 20)
    values[0, 3, 3] = 1.0
    values[0, 10:16, 10:16] = 1.0
    cut = segment(values, calibration=smooth)
    assert cut.scores[3, 3] == pytest.approx(1 / (2 * torch.pi), rel=0.05)
    assert len(cut.boxes) == 1
    assert len(segment(values, calibration=smooth, min_area=1).boxes) == 2


def test_a_silent_calibration_claims_nothing(signed):
    assert not segment(signed, calibration=KNOWN.claiming_nothing()).mask.any()


@pytest.mark.parametrize("how", ["watershed", "random-walker"])
def test_refinement_moves_the_border_to_the_edge_of_the_image(how):
    """The object is a bright disc; the map is blurred and knows only its middle well."""
    rows, columns = np.mgrid[:40, :40] - 20
    distance = np.hypot(rows, columns)
    truth = distance <= 10
    image = torch.from_numpy(np.where(truth, 0.8, -0.8).astype(np.float32))[None]
    signed = torch.from_numpy(np.clip(1.2 - distance / 14, 0, 1).astype(np.float32))[None]

    def error(**options):
        return (segment(signed, 0.8, calibration=KNOWN, **options).mask != truth).sum()

    assert error(refine=how, image=image) < error() / 4
