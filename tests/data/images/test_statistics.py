import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from acdm.data.images.statistics import psnr, ssim


def test_psnr_agrees_with_skimage(rng):
    x, x_hat = rng.uniform(-1, 1, (2, 1, 16, 16)).astype(np.float32)
    ours = psnr(torch.tensor(x)[None], torch.tensor(x_hat)[None])
    assert ours.item() == pytest.approx(peak_signal_noise_ratio(x, x_hat, data_range=2), rel=1e-5)


def test_psnr_by_hand():
    # an error of 0.2 everywhere: 10 log10(4 / 0.04) = 20
    assert psnr(torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), 0.2)).item() == pytest.approx(20)


def test_psnr_clamps_the_reconstruction():
    assert psnr(torch.ones(1, 1, 2, 2), torch.full((1, 1, 2, 2), 5.0)).item() == np.inf


def test_ssim_agrees_with_skimage(rng):
    x = rng.uniform(-1, 1, (32, 32)).astype(np.float32)
    x_hat = np.clip(x + 0.1 * rng.standard_normal((32, 32)), -1, 1).astype(np.float32)
    published = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}  # Wang et al. 2004
    _, everywhere = structural_similarity(x, x_hat, data_range=2, full=True, **published)
    ours = ssim(torch.tensor(x)[None, None], torch.tensor(x_hat)[None, None])
    assert ours == pytest.approx(everywhere.mean(), abs=1e-3)  # they mirror the border differently
