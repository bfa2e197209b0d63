import numpy as np
import pytest
from PIL import Image

from acdm.data.toy import DARK, WHITE, draw, write_toy
from acdm.errors import DataError


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


def test_the_same_seed_writes_the_same_files(tmp_path):
    for name in "ab":
        write_toy(tmp_path / name, "1", 32, train=8, test=8, seed=3)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file())
    assert len(files) == 8 + 8 + 4 + 1  # images, masks of the positive class, toy.json
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_masks_lie_where_the_contract_says(tmp_path):
    write_toy(tmp_path / "toy", "1", 32, train=8, test=8, seed=0)
    names = {p.name for p in (tmp_path / "toy/test/with").iterdir()}
    assert names == {p.name for p in (tmp_path / "toy/test/masks").iterdir()}
    values = np.unique(np.asarray(Image.open(tmp_path / "toy/test/masks" / min(names))))
    assert values.tolist() == [0, 255]


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(DataError, match="already exists"):
        write_toy(tmp_path, "1", 32, 8, 8, 0)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
