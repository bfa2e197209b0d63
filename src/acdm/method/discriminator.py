"""D: one network, one logit per class (the multi-task discriminator of StarGAN v2), and frozen features beside it.

From a few hundred images a discriminator learns small things late: flaws of circuit boards after a thousand steps, and
six kinds of them never.  Until then branch 1 has nothing to say.  Features that others have learned from photographs
show them at once (Projected GANs, Sauer et al. 2021; ours: the finest levels alone, added to what pixels say).
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
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


FEATURES_WIDTH = 32
LOUDEST = 8  # places, the mean of which stands for an image: an object is where it is, and nowhere else

See = Callable[[Tensor], list[Tensor]]
"""Images (B, C, H, W) to frozen features (B, D, h, w) of a few levels, the finest first; each halves the side."""


class FromFeatures(nn.Module):
    """Logits by frozen features: how surely the loudest places are of the second class of a pair.

    Args:
        seen: D of each level, from the finest.
        classes: K, an even number: pairs of classes, or absent and present of each finding.
    """

    def __init__(self, seen: Sequence[int], classes: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm2d(d, affine=False, track_running_stats=False) for d in seen)
        self.levels = nn.ModuleList(nn.Conv2d(d, FEATURES_WIDTH, 1) for d in seen)
        self.places = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Conv2d(FEATURES_WIDTH, FEATURES_WIDTH, 3, padding=1),
            nn.LeakyReLU(0.2),
        )
        self.head = nn.Conv2d(FEATURES_WIDTH, classes // 2, 1)

    def forward(self, seen: Sequence[Tensor]) -> Tensor:  # levels of (B, D, h, w) -> (B, K)
        told = [level(norm(of.float())) for level, norm, of in zip(self.levels, self.norms, seen, strict=True)]
        size = told[1].shape[-2:]
        finest, *coarser = told
        h = F.adaptive_avg_pool2d(finest, size) + sum(F.interpolate(of, size) for of in coarser)
        places = self.head(self.places(h)).float().flatten(2)
        second = places.topk(min(LOUDEST, places.shape[2]), dim=2).values.mean(dim=2)  # (B, K / 2)
        return torch.stack([-second, second], dim=2).flatten(1)


class Discriminator(nn.Module):
    """Is this a genuine image of class y?

    Args:
        network: widths.
        channels: C, of the images.
        classes: K, one logit each.
        size: side of the square images; blocks halve it down to 4 to 7.
        seen: D of each level of frozen features; none for pixels alone.
    """

    def __init__(self, network: Network, channels: int, classes: int, size: int, seen: Sequence[int] = ()) -> None:
        super().__init__()
        halvings = (size // network.stem).bit_length() - 3
        widths = [min(network.discriminator_width * 2**i, network.discriminator_max_width) for i in range(halvings + 1)]
        self.stem = FromPixels(channels, widths[0], network.stem)
        self.blocks = nn.Sequential(*(_Block(a, b) for a, b in pairwise(widths)))
        self.collect = nn.Conv2d(widths[-1], widths[-1], 4)
        self.head = nn.Conv2d(widths[-1], classes, 1)
        self.by_features = FromFeatures(seen, classes) if seen else None
        self.apply(initialise)
        if self.by_features:
            nn.init.zeros_(self.by_features.head.weight)

    def forward(self, x: Tensor, seen: Sequence[Tensor] = ()) -> Tensor:
        """Logits (B, K) of images (B, C, H, W), and of their frozen features, where they are given."""
        h = self.blocks(self.stem(x))
        h = self.collect(F.leaky_relu(h, 0.2))
        logits: Tensor = self.head(F.leaky_relu(h, 0.2)).mean((2, 3)).float()
        return logits + self.by_features(seen) if self.by_features and seen else logits
