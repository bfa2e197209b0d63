import numpy as np
import pytest
import torch

from acdm.core.run import Run
from acdm.maps.calibration import (
    Calibration,
    calibrate,
    calibrate_like_residual,
    load_calibration,
    save_calibration,
    score,
    speck_share,
)
from acdm.maps.decomposition import Decomposition
from acdm.method.inference import network_maps


def maps_of(x, y, object_sign=1.0):
    """Maps of networks that know the truth: a square of +-1 under class 1, nothing under class 0, dirt in branch 2."""
    square = torch.zeros_like(x)
    square[:, :, 4:8, 4:8] = object_sign
    rest = torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) * 0.01

    def under(k):
        return torch.stack([square * k[:, None, None, None], -rest], dim=1)

    drawn = network_maps(x, y, under(y), under(1 - y))
    return {**drawn, "evidence": 2 * drawn["residual"]}


def squares(sign):
    x, y = torch.zeros(20, 1, 16, 16), torch.arange(20) % 2
    x[y == 1, :, 4:8, 4:8] = sign
    return x, y


@pytest.fixture
def images():
    return squares(1.0)


@pytest.mark.parametrize(("sign", "polarity"), [(1.0, "positive"), (-1.0, "negative")])
def test_the_sign_of_the_object_is_found_without_masks(sign, polarity):
    x, y = squares(sign)
    calibration = calibrate(maps_of(x, y, sign), y)
    assert calibration["psi1"].polarity == calibration["contrast"].polarity == polarity


def test_thresholds_part_the_object_from_the_rest(images):
    x, y = images
    maps = maps_of(x, y)
    calibration = calibrate(maps, y)
    truth = torch.zeros(16, 16, dtype=torch.bool)
    truth[4:8, 4:8] = True
    for name in ("psi1", "contrast"):
        c = calibration[name]
        found = score(maps[name][y == 1], c.polarity) >= c.threshold
        assert (found == truth.numpy()).all(), name


def test_contrast_takes_its_threshold_from_no_negative(images):
    rules = {name: c.rule for name, c in calibrate(maps_of(*images), images[1]).items()}
    assert rules == {
        "psi1": "otsu or negatives 99.5%",
        "contrast": "otsu",
        "residual": "between otsu and negatives 99.5%",
        "evidence": "between otsu and negatives 99.5%",
    }


def test_residual_is_what_the_negative_class_cannot_explain(images):
    x, y = images
    maps = maps_of(x, y)
    # under class 0 branch 1 is silent, so x - x_hat is the square and what branch 2 left out, for both classes
    left = maps["residual"] - x
    assert 0 <= left.min() <= left.max() <= 0.01


def test_a_speck_is_an_eighth_of_the_usual_part(images):
    """Every image has a square of 16 pixels, and every other one a pixel beside it."""
    x, y = images
    scores = x[y == 1, 0].numpy().copy()
    scores[::2, 12, 12] = 1
    assert speck_share(scores, 0.5) == pytest.approx(16 / 8 / 256)
    assert speck_share(scores, 2.0) == 0


def dirty(size, draw):
    """Residuals of positive images with an object under noise, and of negative ones with the noise alone."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    scores = np.abs(rng.normal(0, 0.3, (60, size, size)))
    for k in np.flatnonzero(y):
        draw(scores[k])
    return scores, y


def blob(image):
    image[20:36, 20:36] += 0.1


def line(image):
    image[30, 5:60] += 1.5


def test_a_faint_large_object_asks_for_smoothing_and_a_thin_loud_one_for_none():
    def scale(draw, **most):
        scores, y = dirty(64, draw)
        return calibrate_like_residual(torch.from_numpy(scores)[:, None], torch.from_numpy(y), "positive", **most).scale

    assert scale(blob) >= 0.02
    assert scale(line) == 0.0
    assert scale(blob, most=0.01) == 0.01
    assert scale(blob, most=0.0) == 0.0


def test_evidence_is_as_fine_as_the_residual():
    (thin, y), (faint, _) = dirty(64, line), dirty(64, blob)
    maps = {"residual": torch.from_numpy(thin)[:, None], "evidence": torch.from_numpy(faint)[:, None]}
    assert calibrate({"residual": maps["evidence"]}, torch.from_numpy(y))["residual"].scale >= 0.02
    assert calibrate(maps, torch.from_numpy(y))["evidence"].scale == 0.0


def test_calibration_survives_the_disk(images, tmp_path):
    calibration = calibrate(maps_of(*images), images[1])
    save_calibration(Run(tmp_path), calibration)
    assert load_calibration(Run(tmp_path)) == calibration


def test_score_by_hand():
    signed = torch.tensor([1.0, -3.0]).view(2, 1, 1)  # two channels of one pixel
    assert score(signed, "both").item() == 2
    assert score(signed, "positive").item() == 0.5
    assert score(signed, "negative").item() == 1.5


def test_maps_of_a_decomposition_by_hand():
    psi, psi_other = torch.tensor([3.0, 1.0]).view(2, 1, 1, 1), torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1)
    ones = torch.ones(1, 1, 1)
    d = Decomposition(
        image=torch.full((1, 1, 1), 4.5),
        psi=psi,
        psi_other=psi_other,
        drawn={"residual": 2 * ones, "evidence": 3 * ones},
        label="ill",
        other="healthy",
    )
    assert d.psi1.item() == d.evidence.item() == 3
    assert d.residual.item() == 2
    assert d.contrast.item() == 4
    assert d.reconstruction.item() == 4
    assert d.counterfactual.item() == 0


def test_where_nothing_is_claimed_no_number_claims_it():
    known = Calibration("both", 0.0, 0.0, 0.5, "otsu", {"otsu": 0.5})
    assert known.threshold_for("0.2") == 0.2
    assert known.claiming_nothing().threshold_for("0.2") == float("inf")
