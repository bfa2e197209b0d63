"""The training loop: it tells what happened, and the caller saves, draws and stops."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from acdm.core.config import Config, Optimiser
from acdm.core.device import channels_last
from acdm.core.processes import ALONE, World
from acdm.data.batches import Batches, mix
from acdm.errors import DivergedError, OutOfMemoryError
from acdm.method.players import Players
from acdm.method.step import Images, step

MEASURED = (10, 30)  # the steps whose speed becomes a step count under --minutes
MARGIN = 0.88  # of the minutes are planned for; the rest is for pictures, checkpoints and a machine that slows down


@dataclass(frozen=True)
class Record:
    """What one step did.

    Attributes:
        step: how many steps are done.
        seconds: of this step.
        losses: each term of eq. (10), `adv`, `critic` and (on some steps) `r1`, unweighted.
        parts: that its batch was computed in.
    """

    step: int
    seconds: float
    losses: dict[str, float]
    parts: int


def train(
    players: Players, batches: Batches, config: Config, steps: int, start: int = 0, world: World = ALONE
) -> Iterator[Record]:
    """Train from step `start` to `steps`, a record a step; processes of one `world` go in step.

    Where memory does not suffice, batches are computed in twice as many parts from then on.

    Raises:
        DivergedError: when a loss is not finite; the last checkpoint is untouched.
        OutOfMemoryError: when the parts cannot be halved any more.
    """
    device = next(players.branches.parameters()).device
    for index in range(start, steps):
        began = time.perf_counter()
        set_rate(players, index, steps, config.optimiser)
        indices, images = _images(batches, index, device)
        batch, lesson = images.split(config.batch)
        alpha = _alpha(config, index).to(device)
        try:
            losses, config = _step_that_fits(players, (batch, lesson, alpha), index, config, world)
        except DivergedError as error:
            raise DivergedError(f"{error} at step {index + 1}", indices.tolist()) from None
        values = dict(zip(losses, torch.stack(list(losses.values())).tolist(), strict=True))
        yield Record(index + 1, time.perf_counter() - began, values, config.parts)


def _images(batches: Batches, index: int, device: torch.device) -> tuple[Tensor, Images]:
    """The images of a step, on their device, and which they are."""
    indices, x, y = batches.at(index)
    classes = len(batches.members)
    other = (y + 1 + _shift(classes, batches.seed, index)) % classes
    return indices, Images(channels_last(x.to(device)), y.to(device), other.to(device))


def _step_that_fits(
    players: Players, images: tuple[Images, Images, Tensor], index: int, config: Config, world: World
) -> tuple[dict[str, Tensor], Config]:
    """One step, in as many parts as memory asks for, and the configuration with that many."""
    while True:
        try:
            return step(players, *images, index, config, world), config
        except (RuntimeError, MemoryError) as error:
            if not _lacks_memory(error):
                raise
        if world.size > 1:
            raise OutOfMemoryError(
                f"memory does not suffice at step {index + 1}; set 'accumulate: {2 * config.parts}' by --config, or try"
                " --network.recompute, a smaller --size or fewer --branches"
            )
        parts = 2 * config.parts
        if config.batch % parts:
            raise OutOfMemoryError(
                f"{config.batch // config.parts} image at a time does not fit into memory at step {index + 1};"
                " try --network.recompute, a smaller --size or fewer --branches"
            )
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        config = config.model_copy(update={"accumulate": parts})


def _lacks_memory(error: RuntimeError | MemoryError) -> bool:
    """torch has no class of its own for what a CPU cannot allocate."""
    words = ("can't allocate memory", "not enough memory", "out of memory")
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(word in str(error) for word in words)


def rate(index: int, steps: int, options: Optimiser) -> float:
    """Share of the learning rate at a step: a linear rise over `warmup`, then 1, then a linear fall to zero."""
    rise = min(1.0, (index + 1) / max(1, options.warmup))
    fall = min(1.0, (steps - index) / max(1.0, steps * options.decay))
    return rise * fall


def steps_for(minutes: float, seconds_so_far: float, done: int, seconds_a_step: float) -> int:
    """How many steps fit into the minutes, given what has been spent and the measured speed."""
    left = MARGIN * 60 * minutes - seconds_so_far
    return max(done + 1, done + int(left / seconds_a_step))


def set_rate(players: Players, index: int, steps: int, options: Optimiser) -> None:
    """Give both players the rates of a step (`rate`)."""
    share = rate(index, steps, options)
    for optimiser, lr in (
        (players.generator_optimiser, options.lr),
        (players.critic_optimiser, options.critic_lr),
    ):
        for group in optimiser.param_groups:
            group["lr"] = lr * share


def _alpha(config: Config, index: int) -> Tensor:
    """(N-1,) of eq. (4), drawn anew at every step; ones, with which nothing is mixed, where blending is off."""
    n = config.network.branches - 1
    return torch.rand(n, generator=_generator(config.seed, 0, index)) if config.blend else torch.ones(n)


def _shift(classes: int, seed: int, index: int) -> int:
    """How far beyond the next class a batch is swapped; 0 where there are only two."""
    return int(torch.randint(classes - 1, (), generator=_generator(seed, 1, index)))


def _generator(*numbers: int) -> torch.Generator:
    return torch.Generator().manual_seed(mix(*numbers))
