import numpy as np
import pytest

from acdm.evaluation import metrics

SCORES = np.array([[0.9, 0.8], [0.7, 0.1]])
MASK = np.array([[True, False], [True, False]])


def test_auprc_by_hand():
    # ranks: true, false, true, false -> (1/1 + 2/3) / 2
    assert metrics.auprc(SCORES, MASK) == pytest.approx((1 + 2 / 3) / 2)


def test_auroc_by_hand():
    # of four pairs (true, false), .7 < .8 is the only wrong one
    assert metrics.auroc(SCORES, MASK) == pytest.approx(3 / 4)


def test_best_iou_by_hand():
    # threshold .9: 1/2; .8: 1/3; .7: 2/3; .1: 2/4
    assert metrics.best_iou(SCORES, MASK) == (pytest.approx(2 / 3), pytest.approx(0.7))


def test_best_iou_never_parts_equal_scores():
    assert metrics.best_iou(np.zeros((2, 2)), MASK)[0] == pytest.approx(0.5)


def test_iou_and_dice_by_hand():
    prediction = np.array([[True, True], [False, False]])
    assert metrics.iou(prediction, MASK) == pytest.approx(1 / 3)
    assert metrics.dice(prediction, MASK) == pytest.approx(1 / 2)
    assert metrics.dice_of_iou(1 / 3) == pytest.approx(1 / 2)


def test_undefined_figures_are_nan():
    nothing = np.zeros((2, 2), bool)
    values = (
        metrics.auprc(SCORES, nothing),
        metrics.auroc(SCORES, nothing),
        metrics.best_iou(SCORES, nothing)[0],
        metrics.iou(nothing, nothing),
        metrics.dice(nothing, nothing),
        metrics.ncc(np.ones((2, 2)), SCORES),
        metrics.pxap([SCORES], [nothing]),
        metrics.pointing_game([SCORES], [nothing]),
        metrics.relevance_mass([np.zeros((2, 2))], [MASK]),
        metrics.maxboxacc([SCORES], [[]]),
        metrics.box_recall([SCORES], [[]], [0.5]),
    )
    assert np.isnan(values).all()


def test_ncc_agrees_with_the_correlation_coefficient(rng):
    a, b = rng.standard_normal((2, 8, 8))
    assert metrics.ncc(a, b) == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_pxap_of_a_perfect_map_is_one_and_it_scales_every_map_by_itself():
    perfect = MASK.astype(float)
    assert metrics.pxap([perfect, 5 * perfect + 3], [MASK, MASK]) == pytest.approx(1)


def test_pxap_by_hand():
    # min-max scaled scores 1, .875, .75, 0: as auprc, no two share a bin
    assert metrics.pxap([SCORES], [MASK]) == pytest.approx((1 + 2 / 3) / 2)


def test_pointing_game_and_relevance_mass_by_hand():
    other = np.array([[0.0, 1.0], [0.0, 0.0]])
    assert metrics.pointing_game([SCORES, other], [MASK, MASK]) == 0.5
    assert metrics.relevance_mass([SCORES, other], [MASK, MASK]) == pytest.approx((1.6 / 2.5 + 0) / 2)


def test_boxes_of_parts_that_touch_at_a_corner_are_one():
    mask = np.zeros((6, 6), bool)
    mask[0, 0] = mask[1, 1] = mask[4, 3:5] = True
    assert metrics.boxes_of(mask) == [(0, 0, 2, 2), (4, 3, 5, 5)]


def test_box_iou_by_hand():
    assert metrics.box_iou((0, 0, 2, 2), (1, 1, 3, 3)) == pytest.approx(1 / 7)


def test_maxboxacc_takes_one_threshold_for_all_images():
    sharp, faint = np.zeros((2, 10, 10))
    sharp[2:5, 2:5] = 1.0
    faint[2:5, 2:5], faint[7, 7] = 0.4, 1.0  # its object only shows below .4
    box = [(2, 2, 5, 5)]
    assert metrics.maxboxacc([sharp, faint], [box, box]) == 1.0  # at any threshold up to .4
    faint[0, 0:9] = 0.45  # and now something larger hides it
    assert metrics.maxboxacc([sharp, faint], [box, box]) == 0.5


def test_maxboxacc_of_an_empty_map_is_a_miss():
    assert metrics.maxboxacc([np.zeros((10, 10))], [[(2, 2, 5, 5)]]) == 0


def test_box_recall_allows_one_false_box_an_image_and_ignores_cut_boxes():
    scores = np.zeros((10, 10))
    scores[2:5, 2:5], scores[7:9, 7:9], scores[0:2, 7:9] = 0.9, 0.8, 0.7
    inside, cut = (2, 2, 5, 5), (0, 7, 2, 9)
    assert metrics.box_recall([scores], [[inside, cut]], [0.5]) == 1.0
    assert np.isnan(metrics.box_recall([scores], [[]], [0.5]))
    assert metrics.box_recall([scores], [[(5, 1, 7, 2)]], [0.5]) == 0  # three false boxes are too many


def test_the_bootstrap_of_one_group_has_no_width():
    low, high = metrics.bootstrap([np.array([3.0, 4.0])] * 5, ["a"] * 5, lambda v: v[0] / v[1])
    assert low == high == pytest.approx(0.75)


def test_auprc_of_counts_agrees_with_auprc():
    counts = np.array([[1, 0], [0, 1], [1, 0], [0, 1]])  # from the lowest score up: false, true, false, true
    assert metrics.auprc_of_counts(counts) == pytest.approx(metrics.auprc(SCORES, MASK))


def test_average_precision_of_boxes_by_hand():
    """One of two true boxes is found, louder than a false alarm: precision 1 up to a recall of a half, then nothing.

    COCO reads precision at 101 recalls, 51 of them there.  The box found overlaps with IoU .8: AP50 counts it, of ten
    IoUs .5 to .95 seven do.
    """
    true = [[(10, 10, 20, 20), (30, 30, 40, 40)], []]
    found = [[((10, 10, 20, 18), 0.9)], [((0, 5, 9, 9), 0.8)]]
    ap50, ap50_95 = metrics.box_ap(found, true, [(50, 50)] * 2)
    assert ap50 == pytest.approx(51 / 101)
    assert ap50_95 == pytest.approx(0.7 * 51 / 101)


def test_boxes_cut_by_the_border_are_neither_wanted_nor_false_alarms():
    true = [[(0, 10, 20, 20), (30, 30, 40, 40)]]
    found = [[((0, 10, 20, 20), 0.9), ((30, 30, 40, 40), 0.5)]]
    assert metrics.box_ap(found, true, [(50, 50)]) == pytest.approx((1, 1))
    assert np.isnan(metrics.box_ap(found, [[(0, 10, 20, 20)]], [(50, 50)])).all(), "none is whole"
    assert metrics.box_ap([[]], true, [(50, 50)]) == (0, 0)
