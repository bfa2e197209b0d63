"""The square that the network sees, and the way back to the image's own size.

Policy: the longer side becomes the network's size, the aspect ratio stays, and the shorter side is filled up by
repeating the edge, half on either side.  Nothing is cut away and nothing is stretched.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from acdm.data.images.arrays import Array


@dataclass(frozen=True)
class Frame:
    """The place of an image of `height` x `width` pixels in a square of `size`: rows top to top + rows, and so on."""

    height: int
    width: int
    size: int
    top: int
    left: int
    rows: int
    columns: int

    @classmethod
    def of(cls, shape: Sequence[int], size: int) -> "Frame":
        """Place an array of the shape (..., H, W) in a square of `size`."""
        height, width = shape[-2:]
        scale = size / max(height, width)
        rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
        return cls(height, width, size, (size - rows) // 2, (size - columns) // 2, rows, columns)

    def enter(self, image: Tensor) -> Tensor:
        """Bring an image into the square, antialiased: (..., C, height, width) -> (..., C, size, size).

        >>> frame = Frame.of((1, 10, 20), size=10)
        >>> (frame.top, frame.rows, frame.columns), frame.enter(torch.zeros(1, 10, 20)).shape
        ((2, 5, 10), torch.Size([1, 10, 10]))
        """
        small = _resize(image, self.rows, self.columns)
        right, bottom = self.size - self.columns - self.left, self.size - self.rows - self.top
        return _pad_edge(small, self.left, right, self.top, bottom)

    def leave(self, square: Tensor) -> Tensor:
        """Bring a square back to the image's size: (..., C, size, size) -> (..., C, height, width), signed."""
        inside = square[..., self.top : self.top + self.rows, self.left : self.left + self.columns]
        return _resize(inside, self.height, self.width)


def _resize(image: Tensor, rows: int, columns: int) -> Tensor:
    if image.shape[-2:] == (rows, columns):
        return image
    flat = image.reshape(-1, *image.shape[-3:])
    resized = F.interpolate(flat, (rows, columns), mode="bilinear", antialias=True)
    return resized.reshape(*image.shape[:-2], rows, columns)


def _pad_edge(image: Tensor, left: int, right: int, top: int, bottom: int) -> Tensor:
    rows = torch.arange(-top, image.shape[-2] + bottom).clamp(0, image.shape[-2] - 1)
    columns = torch.arange(-left, image.shape[-1] + right).clamp(0, image.shape[-1] - 1)
    return image[..., rows[:, None], columns]


def squares(images: list[Array], size: int) -> Tensor:
    """Images of any size as the squares the network sees: (n, C, size, size)."""
    return torch.stack([square(image, size) for image in images])


def square(image: Array, size: int) -> Tensor:
    """One image as the square the network sees: (C, size, size)."""
    return Frame.of(image.shape, size).enter(torch.from_numpy(image))
