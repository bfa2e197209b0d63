"""The training loop: it tells what happened, and the caller saves, draws and stops."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from acdm.core.config import Config
from acdm.core.device import channels_last
from acdm.core.processes import ALONE, ProcessGroup
from acdm.data.batches import Batches, FindingBatches
from acdm.errors import DivergedError, OutOfMemoryError
from acdm.method.players import Players
from acdm.method.step import Batch, step, teach_discriminator
from acdm.training.schedule import blending, others, set_rate

MEASURED_STEPS = (10, 30)  # first and last of the steps whose speed becomes a step count under --minutes
PLANNED_SHARE = 0.88  # of --minutes; the rest is for pictures, checkpoints and slow-downs
MEASURED_SHARE = 0.97  # of --minutes, where the speed was measured with all of these
LESSONS_FROM = 2**30  # the first of the steps whose images teach the discriminator alone
MEASURED_AGAIN = (0.1, 0.2, 0.4)  # shares of the planned steps, before the learning rate falls


@dataclass(frozen=True)
class StepRecord:
    """What one step did, or a few that were looked at together.

    Attributes:
        step: how many steps are done.
        seconds: how long a step took.
        losses: each term of eq. (10), `adv`, `discriminator` and (on some steps) `r1`, unweighted; the mean.
        parts: how many parts a batch was computed in.
        count: how many steps this is about.
    """

    step: int
    seconds: float
    losses: dict[str, float]
    parts: int
    count: int = 1


Play = Callable[[Config, int, int], Iterator[StepRecord]]  # given options, the steps that are done, and the last one


def train_steps(
    players: Players,
    batches: Batches,
    config: Config,
    steps: int,
    start: int = 0,
    group: ProcessGroup = ALONE,
    play: Play | None = None,
) -> Iterator[StepRecord]:
    """Train from step `start` to `steps`; the processes of one group go in step.

    Where memory does not suffice, batches are computed in twice as many parts from then on.

    Args:
        players: changed in place.
        batches: what is trained on.
        config: options.
        steps: the last step.
        start: steps that are done already.
        group: processes that share each batch.
        play: does steps as CUDA graphs (`acdm.training.graphs`), as far as it can; the others are done call by call.

    Raises:
        DivergedError: when a loss is not finite; the last checkpoint is untouched.
        OutOfMemoryError: when the parts cannot be halved any more.
    """
    if play is not None:
        for record in play(config, start, steps):
            yield record
            start = record.step
    device = next(players.branches.parameters()).device
    for index in range(start, steps):
        began = time.perf_counter()
        set_rate(players, index, steps, config.optimiser)
        indices, images = _images(batches, index, device)
        batch, lesson = images.split(config.batch)
        alpha = blending(config, index, players.branches.branches).to(device)
        try:
            losses, config = _step_that_fits(players, (batch, lesson, alpha), index, config, group)
        except DivergedError as error:
            raise DivergedError(f"{error} at step {index + 1}", indices.tolist()) from None
        values = dict(zip(losses, torch.stack(list(losses.values())).tolist(), strict=True))
        yield StepRecord(index + 1, time.perf_counter() - began, values, config.parts)


def lessons(players: Players, batches: Batches, config: Config, steps: int) -> Iterator[float]:
    """Teach the discriminator alone, by all of the images of steps that a training never gets to; tell what it pays.

    Raises:
        DivergedError: when that is not finite.
    """
    device = next(players.discriminator.parameters()).device
    for index in range(LESSONS_FROM, LESSONS_FROM + steps):
        _, images = _images(batches, index, device)
        yield teach_discriminator(players, images, config)


def _images(batches: Batches, index: int, device: torch.device) -> tuple[Tensor, Batch]:
    """Which images a step sees, and the images on their device."""
    indices, x, y = batches.at(index)
    if isinstance(batches, FindingBatches):
        states = batches.states[indices.to(batches.states.device)]
        return indices, Batch(
            channels_last(x.to(device)),
            y.to(device),
            1 - y.to(device),
            states.to(device),
            batches.turns(index).to(device),
        )
    other = others(y, len(batches.members), batches.seed, index)
    return indices, Batch(channels_last(x.to(device)), y.to(device), other.to(device))


def _step_that_fits(
    players: Players, images: tuple[Batch, Batch, Tensor], index: int, config: Config, group: ProcessGroup
) -> tuple[dict[str, Tensor], Config]:
    """Do one step, in as many parts as memory asks for; returns its losses and the configuration with that many."""
    while True:
        try:
            return step(players, *images, index, config, group), config
        except (RuntimeError, MemoryError) as error:
            if not _lacks_memory(error):
                raise
        if group.size > 1:
            raise OutOfMemoryError(
                f"memory does not suffice at step {index + 1}; try --accumulate {2 * config.parts},"
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
        config = config.with_(accumulate=parts)


def _lacks_memory(error: RuntimeError | MemoryError) -> bool:
    """Whether it is memory that was short; torch has no class of its own for what a CPU cannot allocate."""
    words = ("can't allocate memory", "not enough memory", "out of memory")
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(word in str(error) for word in words)


def steps_for(minutes: float, seconds_so_far: float, done: int, seconds_a_step: float) -> int:
    """How many steps fit into the minutes, given what has been spent and the measured speed.

    >>> steps_for(minutes=10, seconds_so_far=70, done=30, seconds_a_step=0.5)  # (.88 * 600 - 70) / .5 more
    946
    """
    return max(done + 1, done + steps_within(minutes, seconds_a_step, seconds_so_far))


def steps_within(minutes: float, seconds_a_step: float, seconds_so_far: float = 0.0) -> int:
    """How many more steps fit into the minutes, pictures and checkpoints included."""
    return int((PLANNED_SHARE * 60 * minutes - seconds_so_far) / seconds_a_step)
