import pytest
import torch

from acdm.core.config import Config
from acdm.evaluation.baselines.interface import Images
from acdm.evaluation.baselines.normals import fit_normals, fit_patch_memory
from acdm.evaluation.metrics import auprc
from acdm.maps.features import Features

needs_features = pytest.mark.skipif(Features.installed() is None, reason="needs the features extra")


@pytest.mark.parametrize("fit", [fit_normals, pytest.param(fit_patch_memory, marks=needs_features)])
def test_what_the_negative_class_never_has_is_far_from_all_that_is_remembered(fit):
    g = torch.Generator().manual_seed(0)
    x, y = 0.1 * torch.randn(40, 1, 32, 32, generator=g), torch.arange(40) % 2
    truth = torch.zeros(40, 1, 32, 32, dtype=torch.bool)
    truth[1::2, :, 12:20, 12:20] = True
    x[truth] += 1
    (draw,) = fit(Images((x[:20], y[:20]), (x, y), Config.of()), 1, 0).maps.values()
    assert auprc(draw(x[20:])[1::2].numpy(), truth[21::2].numpy()) > 0.8
    other = fit(Images((x[:20], 1 - y[:20]), (x, y), Config.of()), 1, 0).maps
    assert auprc(next(iter(other.values()))(x[20:])[1::2].numpy(), truth[21::2].numpy()) < 0.5, "then it is normal"
