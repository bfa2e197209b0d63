"""Small changes to images that leave the class alone: drawn on the processor, made where the images are.

Axes: B images, C channels, S rows and columns.
"""

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from kornia.augmentation import (
    AugmentationSequential,
    RandomAffine,
    RandomGamma,
    RandomHorizontalFlip,
    RandomVerticalFlip,
)
from kornia.geometry import normalize_homography
from torch import Tensor

from acdm.core.config import Augment


def pipeline(augment: Augment) -> AugmentationSequential:
    """All changes but the colour cast, of images in [0, 1]."""
    i = augment.intensity or 0.0
    return AugmentationSequential(
        *moves(augment),
        RandomGamma((1 - i, 1 + i), (1 - i, 1 + i), p=1.0 if i else 0.0),
        data_keys=["input"],
    )


def moves(augment: Augment) -> list[RandomHorizontalFlip | RandomVerticalFlip | RandomAffine]:
    """The changes that move pixels and leave their values alone."""
    s, t = augment.scale, augment.translate
    return [
        RandomHorizontalFlip(p=0.5 if augment.flip_horizontal else 0.0),
        RandomVerticalFlip(p=0.5 if augment.flip_vertical else 0.0),
        RandomAffine(augment.degrees, (t, t), (1 - s, 1 + s), padding_mode="reflection", p=1.0),
    ]


def cast_gain(batch: int, channels: int, strength: float) -> Tensor:
    """Draw another light, (B, C): every channel times 1 - `strength` to 1 + `strength`; ones without a strength."""
    if not strength:
        return torch.ones(batch, channels)
    return 1 + strength * (2 * torch.rand(batch, channels, 1, 1) - 1)[..., 0, 0]


@dataclass(frozen=True)
class Changes:
    """What is done to each image of a batch, as numbers: a device makes it without a word to the host.

    Attributes:
        matrix: (B, 2, 3), from places of the changed image to places of the image, as `affine_grid` takes it.
        power, gain: (B, 1), of brightness in [0, 1]: gain * x ** power.
        cast: (B, C), of each channel after that.
    """

    matrix: Tensor
    power: Tensor
    gain: Tensor
    cast: Tensor

    @classmethod
    def draw(cls, augment: AugmentationSequential, cast: float, shape: tuple[int, int, int, int]) -> Self:
        """Draw changes for images (B, C, S, S): those that the pipeline would make now, for it draws likewise."""
        batch, channels, *sides = shape
        across, upright, affine, gamma = augment.forward_parameters(torch.Size(shape))
        mirror = torch.eye(3).repeat(batch, 1, 1)
        mirror[:, 0, 0] -= 2 * (across.data["batch_prob"] > 0.5).float()
        mirror[:, 1, 1] -= 2 * (upright.data["batch_prob"] > 0.5).float()
        turn = augment.get_submodule(affine.name)
        there = turn.compute_transformation(torch.empty(0), affine.data, turn.flags)
        there = normalize_homography(there, (sides[0], sides[1]), (sides[0], sides[1]), align_corners=False)
        used = gamma.data["batch_prob"] > 0.5
        power, gain = (
            torch.where(used, gamma.data[name], 1.0)[:, None] if used.any() else torch.ones(batch, 1)
            for name in ("gamma_factor", "gain_factor")
        )
        return cls((mirror @ torch.linalg.inv(there))[:, :2], power, gain, cast_gain(batch, channels, cast))

    def to(self, device: torch.device) -> Self:
        """Send the numbers to a device."""
        return type(self)(**{name: numbers.to(device, non_blocking=True) for name, numbers in vars(self).items()})

    def apply(self, x: Tensor) -> Tensor:
        """Change images (B, C, S, S) in [-1, 1]."""
        grid = F.affine_grid(self.matrix, list(x.shape), align_corners=False)
        x = F.grid_sample(x / 2 + 0.5, grid, padding_mode="reflection", align_corners=False)
        x = (self.gain[..., None, None] * x.clamp(0, 1) ** self.power[..., None, None]).clamp(0, 1)
        return (x * self.cast[..., None, None]).clamp(0, 1) * 2 - 1
