import pytest
import torch

from acdm.core.config import Augment
from acdm.data.batches import Batches, mix

STILL = Augment(flip_horizontal=False, degrees=0, translate=0, scale=0)


def numbered(n, labels):
    return torch.arange(float(n))[:, None, None, None].expand(n, 1, 16, 16) / n, torch.tensor(labels)


def test_a_batch_is_a_function_of_seed_and_step():
    images, labels = numbered(20, [0, 1] * 10)
    torch.manual_seed(1)
    one = Batches(images, labels, 6, Augment(), seed=5).at(7)
    torch.manual_seed(2)
    again = Batches(images, labels, 6, Augment(), seed=5)
    again.at(3)
    for a, b in zip(one, again.at(7), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one[1], Batches(images, labels, 6, Augment(), seed=6).at(7)[1])


def test_drawing_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    Batches(*numbered(8, [0, 1] * 4), 4, Augment(), 0).at(0)
    assert torch.equal(torch.rand(1), expected)


def test_classes_come_equally_often_however_rare():
    batches = Batches(*numbered(20, [0] * 17 + [1] * 3), 8, STILL, 0)
    for step in range(5):
        _, _, y = batches.at(step)
        assert y.sum() == 4


def test_every_image_comes_once_an_epoch():
    batches = Batches(*numbered(12, [0, 1] * 6), 4, STILL, 0)
    seen = torch.cat([batches.at(step)[0] for step in range(3)])
    assert sorted(seen.tolist()) == list(range(12))


def test_without_augmentation_images_pass_untouched():
    images, labels = numbered(8, [0, 1] * 4)
    indices, x, y = Batches(images, labels, 4, STILL, 0).at(0)
    torch.testing.assert_close(x, images[indices])
    assert torch.equal(y, labels[indices])


def test_flips_can_be_switched_off():
    images = torch.linspace(-1, 1, 16).expand(4, 1, 16, 16)
    flips = [Batches(images, torch.tensor([0, 1, 0, 1]), 4, STILL, s).at(0)[1] for s in range(8)]
    assert all((x[..., -1] > x[..., 0]).all() for x in flips)
    only = Augment(flip_horizontal=True, degrees=0, translate=0, scale=0)
    flips = [Batches(images, torch.tensor([0, 1, 0, 1]), 4, only, s).at(0)[1] for s in range(8)]
    assert any((x[..., -1] < x[..., 0]).any() for x in flips)


def test_changed_intensities_keep_black_and_the_order_of_grey_values():
    images = torch.linspace(-1, 1, 16).expand(4, 1, 16, 16)
    changed = Augment(flip_horizontal=False, degrees=0, translate=0, scale=0, intensity=0.3)
    _, x, _ = Batches(images, torch.tensor([0, 1, 0, 1]), 4, changed, 0).at(0)
    torch.testing.assert_close(x[..., 0], images[..., 0])
    assert (x.diff(dim=-1) >= 0).all()
    assert not torch.allclose(x, images, atol=0.05)
    assert x.max() <= 1


def test_a_cast_changes_channels_apart_and_keeps_black():
    images = torch.linspace(-1, 0.5, 16).expand(4, 3, 16, 16)
    cast = Augment(flip_horizontal=False, degrees=0, translate=0, scale=0, cast=0.2)
    _, x, _ = Batches(images, torch.tensor([0, 1, 0, 1]), 4, cast, 0).at(0)
    torch.testing.assert_close(x[..., 0], images[..., 0])
    gains = (x[..., -1] + 1) / 1.5  # (4, 3, 16), the same in every row
    assert 0.8 <= gains.min() < gains.max() <= 1.2
    assert (gains.std(dim=-1) < 1e-6).all()
    assert len(gains[..., 0].unique()) == 12


def test_mixing_tells_seeds_apart():
    seeds = {mix(a, b, c) for a in range(8) for b in range(8) for c in range(50)}
    assert len(seeds) == 8 * 8 * 50


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [32, 33])
def test_changes_as_numbers_make_the_same_images(channels, side):
    """Kornia mirrors, then samples; here both are one sampling, so that values differ in the fifth digit at most."""
    images = torch.rand(20, channels, side, side) * 2 - 1
    augment = Augment(flip_horizontal=True, flip_vertical=True, degrees=30, translate=0.2, intensity=0.2, cast=0.1)
    batches = Batches(images, torch.arange(20) % 2, 8, augment, 0)
    for step in range(4):
        indices, x, y = batches.at(step)
        drawn, changes, classes = batches.changes_at(step)
        assert torch.equal(indices, drawn)
        assert torch.equal(y, classes)
        torch.testing.assert_close(changes.apply(images[drawn]), x, rtol=0, atol=5e-5)
