"""G_1..G_N: N encoder-decoders with U-Net skips at every resolution, run as one grouped network."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acdm.model.blocks import AdaIN, Down, Styled, conv


class Encoder(nn.Module):
    """The half that never sees the style, so that one pass serves every class."""

    def __init__(self, branches: int, channels: int, widths: list[int], stem: int, bottleneck: int) -> None:
        super().__init__()
        self.stem_factor = stem
        self.stem = nn.Conv2d(channels * stem**2, branches * widths[0], 3, padding=1)
        self.downs = nn.ModuleList(Down(branches, a, b) for a, b in pairwise(widths))
        self.bottleneck = nn.ModuleList(Down(branches, widths[-1], widths[-1], pool=False) for _ in range(bottleneck))

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, H, W) -> features from the finest to the coarsest, (B, N*w_l, H_l, W_l)."""
        h = self.stem(F.pixel_unshuffle(x, self.stem_factor))
        features = [h]
        for down in self.downs:
            h = down(h)
            features.append(h)
        for block in self.bottleneck:
            features[-1] = block(features[-1])
        return features


class Decoder(nn.Module):
    """The half that the style steers.  Its output has no tanh: branches are summands, not pictures."""

    def __init__(
        self, branches: int, channels: int, widths: list[int], stem: int, bottleneck: int, style_dim: int
    ) -> None:
        super().__init__()
        self.stem_factor = stem
        self.branches = branches
        finer = list(reversed(widths[:-1]))
        self.bottleneck = nn.ModuleList(Styled(branches, widths[-1], style_dim) for _ in range(bottleneck))
        self.narrow = nn.ModuleList(conv(branches, b, a, kernel=1) for b, a in pairwise([widths[-1], *finer]))
        self.skips = nn.ModuleList(conv(branches, w, w, kernel=1) for w in finer)
        self.blocks = nn.ModuleList(Styled(branches, w, style_dim) for w in finer)
        self.norm = AdaIN(branches * widths[0], style_dim)
        self.head = conv(branches, widths[0], channels * stem**2)

    def forward(self, features: list[Tensor], s: Tensor) -> Tensor:
        """Features of B images and (K*B, style_dim) styles, class by class -> (K*B, N*C, H, W)."""
        copies = len(s) // len(features[0])
        h = torch.cat([features[-1]] * copies)  # Tensor.repeat would leave the channels-last layout
        for block in self.bottleneck:
            h = block(h, s)
        for narrow, skip, block, feature in zip(
            self.narrow, self.skips, self.blocks, reversed(features[:-1]), strict=True
        ):
            h = F.interpolate(narrow(h), scale_factor=2) + torch.cat([skip(feature)] * copies)
            h = block(h, s)
        return F.pixel_shuffle(self.head(self.norm(h, s)), self.stem_factor)
