import torch

from acdm.core.config import Config
from acdm.evaluation.baselines.interface import Images
from acdm.evaluation.baselines.normals import fit_normals
from acdm.evaluation.metrics import auprc


def test_what_the_negative_class_never_has_is_far_from_all_that_is_remembered():
    g = torch.Generator().manual_seed(0)
    x, y = 0.1 * torch.randn(40, 1, 32, 32, generator=g), torch.arange(40) % 2
    truth = torch.zeros(40, 1, 32, 32, dtype=torch.bool)
    truth[1::2, :, 12:20, 12:20] = True
    x[truth] += 1
    (draw,) = fit_normals(Images((x[:20], y[:20]), (x, y), Config.of()), 1, 0).maps.values()
    assert auprc(draw(x[20:])[1::2].numpy(), truth[21::2].numpy()) > 0.8
    other = fit_normals(Images((x[:20], 1 - y[:20]), (x, y), Config.of()), 1, 0).maps
    assert auprc(next(iter(other.values()))(x[20:])[1::2].numpy(), truth[21::2].numpy()) < 0.5, "then it is normal"
