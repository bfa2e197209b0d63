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
        indices, y = self.drawn(step)
        with torch.random.fork_rng(devices=[]):  # kornia knows only the global generator
            torch.manual_seed(mix(self.seed, 1, step))
            x = self.augment((self.images[indices] + 1) / 2)  # kornia's intensities lie in [0, 1]
            if self.cast:
                x = (x * cast_gain(self.batch, x.shape[1], self.cast)[..., None, None]).clamp(0, 1)
        return indices, x * 2 - 1, y

    def changes_at(self, step: int) -> tuple[Tensor, Changes, Tensor]:
        """The same batch as numbers: indices (B,), what is done to their images, classes (B,)."""
        indices, y = self.drawn(step)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mix(self.seed, 1, step))
            return indices, Changes.draw(self.augment, self.cast, (self.batch, *self.images.shape[1:])), y

    def drawn(self, step: int) -> tuple[Tensor, Tensor]:
        """Indices and classes (B,) of a step."""
        classes = len(self.members)
        slots = range(step * self.batch, (step + 1) * self.batch)
        y = torch.tensor([slot % classes for slot in slots])
        return torch.stack([self._member(slot % classes, slot // classes) for slot in slots]), y

    def _member(self, k: int, position: int) -> Tensor:
        """The image of class k at a position of an endless stream in which every image comes once an epoch."""
        return member(self.members[k], position, self.seed, 2 + k)


class FindingBatches(Batches):
    """Draws for several findings: pairs of images, one without and one with the finding whose turn it is.

    Args:
        images: as of `Batches`.
        states: (n, K), 1 where an image has a finding, else 0; each finding has both.
        batch, augment, seed: as of `Batches`; an even number of images.
    """

    def __init__(self, images: Tensor, states: Tensor, batch: int, augment: Augment, seed: int) -> None:
        super().__init__(images, states[:, 0], batch, augment, seed)
        self.states = states
        self.of_each = [[torch.nonzero(own == state).squeeze(1) for state in (0, 1)] for own in states.T]

    def turns(self, step: int) -> Tensor:
        """Which finding each image of a step is drawn for, (B,): each comes once a round, in a drawn order."""
        pairs = range(step * self.batch // 2, (step + 1) * self.batch // 2)
        every = torch.arange(len(self.of_each))
        return torch.stack([member(every, pair, self.seed, 13) for pair in pairs]).repeat_interleave(2)

    def drawn(self, step: int) -> tuple[Tensor, Tensor]:
        """Indices (B,) of a step, and whether the images have the finding that they are drawn for."""
        first = step * self.batch // 2
        turns = self.turns(step)
        rounds = [(first + slot // 2) // len(self.of_each) for slot in range(self.batch)]
        y = torch.arange(self.batch) % 2
        drawn = [
            member(self.of_each[k][state], position, self.seed, 12, k, state)
            for k, state, position in zip(turns.tolist(), y.tolist(), rounds, strict=True)
        ]
        return torch.stack(drawn), y


def balance(states: Tensor) -> Tensor:
    """Weights of states (B, K), whose mean is 1, under which the two states of a finding weigh the same in a batch.

    >>> balance(torch.tensor([[0], [0], [0], [1]])).squeeze().tolist()  # a half over three quarters, over a quarter
    [0.6666666865348816, 0.6666666865348816, 0.6666666865348816, 2.0]
    """
    present = states.float().mean(dim=0)
    return 0.5 / torch.where(states == 1, present, 1 - present)


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


def some_of_each(labels: Tensor, *, classes: int, each: int) -> Tensor:
    """Indices of `each` images of every class, or all there are, class by class.

    They are spread evenly over the order of files, where images of one patient or place come one after the other.

    >>> some_of_each(torch.tensor([1, 0, 0, 1, 0]), classes=2, each=2).tolist()
    [1, 4, 0, 3]
    """
    found = [torch.nonzero(labels == k).squeeze(1) for k in range(classes)]
    return torch.cat([own if len(own) <= each else own[_spread(len(own), each)] for own in found])


def _spread(among: int, count: int) -> Tensor:
    """Choose so many of the numbers below `among`, the first and the last with them, in even steps."""
    return torch.linspace(0, among - 1, count).round().long()
