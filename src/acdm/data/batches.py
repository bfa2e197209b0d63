"""Class-balanced, augmented batches, each a pure function of the seed and the step.

Nothing here has a state, so a resumed training sees exactly the batches that an uninterrupted one would have seen.
"""

from functools import lru_cache

import torch
from torch import Tensor

from acdm.core.config import Augment
from acdm.data.augmentation import Changes, cast_gain, pipeline


class Batches:
    """Draws from images held in memory.

    Args:
        images: (n, C, S, S) in [-1, 1]; on a GPU, batches are made there.
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
        self.augment = pipeline(augment)
        self.cast = augment.cast or 0.0

    def at(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Batch of a step: indices (B,), augmented images (B, C, S, S), classes (B,)."""
        device = self.images.device
        if device.type != "cpu":
            indices, changes, y = self.changes_at(step)
            return indices, changes.to(device).apply(self.images[indices.to(device)]), y.to(device)
        indices, y = self._drawn(step)
        with torch.random.fork_rng(devices=[]):  # kornia knows only the global generator
            torch.manual_seed(mix(self.seed, 1, step))
            x = self.augment((self.images[indices] + 1) / 2)  # kornia's intensities lie in [0, 1]
            if self.cast:
                x = (x * cast_gain(self.batch, x.shape[1], self.cast)[..., None, None]).clamp(0, 1)
        return indices, x * 2 - 1, y

    def changes_at(self, step: int) -> tuple[Tensor, Changes, Tensor]:
        """The same batch as numbers: indices (B,), what is done to their images, classes (B,)."""
        indices, y = self._drawn(step)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mix(self.seed, 1, step))
            return indices, Changes.draw(self.augment, self.cast, (self.batch, *self.images.shape[1:])), y

    def _drawn(self, step: int) -> tuple[Tensor, Tensor]:
        """Indices and classes (B,) of a step."""
        classes = len(self.members)
        slots = range(step * self.batch, (step + 1) * self.batch)
        y = torch.tensor([slot % classes for slot in slots])
        return torch.stack([self._member(slot % classes, slot // classes) for slot in slots]), y

    def _member(self, k: int, position: int) -> Tensor:
        """The image of class k at a position of an endless stream in which every image comes once an epoch."""
        return member(self.members[k], position, self.seed, 2 + k)


class FindingBatches:
    """Draws for several findings: at each step one has its turn, with as many images that have it as have not.

    Args:
        images: as of `Batches`.
        states: (n, K), 1 where an image has a finding, else 0.
        batch, augment, seed: as of `Batches`.
    """

    def __init__(self, images: Tensor, states: Tensor, batch: int, augment: Augment, seed: int) -> None:
        self.images, self.states, self.seed = images, states, seed
        self.of_each = [
            Batches(images, present, batch, augment, mix(seed, 12, k)) for k, present in enumerate(states.T)
        ]

    def turn(self, step: int) -> int:
        """Which finding has its turn: each comes once a round, in a drawn order."""
        return int(member(torch.arange(len(self.of_each)), step, self.seed, 13))

    def at(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """As `Batches.at`; a class is whether an image has the finding whose turn it is."""
        return self.of_each[self.turn(step)].at(step // len(self.of_each))


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


def first_of_each(labels: Tensor, *, classes: int, each: int) -> Tensor:
    """Indices of the first `each` images of every class, class by class.

    >>> first_of_each(torch.tensor([1, 0, 0, 1, 0]), classes=2, each=2).tolist()
    [1, 2, 0, 3]
    """
    return torch.cat([torch.nonzero(labels == k).squeeze(1)[:each] for k in range(classes)])
