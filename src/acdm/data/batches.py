"""Class-balanced, augmented batches, each a pure function of the seed and the step.

Nothing here has a state, so a resumed training sees exactly the batches that an uninterrupted one would have seen.
"""

from functools import lru_cache

import torch
from kornia.augmentation import (
    AugmentationSequential,
    RandomAffine,
    RandomGamma,
    RandomHorizontalFlip,
    RandomVerticalFlip,
)
from torch import Tensor

from acdm.core.config import Augment


class Batches:
    """Draws from images held in memory.

    Args:
        images: (n, C, S, S) in [-1, 1].
        labels: (n,) class indices 0..K-1; every class occurs.
        batch: images a batch; classes take turns, so each has its equal share.
        augment: what may be changed; what is left open is not.
        seed: of everything drawn.
    """

    def __init__(self, images: Tensor, labels: Tensor, batch: int, augment: Augment, seed: int) -> None:
        self.images = images
        self.members = [torch.nonzero(labels == k).squeeze(1) for k in range(int(labels.max()) + 1)]
        self.batch = batch
        self.seed = seed
        self.augment = _pipeline(augment)
        self.cast = augment.cast or 0.0

    def at(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Batch of a step: indices (B,), augmented images (B, C, S, S), classes (B,)."""
        classes = len(self.members)
        slots = range(step * self.batch, (step + 1) * self.batch)
        y = torch.tensor([slot % classes for slot in slots])
        indices = torch.stack([self._member(slot % classes, slot // classes) for slot in slots])
        x = self.images[indices]
        with torch.random.fork_rng(devices=[]):  # kornia knows only the global generator
            torch.manual_seed(mix(self.seed, 1, step))
            x = _cast(self.augment((x + 1) / 2), self.cast) * 2 - 1  # kornia's intensities lie in [0, 1]
        return indices, x, y

    def _member(self, k: int, position: int) -> Tensor:
        """The image of class k at a position of an endless stream in which every image comes once an epoch."""
        return member(self.members[k], position, self.seed, 2 + k)


def member(own: Tensor, position: int, *seed: int) -> Tensor:
    """The one of `own` (n,) at a position of an endless stream in which each comes once an epoch, in a drawn order."""
    epoch, place = divmod(position, len(own))
    return own[_order(len(own), mix(*seed, epoch))[place]]


@lru_cache(maxsize=64)
def _order(count: int, seed: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def mix(*numbers: int) -> int:
    """One seed out of several numbers, different for any other several.

    numpy's SeedSequence would do; this one stays, for batches of earlier runs were drawn by it.
    """
    state = 0
    for number in numbers:
        state = (state * 1_000_003 + number + 0x9E3779B9) % (2**61 - 1)
    return state


def _pipeline(augment: Augment) -> AugmentationSequential:
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


def _cast(x: Tensor, strength: float) -> Tensor:
    """Images (B, C, S, S) in [0, 1] in another light: every channel times 1 - `strength` to 1 + `strength`."""
    if not strength:
        return x
    gain = 1 + strength * (2 * torch.rand(*x.shape[:2], 1, 1) - 1)
    return (x * gain).clamp(0, 1)


def first_of_each(labels: Tensor, *, classes: int, each: int) -> Tensor:
    """Indices of the first `each` images of every class, class by class.

    >>> first_of_each(torch.tensor([1, 0, 0, 1, 0]), classes=2, each=2).tolist()
    [1, 2, 0, 3]
    """
    return torch.cat([torch.nonzero(labels == k).squeeze(1)[:each] for k in range(classes)])
