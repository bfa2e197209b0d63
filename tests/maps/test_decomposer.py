from dataclasses import replace

import pytest
import torch
from small import small_network

from acdm.core.config import Config
from acdm.maps.decomposer import Decomposer
from acdm.maps.judge import Judge
from acdm.maps.loading import mirrors
from acdm.maps.segmenter import Segmenter
from acdm.method.branches import Branches
from acdm.method.compose import compose


@pytest.fixture
def branches():
    torch.manual_seed(1)  # one in six random networks goes beyond the 3 % of bf16 below; this one does not
    branches = Branches(small_network(), 1, 2)
    torch.nn.init.normal_(branches.decoder.head.weight, std=0.1)
    return branches.eval()


def decomposer(branches, **options):
    return Decomposer(branches=branches, judge=None, classes=("a", "b"), size=32, **options)


@pytest.mark.parametrize("axes", [(-1,), (-2,), (-2, -1)])
def test_a_mirrored_image_has_mirrored_branches(branches, axes):
    x = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([0, 1])
    both, alone = (decomposer(branches, mirrors=mirrors) for mirrors in (((), axes), ((),)))
    (own, other), mirrored = both.split(x, y, 1 - y), both.split(x.flip(axes), y, 1 - y)
    torch.testing.assert_close(own, mirrored[0].flip(axes))
    torch.testing.assert_close(other[y == 1], mirrored[1][y == 1].flip(axes))
    plain, reflected = alone.split(x, y, 1 - y)[0], alone.split(x.flip(axes), y, 1 - y)[0].flip(axes)
    assert (plain - reflected).abs().max() > 1e-3
    mean = (compose(plain) + compose(reflected)) / 2
    torch.testing.assert_close(compose(both.split(x, y, 1 - y)[0]), mean)


def test_an_object_is_put_in_one_place_and_not_half_in_two(branches):
    """A negative image becomes positive by its own change alone, upon what the mean over mirror images rebuilds."""
    x = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([0, 1])
    both, alone = (decomposer(branches, mirrors=mirrors) for mirrors in (((), (-1,)), ((),)))
    (own, other), (own_alone, other_alone) = (d.split(x, y, 1 - y) for d in (both, alone))
    torch.testing.assert_close((other - own)[y == 0], (other_alone - own_alone)[y == 0])
    assert ((other - own) - (other_alone - own_alone))[y == 1].abs().max() > 1e-3


def test_images_are_mirrored_as_in_training():
    def of(**options):
        return mirrors(Config.of(options))

    both = {"flip_horizontal": True, "flip_vertical": True}
    assert of(augment=both) == of(augment={"flip_horizontal": True}) == ((), (-1,))
    assert of(augment={"flip_vertical": True}) == ((), (-2,))
    assert of() == of(augment=both, ablation={"mirror": False}) == ((),)


def test_bf16_draws_what_fp32_draws(branches):
    x = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([0, 1])
    exact, fast = (decomposer(branches, precision=p) for p in ("fp32", "bf16"))
    for a, b in zip(exact.split(x, y, 1 - y), fast.split(x, y, 1 - y), strict=True):
        assert 0 < (a - b).abs().max() < 0.03 * a.abs().max()


class Says(torch.nn.Module):
    """A network that says the same of every image: logits of two classes, or one a pixel where the image is bright."""

    def __init__(self, pixelwise):
        super().__init__()
        self.pixelwise = pixelwise
        self.nothing = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x, seen=()):
        return 20 * x - 10 if self.pixelwise else torch.tensor([[0.0, 1.0]]).repeat(len(x), 1)


@pytest.mark.parametrize(("auroc", "classes"), [(0.6, [0, 1]), (0.9, [1, 1])])
def test_who_knows_the_class_is_asked_for_it(branches, auroc, classes):
    """The check classifier says 1 of both images; the segmenter marks a pixel of the second alone."""
    x = torch.zeros(2, 1, 32, 32)
    x[1, :, 3, 5] = 1
    knowing = decomposer(branches, segmenter=Segmenter(Says(pixelwise=True), None, auroc=0.95))
    assert replace(knowing, judge=Judge(Says(pixelwise=False), auroc)).classify(x) == classes
