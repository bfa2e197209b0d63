"""G_1..G_N: N encoder-decoders with U-Net skips at every resolution, run as one grouped network."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from acdm.core.config import Network
from acdm.method.blocks import AdaIN, Down, Styled, conv
from acdm.method.pixels import FromPixels, ToPixels


class Encoder(nn.Module):
    """The half that never sees the style, so that one pass serves every class."""

    def __init__(self, network: Network, channels: int) -> None:
        super().__init__()
        n, widths, bottom = network.branches, network.widths, network.widths[-1]
        self.recompute = network.recompute
        self.stem = FromPixels(channels, n * widths[0], network.stem)
        self.downs = nn.ModuleList(Down(n, a, b) for a, b in pairwise(widths))
        self.bottleneck = nn.ModuleList(Down(n, bottom, bottom, pool=False) for _ in range(network.bottleneck))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Encode (B, C, H, W) into features from the finest to the coarsest, (B, N*w_l, H_l, W_l)."""
        h = self.stem(x)
        features = [h]
        for down in self.downs:
            h = _run(down, h, recompute=self.recompute)
            features.append(h)
        for block in self.bottleneck:
            features[-1] = _run(block, features[-1], recompute=self.recompute)
        return features


class Decoder(nn.Module):
    """The half that the style steers.  Its output has no tanh: branches are summands, not pictures."""

    def __init__(self, network: Network, channels: int, *, skips: bool = True) -> None:
        super().__init__()
        n, widths, style_dim = network.branches, network.widths, network.style_dim
        finer = list(reversed(widths[:-1]))
        self.recompute = network.recompute
        self.bottleneck = nn.ModuleList(Styled(n, widths[-1], style_dim) for _ in range(network.bottleneck))
        self.narrow = nn.ModuleList(conv(n, b, a, kernel=1) for b, a in pairwise([widths[-1], *finer]))
        self.skips = nn.ModuleList(conv(n, w, w, kernel=1) if skips else _NoSkip() for w in finer)
        self.blocks = nn.ModuleList(Styled(n, w, style_dim) for w in finer)
        self.norm = AdaIN(n * widths[0], style_dim)
        self.head = ToPixels(n, widths[0], channels, network.stem)

    def forward(self, features: list[Tensor], s: Tensor) -> Tensor:
        """Decode features of B images under (K*B, style_dim) styles, class by class -> (K*B, N*C, H, W)."""
        copies = s.shape[0] // features[0].shape[0]
        h = torch.cat([features[-1]] * copies)  # Tensor.repeat would leave the channels-last layout
        for block in self.bottleneck:
            h = _run(block, h, s, recompute=self.recompute)
        for narrow, skip, block, feature in zip(
            self.narrow, self.skips, self.blocks, reversed(features[:-1]), strict=True
        ):
            coarse = F.interpolate(narrow(h), scale_factor=2).unflatten(0, (copies, -1))
            h = (coarse + skip(feature)).flatten(0, 1)
            h = _run(block, h, s, recompute=self.recompute)
        out: Tensor = self.head(self.norm(h, s))
        return out


class _NoSkip(nn.Module):
    """Stands in for a skip connection and adds nothing (ablation.skips)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.new_zeros(())


def _run(block: nn.Module, *inputs: Tensor, recompute: bool) -> Tensor:
    """A block's output; with `recompute` its inner features are dropped and computed again in the backward pass."""
    if recompute and torch.is_grad_enabled():
        out: Tensor = checkpoint(block, *inputs, use_reentrant=False)
    else:
        out = block(*inputs)
    return out
