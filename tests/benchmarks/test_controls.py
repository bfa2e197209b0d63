import numpy as np
import pytest
from controls.deletion import moved, replaced
from controls.make import marked, permuted
from controls.stability import correlations
from PIL import Image

from acdm.data.folder import load_dataset
from acdm.data.sets.synthetic import write_synthetic


@pytest.fixture
def toy(tmp_path):
    write_synthetic(tmp_path / "toy", "1", 32, train=200, test=12, seed=0)
    return load_dataset([tmp_path / "toy"])


def test_permuted_labels_say_nothing_and_the_test_part_stays(toy, tmp_path):
    permuted(toy, tmp_path / "out")
    made = load_dataset([tmp_path / "out"])
    assert [len(made.train) + len(made.validation), len(made.test)] == [200, 12]
    same = {item.path.read_bytes(): item.label for item in toy.items}
    learned = [*made.train, *made.validation]
    assert np.mean([same[item.path.read_bytes()] == item.label for item in learned]) == pytest.approx(0.5, abs=0.15)
    assert all(same[item.path.read_bytes()] == item.label for item in made.test)
    assert sum(item.mask is not None for item in made.test) == 6


def test_a_mark_is_in_one_class_alone_and_is_the_truth(toy, tmp_path):
    marked(toy, tmp_path / "out")
    made = load_dataset([tmp_path / "out"])
    for item in made.items:
        corner = np.asarray(Image.open(item.path))[:2, :2]  # the mark is 2 x 2 pixels at this size
        assert (corner[1, 1] == 255) == (item.label == made.positive)
    (first, *_) = (np.asarray(Image.open(item.mask)) for item in made.test if item.mask)
    assert np.argwhere(first).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


def test_only_the_masked_pixels_are_replaced(rng):
    image, other, mask = rng.random((2, 8, 8)), -rng.random((2, 8, 8)), rng.random((8, 8)) > 0.5
    out = replaced(image, other, mask)
    assert (out[:, mask] <= 0).all()
    np.testing.assert_allclose(out[:, ~mask], image[:, ~mask], rtol=1e-6)


def test_a_moved_shape_keeps_its_area_and_leaves_its_place(rng):
    mask = np.zeros((16, 16), bool)
    mask[3:6, 4:7] = True
    for _ in range(50):
        there = moved(mask, rng)
        assert there.sum() == mask.sum()
        assert not (there & mask).any()


def test_equal_maps_correlate_whatever_their_loudness(rng):
    maps = [rng.random((1, 8, 8)) for _ in range(3)]
    assert correlations([maps, [2 * m + 1 for m in maps], [-m for m in maps]]) == pytest.approx([1, -1, -1])
