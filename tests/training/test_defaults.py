from types import SimpleNamespace

import pytest

from acdm.core.config import Config
from acdm.training.defaults import settle


@pytest.mark.parametrize(
    ("channels", "told", "flips", "light"),
    [
        (3, (0.5, 0.6), (True, True), (0.2, 0.1)),  # an aerial picture
        (1, (0.6, 0.95), (True, False), (0.0, 0.0)),  # a slice of a head
        (4, (0.9, 1.0), (False, False), (0.0, 0.0)),
    ],
)
def test_what_is_left_open_follows_from_the_images(channels, told, flips, light):
    augment = settle(Config.of(), SimpleNamespace(channels=channels, mirror_accuracy=told), print).augment
    assert (augment.flip_horizontal, augment.flip_vertical) == flips
    assert (augment.intensity, augment.cast) == light


def test_what_was_asked_for_is_done():
    asked = {"flip_horizontal": False, "flip_vertical": True, "intensity": 0.0, "cast": 0.3}
    config = Config.of({"augment": asked})
    augment = settle(config, SimpleNamespace(channels=3, mirror_accuracy=(0.5, 1.0)), print).augment
    assert {key: getattr(augment, key) for key in asked} == asked
