"""The first and the last convolution of a network, for which blocks of pixels are channels; and both at half the size.

At half the size a network sees an image as though each of its pixels were 2 × 2 equal ones, and means of 2 × 2 of what
it draws are its output.  Both are sums over the weights, so nothing is ever drawn up: images have a quarter of the
pixels, the features are as large as ever, and the same weights go on at full size (progressive growing, Karras et al.
2018, without a new layer).
"""

import torch.nn.functional as F
from torch import Tensor, nn


class FromPixels(nn.Conv2d):
    """A 3 × 3 convolution from blocks of pixels, (B, C, H, W) -> (B, width, H / block, W / block).

    Args:
        channels: C, of the images.
        width: channels of the features.
        block: side of a block in pixels.
    """

    def __init__(self, channels: int, width: int, block: int) -> None:
        super().__init__(channels * block**2, width, 3, padding=1)
        self.block = block
        self.halved = False

    def forward(self, x: Tensor) -> Tensor:
        if not self.halved:
            return super().forward(F.pixel_unshuffle(x, self.block))
        weight = _fours(self.weight.transpose(0, 1), self.block).sum((2, 4)).flatten(0, 2).transpose(0, 1)
        return F.conv2d(F.pixel_unshuffle(x, self.block // 2), weight, self.bias, padding=1)

    def equalise(self) -> None:
        """Give the pixels that are one at half the size the same weights, their mean; they stay so at half the size."""
        fours = _fours(self.weight.data.transpose(0, 1), self.block)
        fours.copy_(fours.mean((2, 4), keepdim=True).expand_as(fours))


class ToPixels(nn.Conv2d):
    """A 3 × 3 convolution to blocks of pixels, (B, N*width, h, w) -> (B, N*C, h * block, w * block).

    Args:
        branches: N, each of which sees its own features alone.
        width: channels of one branch's features.
        channels: C, of the images.
        block: side of a block in pixels.
    """

    def __init__(self, branches: int, width: int, channels: int, block: int) -> None:
        super().__init__(branches * width, branches * channels * block**2, 3, padding=1, groups=branches)
        self.block = block
        self.halved = False

    def forward(self, x: Tensor) -> Tensor:
        if not self.halved:
            return F.pixel_shuffle(super().forward(x), self.block)
        assert self.bias is not None
        weight, bias = (_fours(of, self.block).mean((2, 4)).flatten(0, 2) for of in (self.weight, self.bias))
        return F.pixel_shuffle(F.conv2d(x, weight, bias, padding=1, groups=self.groups), self.block // 2)


def _fours(weight: Tensor, block: int) -> Tensor:
    """(C * block^2, ...) as (C, block / 2, 2, block / 2, 2, ...): axes 2 and 4 count pixels that are one."""
    return weight.unflatten(0, (-1, block // 2, 2, block // 2, 2))
