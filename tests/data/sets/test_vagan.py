import numpy as np
import pytest

from acdm.data.sets.vagan import SIZE, draw


def test_the_positive_class_has_two_squares_one_in_the_middle_and_one_near_a_corner(rng):
    seen = set()
    for _ in range(30):
        image = draw(1, SIZE, rng)
        assert image.mask[46:66, 46:66].all()
        other = image.mask.copy()
        other[46:66, 46:66] = False
        rows, columns = np.nonzero(other)
        middle = np.array([rows.mean(), columns.mean()]) - (SIZE - 1) / 2
        assert np.abs(np.abs(middle) - 32).max() <= 5
        seen.add(tuple(np.sign(middle)))
        assert image.mask.sum() == 2 * 20 * 20
    assert seen == {(1.0, 1.0), (-1.0, -1.0)}


def test_the_negative_class_is_noise_alone_and_every_image_fills_the_range(rng):
    for y in (0, 1):
        image = draw(y, SIZE, rng)
        assert (image.pixels.min(), image.pixels.max()) == (-1, 1)
        assert image.mask.any() == bool(y)


def test_the_effect_is_twice_the_backgrounds_deviation():
    bright, dark = (draw(y, SIZE, np.random.default_rng(2)) for y in (1, 0))
    inside = bright.mask
    slope, offset = np.polyfit(dark.pixels[~inside], bright.pixels[~inside], 1)  # two scalings of one background
    effect = (bright.pixels - (slope * dark.pixels + offset))[inside].mean()
    assert effect / (slope * dark.pixels.std()) == pytest.approx(2, rel=1e-3)
