"""D: one network, one logit per class (the multi-task discriminator of StarGAN v2)."""

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from acdm.core.config import Network
from acdm.method.blocks import initialise
from acdm.method.pixels import FromPixels


class _Block(nn.Module):
    """Residual block without normalisation that halves the picture."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width_in, 3, padding=1)
        self.conv2 = nn.Conv2d(width_in, width_out, 3, padding=1)
        self.shortcut = nn.Conv2d(width_in, width_out, 1, bias=False) if width_in != width_out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = F.avg_pool2d(self.conv1(F.leaky_relu(x, 0.2)), 2)
        h = self.conv2(F.leaky_relu(h, 0.2))
        return (self.shortcut(F.avg_pool2d(x, 2)) + h).mul_(2**-0.5)


class Discriminator(nn.Module):
    """Is this a genuine image of class y?

    Args:
        network: widths.
        channels: C, of the images.
        classes: K, one logit each.
        size: side of the square images; blocks halve it down to 4 to 7.
    """

    def __init__(self, network: Network, channels: int, classes: int, size: int) -> None:
        super().__init__()
        halvings = (size // network.stem).bit_length() - 3
        widths = [min(network.discriminator_width * 2**i, network.discriminator_max_width) for i in range(halvings + 1)]
        self.stem = FromPixels(channels, widths[0], network.stem)
        self.blocks = nn.Sequential(*(_Block(a, b) for a, b in pairwise(widths)))
        self.collect = nn.Conv2d(widths[-1], widths[-1], 4)
        self.head = nn.Conv2d(widths[-1], classes, 1)
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, K) logits
        h = self.blocks(self.stem(x))
        h = self.collect(F.leaky_relu(h, 0.2))
        logits: Tensor = self.head(F.leaky_relu(h, 0.2)).mean((2, 3)).float()
        return logits
