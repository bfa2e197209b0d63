import pytest
import torch
from extras import installed

from acdm.core.config import Config
from acdm.evaluation.baselines.classifier import fit_classifier
from acdm.evaluation.baselines.interface import Images
from acdm.evaluation.metrics import pointing_game

pytestmark = pytest.mark.skipif(installed("captum") is None, reason="needs the xai extra")


def test_a_classifier_that_is_right_points_at_the_only_thing_there_is(monkeypatch):
    """A bright square anywhere or none; a random place is right in 1 image of 16."""
    monkeypatch.setattr("acdm.evaluation.baselines.classifier.STEPS", 200)
    monkeypatch.setattr("acdm.maps.judge.ROUND_STEPS", 40)
    g = torch.Generator().manual_seed(0)
    x, y = 0.1 * torch.randn(96, 1, 32, 32, generator=g), torch.arange(96) % 2
    truth = torch.zeros(96, 32, 32, dtype=torch.bool)
    for i in range(1, 96, 2):
        row, column = torch.randint(0, 24, (2,), generator=g).tolist()
        truth[i, row : row + 8, column : column + 8] = True
    x[:, 0][truth] += 1
    fitted = fit_classifier(Images((x[:64], y[:64]), (x[64:80], y[64:80]), Config.of()), 1, 0)
    assert fitted.facts["validation_accuracy"] == 1
    masks = list(truth[81::2].numpy())
    del fitted.maps["Grad-CAM"]  # of the last layer, which has 2 x 2 places here
    for name, draw in fitted.maps.items():
        maps = list(draw(x[80:])[1::2, 0].numpy())
        assert pointing_game(maps, masks) >= 0.4, name
