"""Residual blocks of N branches at once, without and with a style.

Axes: B images, N branches, C channels *of one branch*, H rows, W columns.  Branches lie side by side in the channel
axis, (B, N*C, H, W), and every convolution has N groups: a branch never sees another one.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

SLOPE = 0.2  # slope of every leaky ReLU below zero; StarGAN v2
EPS = 1e-5


class _NormModulate(torch.autograd.Function):
    """Instance norm, scale, shift and leaky ReLU with a hand-written backward pass.

    Autograd through the separate operations moves three times the memory, and on a CPU these are bound by memory.
    Held to `torch.nn.functional.instance_norm` by `tests/model/test_blocks.py`.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        centred = x - _mean(x)
        inverse = (_mean(y := centred * centred).float() + EPS).rsqrt()  # (B, C, 1, 1)
        torch.addcmul(_like(x, shift), centred, _like(x, scale * inverse), out=y)
        F.leaky_relu_(y, SLOPE)
        ctx.save_for_backward(centred, inverse, scale, y)  # type: ignore[attr-defined]
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        centred, inverse, scale, y = ctx.saved_tensors  # type: ignore[attr-defined]
        pixels = y.shape[-2] * y.shape[-1]
        grad = torch.ops.aten.leaky_relu_backward(grad, y, SLOPE, True)
        shift = _mean(grad).float()  # (B, C, 1, 1)
        slope = _mean(grad_x := grad * centred).float() * inverse
        gain = scale * inverse
        torch.addcmul(_like(y, -gain * shift), centred, _like(y, -gain * inverse * slope), out=grad_x)
        grad_x.addcmul_(grad, _like(y, gain))
        return grad_x, slope * pixels, shift * pixels


def _mean(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, tuple(x.shape[-2:]))  # sums in float32 without the float32 copy that Tensor.mean makes


def _like(x: Tensor, small: Tensor) -> Tensor:
    return small.to(x.dtype).contiguous(memory_format=torch.channels_last)


def _norm_modulate(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Instance norm of (B, C, H, W), times and plus (B, C, 1, 1), then leaky ReLU; in plain operations for export."""
    if torch.compiler.is_exporting():
        return F.leaky_relu(F.instance_norm(x, eps=EPS) * scale + shift, SLOPE)
    out: Tensor = _NormModulate.apply(x, scale, shift)
    return out


class InstanceNormAct(nn.Module):
    """Instance norm with a learned scale and shift, then leaky ReLU: the encoder, which never sees a style."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C, H, W)
        size = (x.shape[0], -1, 1, 1)
        return _norm_modulate(x, self.scale.expand(size), self.shift.expand(size))


class AdaIN(nn.Module):
    """Instance norm whose scale 1 + gamma(s) and shift beta(s) come from the style, then leaky ReLU.

    A style is every branch's, (B, style_dim), or each branch has its own, (B, N, style_dim).
    """

    def __init__(self, channels: int, style_dim: int) -> None:
        super().__init__()
        self.affine = nn.Linear(style_dim, 2 * channels)

    def forward(self, x: Tensor, s: Tensor) -> Tensor:  # (B, N*C, H, W) and styles -> (B, N*C, H, W)
        with torch.autocast(x.device.type, enabled=False):  # so small that casting takes longer than multiplying
            modulation = self.affine(s.float()) if s.dim() == 2 else self._each(s.float())  # (B, 2*N*C)
            gamma, beta = modulation[:, :, None, None].chunk(2, dim=1)  # (B, N*C, 1, 1) each
        return _norm_modulate(x, 1 + gamma, beta)

    def _each(self, s: Tensor) -> Tensor:
        """Multiply by the same weights, of which each branch sees its own style alone."""
        weight = self.affine.weight.view(2, s.shape[1], -1, s.shape[2])
        return torch.einsum("bnd,tncd->btnc", s, weight).flatten(1) + self.affine.bias


class Down(nn.Module):
    """Residual block of the encoder; halves the picture where `pool` is set."""

    def __init__(self, branches: int, width_in: int, width_out: int, *, pool: bool = True) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(2) if pool else nn.Identity()
        self.norm1 = InstanceNormAct(branches * width_in)
        self.conv1 = conv(branches, width_in, width_out)
        self.norm2 = InstanceNormAct(branches * width_out)
        self.conv2 = conv(branches, width_out, width_out)
        self.shortcut = shortcut(branches, width_in, width_out)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv2(self.norm2(self.pool(self.conv1(self.norm1(x)))))
        return (self.shortcut(self.pool(x)) + h).mul_(2**-0.5)


class Styled(nn.Module):
    """Residual block of the decoder, styled by AdaIN; width and size stay."""

    def __init__(self, branches: int, width: int, style_dim: int) -> None:
        super().__init__()
        self.norm1 = AdaIN(branches * width, style_dim)
        self.conv1 = conv(branches, width, width)
        self.norm2 = AdaIN(branches * width, style_dim)
        self.conv2 = conv(branches, width, width)

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        h = self.conv2(self.norm2(self.conv1(self.norm1(x, s)), s))
        return (x + h).mul_(2**-0.5)


def conv(branches: int, width_in: int, width_out: int, kernel: int = 3) -> nn.Conv2d:
    """A convolution of every branch apart; widths are those of one branch."""
    return nn.Conv2d(branches * width_in, branches * width_out, kernel, padding=kernel // 2, groups=branches)


def shortcut(branches: int, width_in: int, width_out: int) -> nn.Module:
    """The way around a residual block: a 1 x 1 convolution where the width changes, else nothing."""
    if width_in == width_out:
        return nn.Identity()
    return nn.Conv2d(branches * width_in, branches * width_out, 1, groups=branches, bias=False)


def initialise(module: nn.Module) -> None:
    """He-normal, fan-in, zero bias, as StarGAN v2 does; for `Module.apply`."""
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.kaiming_normal_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
