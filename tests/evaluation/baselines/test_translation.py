import pytest
import torch

from acdm.core.config import Config
from acdm.evaluation.baselines import translation
from acdm.evaluation.baselines.interface import Images
from acdm.evaluation.baselines.translation import additive, cycle, fit_translation, fixed_point
from acdm.evaluation.metrics import auprc

SMALL = {"width": 6, "max_width": 6, "discriminator_width": 8, "discriminator_max_width": 16}
STILL = {"degrees": 0, "translate": 0, "scale": 0}
X, Y = torch.full((4, 1, 8, 8), 0.5), torch.tensor([0, 1, 0, 1])


def silent(x, classes):
    return torch.zeros_like(x)


def signs(x, classes):
    """A constant by the class: 1 for class 1, -1 for class 0."""
    return (2.0 * classes - 1)[:, None, None, None].expand_as(x)


def test_a_cycle_pays_for_what_does_not_come_back():
    fake, pretended, price = cycle(silent, X, Y)
    assert (fake == 0).all()
    assert pretended.tolist() == [1, 0, 1, 0]
    assert price == pytest.approx(10 * 0.5)


def test_additive_maps_are_of_positive_images_alone_and_pay_for_their_size():
    fake, pretended, price = additive(signs, X, Y)
    assert pretended.tolist() == [0, 0]
    assert (fake == -0.5).all()
    assert price == pytest.approx(10)
    assert additive(silent, X, Y)[2] == 0


def test_a_fixed_point_pays_for_any_change_under_the_own_class():
    assert fixed_point(silent, X, Y)[2] == 0
    fake, _, price = fixed_point(signs, X, Y)
    assert fake[:, 0, 0, 0].tolist() == [1.5, -0.5, 1.5, -0.5]
    assert price == pytest.approx(10 * 1), "there and back cancel; under the own class 1 is added or taken away"


@pytest.mark.parametrize("game", [cycle, additive])  # a fixed point takes longer to leave
def test_a_short_training_turns_its_map_towards_the_object(game, monkeypatch):
    """A bright square in the middle third or none: chance is .1."""
    monkeypatch.setattr(translation, "OPTIONS", {"batch": 8, "optimiser": {"warmup": 10}})
    monkeypatch.setattr(translation, "steps_for", lambda *speed: 120)
    g = torch.Generator().manual_seed(0)
    x, y = 0.1 * torch.randn(64, 1, 16, 16, generator=g), torch.arange(64) % 2
    truth = torch.zeros(64, 1, 16, 16, dtype=torch.bool)
    truth[1::2, :, 5:10, 5:10] = True
    x[truth] += 0.8
    fitted = fit_translation(
        Images((x, y), (x, y), Config.of({"size": 16, "network": SMALL, "augment": STILL})), 5, 0, game
    )
    (draw,) = fitted.maps.values()
    assert fitted.facts["steps"] == 120
    assert auprc(draw(x)[1::2].numpy(), truth[1::2].numpy()) > 0.3
