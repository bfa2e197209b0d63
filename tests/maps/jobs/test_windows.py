import numpy as np
import pytest

from acdm.maps.jobs.windows import blended


def whole(image, side, spoil=lambda values: values):
    height, width = image.shape[1:]

    def apart(top, lefts, h, w):
        return [{"x": spoil(image[:, top : top + h, left : left + w])} for left in lefts]

    bands = [(top, parts["x"]) for top, parts in blended(height, width, side, apart)]
    assert [top for top, _ in bands] == np.cumsum([0, *(band.shape[1] for _, band in bands)])[:-1].tolist()
    return np.concatenate([band for _, band in bands], axis=1)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (40, 200), (101, 67), (33, 16), (10, 10), (32, 49)])
def test_windows_put_together_are_the_image(rng, height, width):
    image = rng.random((2, height, width))
    np.testing.assert_allclose(whole(image, 32), image, rtol=1e-6)  # sums are of float32


def test_what_windows_say_differently_at_their_borders_makes_no_seam():
    """A smooth image, and a network that is off by 1 at every border of its window."""
    rows, columns = np.mgrid[:200, :200] / 200
    image = (rows + columns)[None]

    def spoil(values):
        spoilt = values.copy()
        spoilt[:, [0, -1]] += 1
        spoilt[:, :, [0, -1]] += 1
        return spoilt

    out = whole(image, 32, spoil)[:, 16:-16, 16:-16]
    steps = max(np.abs(np.diff(out, axis=1)).max(), np.abs(np.diff(out, axis=2)).max())
    assert steps < 1 / 200 + 0.01  # the image's own step, and a hundredth of the error
