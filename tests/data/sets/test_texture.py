import numpy as np
import pytest

from acdm.data.images.statistics import TRIVIAL
from acdm.data.sets.texture import draw
from acdm.evaluation import metrics


def test_what_needs_no_learning_finds_nothing():
    """The chance level of AUPRC is the share of the object's pixels."""
    rng = np.random.default_rng(0)
    images = [draw(1, 64, rng) for _ in range(60)]
    masks = np.stack([image.mask for image in images])
    share = masks.mean()
    for name, score in TRIVIAL.items():
        found = metrics.auprc(np.stack([score(image.pixels) for image in images]).ravel(), masks.ravel())
        assert found == pytest.approx(share, abs=0.06), name


def test_mean_and_deviation_are_the_same_inside_and_out():
    rng = np.random.default_rng(0)
    images = [draw(1, 128, rng) for _ in range(40)]
    inside = np.concatenate([image.pixels[image.mask] for image in images])
    outside = np.concatenate([image.pixels[~image.mask] for image in images])
    assert inside.mean() == pytest.approx(outside.mean(), abs=0.01)
    assert inside.std() == pytest.approx(outside.std(), rel=0.03)


def test_the_other_class_is_noise_alone():
    image = draw(0, 64, np.random.default_rng(0))
    assert not image.mask.any()
    assert np.corrcoef(image.pixels[:-3].ravel(), image.pixels[3:].ravel())[0, 1] == pytest.approx(0, abs=0.05)
