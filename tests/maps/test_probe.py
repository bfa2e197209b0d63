import pytest
import torch
from sklearn.metrics import roc_auc_score

from acdm.maps.features import Features
from acdm.maps.probe import fit_probe

features = Features.installed()
pytestmark = pytest.mark.skipif(features is None, reason="needs the features extra")


def scenes(count, seed):
    """Smooth noise of 64 px, and in every other image a square of stripes: images, classes, squares."""
    g = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, 1, 16, 16, generator=g)
    x = 0.3 * torch.nn.functional.interpolate(noise, (64, 64), mode="bilinear")
    y, squares = torch.arange(count) % 2, torch.zeros(count, 1, 64, 64)
    stripes = torch.where(torch.arange(64) % 4 < 2, 0.6, -0.6).expand(64, 64)
    for i in range(1, count, 2):
        top, left = torch.randint(0, 44, (2,), generator=g).tolist()
        squares[i, :, top : top + 20, left : left + 20] = 1
    return torch.where(squares > 0, stripes, x), y, squares


def test_from_classes_alone_it_finds_what_only_one_class_has():
    x, y, _ = scenes(32, seed=0)
    probe = fit_probe(features, x, y, seed=0)
    unseen, classes, squares = scenes(8, seed=1)
    drawn = probe.probabilities(unseen)
    assert drawn.shape == (8, 1, 64, 64)
    assert 0 <= drawn.min() <= drawn.max() <= 1
    positives = classes == 1
    assert roc_auc_score(squares[positives].flatten(), drawn[positives].flatten()) > 0.9
    assert drawn[~positives].amax() < drawn[positives].amax()


def test_the_same_seed_fits_the_same():
    x, y, _ = scenes(8, seed=0)
    one, two = (fit_probe(features, x, y, seed=3) for _ in range(2))
    assert torch.equal(one.weights, two.weights)
    assert one.bias == two.bias
