import numpy as np

from acdm.data.orientation import FLIP_BELOW, mirror_accuracy


def test_a_gradient_has_an_up_but_no_left(rng):
    """Brightness rises downwards under noise; left to right there is noise alone."""
    images = np.linspace(0, 1, 16)[None, :, None] + rng.normal(0, 0.5, (120, 16, 16))
    groups = [str(number // 4) for number in range(120)]
    assert mirror_accuracy(images, groups, axis=1) > 0.95
    assert 0.3 < mirror_accuracy(images, groups, axis=2) < 0.7 < FLIP_BELOW


def test_what_only_single_groups_have_is_not_an_up(rng):
    """Every picture has its own pattern: patches of one picture are no evidence for another one."""
    patterns = rng.normal(size=(30, 16, 16))
    images = np.repeat(patterns, 6, axis=0) + rng.normal(0, 0.1, (180, 16, 16))
    groups = [str(number // 6) for number in range(180)]
    apart = [str(number) for number in range(180)]
    assert mirror_accuracy(images, apart, axis=1) > 0.95
    assert mirror_accuracy(images, groups, axis=1) < FLIP_BELOW


def test_symmetric_images_are_told_by_chance():
    assert mirror_accuracy(np.ones((10, 4, 4)), list("aabbccddee"), axis=1) == 0.5


def test_one_group_says_nothing(rng):
    assert mirror_accuracy(rng.random((10, 4, 4)), ["a"] * 10, axis=1) == 1.0
