"""How well maps tell findings apart, by hand."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from acdm.evaluation.findings import confusion, sensitivity


def truth(masks, boxes):
    return SimpleNamespace(masks=[np.array(mask, bool) for mask in masks], boxes=boxes)


TRUTHS = {
    "spur": truth([[[1, 0, 0, 0]], [[0, 0, 0, 0]]], [[(0, 0, 1, 1)], []]),
    "open": truth([[[0, 1, 1, 0]], [[1, 0, 0, 0]]], [[(0, 1, 1, 3)], [(0, 0, 1, 1)]]),
}


def test_shares_of_a_map_in_the_true_parts_of_each_finding():
    scores = {
        "spur": [np.array([[6.0, 1.0, 0.0, 1.0]]), np.array([[2.0, 0.0, 0.0, 0.0]])],  # 10 in all
        "open": [np.array([[0.0, 2.0, 2.0, 0.0]]), np.array([[4.0, 0.0, 0.0, 2.0]])],
    }
    found = confusion(scores, TRUTHS)
    assert found["spur"] == pytest.approx({"spur": 0.6, "open": 0.3})
    assert found["open"] == pytest.approx({"spur": 0.0, "open": 0.8})


def test_an_empty_map_has_no_share():
    none = {"spur": [np.zeros((1, 4)), np.zeros((1, 4))]}
    assert all(math.isnan(share) for share in confusion(none, TRUTHS)["spur"].values())


def test_sensitivity_ranks_own_boxes_above_those_of_others():
    """Means in the boxes of spur; open: 5; 1 and 6, so that one of two pairs is right."""
    scores = {"spur": [np.array([[5.0, 2.0, 0.0, 0.0]]), np.array([[6.0, 0.0, 0.0, 0.0]])]}
    assert sensitivity(scores, TRUTHS)["spur"] == 0.5
    assert math.isnan(sensitivity(scores, {"spur": TRUTHS["spur"]})["spur"])
