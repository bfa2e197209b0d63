"""From images and classes to the branches psi: encode once, decode once per class."""

import torch
from torch import Tensor, nn

from acdm.core.config import Network
from acdm.method.blocks import initialise
from acdm.method.generator import Decoder, Encoder
from acdm.method.mapping import Mapping


class Branches(nn.Module):
    """All generators with their mapping network; eq. (1), psi_i = G_i(x, M(y)).

    Args:
        network: widths, depth and number of branches.
        channels: C, of the images.
        classes: K.
        skips: whether the decoder sees the encoder's features at every resolution; off in an ablation alone.
    """

    def __init__(self, network: Network, channels: int, classes: int, *, skips: bool = True) -> None:
        super().__init__()
        self.channels = channels
        self._multiple = network.multiple
        self.branches = network.branches
        self.mapping = Mapping(classes, network.style_dim, network.mapping_hidden)
        self.encoder = Encoder(network, channels)
        self.decoder = Decoder(network, channels, skips=skips)
        self.apply(initialise)
        nn.init.zeros_(self.decoder.head.weight)  # every branch begins silent: see docs/paper.md, "initial state"

    def forward(self, x: Tensor, *classes: Tensor) -> tuple[Tensor, ...]:
        """Decompose every image once per entry of `classes`.

        Args:
            x: (B, C, H, W) in [-1, 1]; H and W divisible by `multiple`.
            classes: tensors (B,) of class indices, for instance own and other.

        Returns:
            For each of `classes`, psi (B, N, C, H, W).

        Raises:
            ValueError: when channels or size do not fit.
        """
        self.require_fitting(x)
        b, c, h, w = x.shape
        s = self.mapping(torch.cat(classes))  # (K*B, style_dim)
        psi = self.decoder(self.encoder(x), s)  # (K*B, N*C, H, W)
        return psi.float().view(len(classes), b, self.branches, c, h, w).unbind(0)

    @property
    def multiple(self) -> int:
        """What the sides of the images that it sees must be divisible by."""
        return self._multiple // 2 if self.encoder.stem.halved else self._multiple

    def halve(self, on: bool) -> None:
        """See and draw images of half the size from now on, or of full size again (`acdm.method.pixels`)."""
        self.encoder.stem.halved = self.decoder.head.halved = on

    def require_fitting(self, x: Tensor) -> None:
        """Raise ValueError when channels or size of images (B, C, H, W) do not fit."""
        _, c, h, w = x.shape
        if c != self.channels:
            raise ValueError(f"got images with {c} channels, expected {self.channels}")
        if h % self.multiple or w % self.multiple or min(h, w) < 2 * self.multiple:
            raise ValueError(
                f"got images of {h} x {w} pixels, expected both divisible by {self.multiple}"
                f" and at least {2 * self.multiple}"
            )
