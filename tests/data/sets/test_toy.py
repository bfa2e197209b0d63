import numpy as np
import pytest

from acdm.data.sets.toy import DARK, TINT, WHITE, draw


@pytest.mark.parametrize("size", [16, 64, 100])
def test_the_mask_of_set_1_is_the_white_rectangle(size, rng):
    for _ in range(20):
        image = draw("1", 1, size, rng)
        assert image.mask.any()
        np.testing.assert_array_equal(image.pixels[image.mask], np.float32(WHITE))
        rows, columns = np.nonzero(image.mask)
        filled = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        assert filled == image.mask.sum(), "a rectangle"


@pytest.mark.parametrize("which", ["1", "2"])
def test_the_white_rectangle_lies_inside_the_dark_shape(which, rng):
    for _ in range(20):
        image = draw(which, 1, 64, rng)
        white = np.argwhere(image.pixels == np.float32(WHITE))
        top, bottom, left, right = image.box
        assert (white >= (top, left)).all()
        assert (white <= (bottom, right)).all()


def test_class_0_of_set_1_has_no_white_pixel(rng):
    for _ in range(20):
        image = draw("1", 0, 64, rng)
        assert not image.mask.any()
        assert (image.pixels == np.float32(WHITE)).sum() == 0


def test_set_2_differs_in_the_dark_shape(rng):
    for _ in range(20):
        circle, rectangle = (draw("2", y, 64, rng) for y in (0, 1))
        areas = [i.mask.sum() / ((i.box[1] - i.box[0] + 1) * (i.box[3] - i.box[2] + 1)) for i in (circle, rectangle)]
        assert areas[1] == 1
        assert areas[0] == pytest.approx(np.pi / 4, abs=0.06)


def test_the_dark_shape_is_dark_and_the_background_is_not(rng):
    image = draw("1", 0, 64, rng)
    top, bottom, left, right = image.box
    assert image.pixels[(top + bottom) // 2, (left + right) // 2] == pytest.approx(DARK, abs=0.2)
    assert np.abs(image.pixels).max() <= 1


def test_a_tint_shifts_every_pixel_alike(rng):
    plain, tinted = (draw("tint", y, 32, np.random.default_rng(5)) for y in (0, 1))
    difference = (tinted.pixels - plain.pixels)[np.abs(tinted.pixels).max(axis=2) < 1]
    np.testing.assert_allclose(difference, np.broadcast_to(TINT, difference.shape), atol=1e-6)
    assert tinted.mask.all()
    assert not plain.mask.any()
