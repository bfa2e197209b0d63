import pytest
import torch
import torch.nn.functional as F

from acdm.method.blocks import SLOPE, AdaIN, InstanceNormAct, _NormModulate


def test_norm_modulate_agrees_with_torch_forwards_and_backwards():
    x = torch.randn(2, 6, 8, 4, dtype=torch.float64, requires_grad=True)
    scale, shift = (torch.randn(2, 6, 1, 1, dtype=torch.float64, requires_grad=True) for _ in range(2))
    ours = _NormModulate.apply(x, scale, shift)
    theirs = F.leaky_relu(F.instance_norm(x) * scale + shift, SLOPE)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)
    direction = torch.randn_like(ours)
    gradients = [torch.autograd.grad((y * direction).sum(), (x, scale, shift)) for y in (ours, theirs)]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_norm_modulate_in_bfloat16_stays_near_float32():
    x = torch.randn(2, 6, 16, 16)
    scale, shift = torch.ones(2, 6, 1, 1), torch.zeros(2, 6, 1, 1)
    exact, rough = _NormModulate.apply(x, scale, shift), _NormModulate.apply(x.bfloat16(), scale, shift)
    assert rough.dtype == torch.bfloat16
    assert (exact - rough.float()).abs().max() < 0.05


def test_norm_modulate_in_bfloat16_bears_a_mean_ten_times_the_deviation():
    x = (torch.randn(2, 6, 32, 32, generator=torch.Generator().manual_seed(0)) + 10).bfloat16()
    scale, shift = torch.ones(2, 6, 1, 1), torch.zeros(2, 6, 1, 1)
    exact = F.leaky_relu(F.instance_norm(x.float()), SLOPE)
    assert (exact - _NormModulate.apply(x, scale, shift).float()).abs().max() < 0.1


@pytest.mark.parametrize("value", [-1.0, 0.3, 3.1])
def test_constant_channels_in_bfloat16_stay_small(value):
    x = torch.full((1, 2, 32, 32), value).bfloat16()
    out = _NormModulate.apply(x, torch.ones(1, 2, 1, 1), torch.zeros(1, 2, 1, 1))
    assert out.abs().max() < 0.2


def test_instance_norm_forgets_brightness_and_contrast():
    x, block = torch.randn(2, 3, 8, 8), InstanceNormAct(3)
    torch.testing.assert_close(block(x), block(5 * x + 2), atol=1e-4, rtol=1e-3)


def test_adain_with_a_silent_style_is_instance_norm():
    x, block = torch.randn(2, 3, 8, 8), AdaIN(3, 4)
    torch.nn.init.zeros_(block.affine.bias)
    expected = F.leaky_relu(F.instance_norm(x), SLOPE)
    torch.testing.assert_close(block(x, torch.zeros(2, 4)), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
def test_constant_channels_do_not_explode(channels):
    block = InstanceNormAct(channels)
    assert block(torch.full((1, channels, 8, 8), 3.0)).abs().max() < 1e-2
