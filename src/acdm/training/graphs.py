"""Steps on a GPU that does not wait: the whole step recorded once as a CUDA graph, and played back.

A step is some 1,700 small calls.  Sent one by one they keep the processor busy and the GPU idle; a graph is one call.
There are two, with R1 and without.  All that changes from step to step (which images, what is done to them, classes,
alpha) is one row of numbers; images live on the GPU.  What a step found is looked at after several steps.

Elsewhere than on a GPU the same code runs unrecorded: slower, and good for tests.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite
from statistics import fmean

import torch
from torch import Tensor

from acdm.core.config import Config
from acdm.core.device import channels_last, resident
from acdm.core.processes import ProcessGroup
from acdm.data.augmentation import Changes
from acdm.data.batches import Batches
from acdm.errors import DivergedError
from acdm.method.capturable import GRADIENTS, capturable_step, make_capturable, make_eager
from acdm.method.players import Players
from acdm.method.step import Batch, Draw, real_ones, regularises
from acdm.training.loop import StepRecord
from acdm.training.schedule import blending, others, set_rate

LOOKED_AT = 10  # steps between two looks at what was found, as often as metrics.csv gets a line
WARM_UP = 2  # steps before a recording, in which libraries choose their algorithms
TOLERANCE = 0.02  # by how large a share of it a loss of a played step may differ from the same step done call by call


class GraphError(RuntimeError):
    """A recorded step does not do what it should."""


def can_be_recorded(config: Config, group: ProcessGroup) -> bool:
    """Whether steps are worth recording: on one GPU, where features are kept for the backward pass.

    With frozen features in the discriminator it was not tried.
    """
    alone = config.device == "cuda" and group.size == 1
    return alone and not config.network.recompute and not config.discriminator_features


def record(step: Callable[[], Tensor], device: torch.device) -> Callable[[], Tensor]:
    """Record what a step calls on the GPU; returns what plays it back.  On a processor it is the step itself."""
    if device.type != "cuda":
        return step
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = step()

    def play() -> Tensor:
        graph.replay()
        return found

    return play


@dataclass(frozen=True)
class Queued:
    """A step that was sent to the GPU, and what it will have found.

    Attributes:
        index: number of the step, from 0.
        images: (D,), places of the images it sees.
        names: of the losses and norms in `found`.
        found: (len(names),), on the GPU.
    """

    index: int
    images: Tensor
    names: list[str]
    found: Tensor


@dataclass
class GraphedSteps:
    """Does both players' steps by playing recordings of them.

    Attributes:
        players: changed in place; nobody else moves them while this is in use.
        batches: what is trained on; its images are copied to the players' device.
        config: options that the recordings were made with.
        tell: is told why steps cannot be recorded.
    """

    players: Players
    batches: Batches
    config: Config
    tell: Callable[[str], None]
    _images: Tensor = field(init=False)
    _row: Tensor | None = field(init=False, default=None)
    _names: dict[bool, list[str]] = field(init=False, default_factory=dict)
    _recordings: dict[bool, Callable[[], Tensor]] = field(init=False, default_factory=dict)
    _queue: list[Queued] = field(init=False, default_factory=list)
    _begun: bool = field(init=False, default=False)
    _failed: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        torch.backends.cudnn.benchmark = True
        device = next(self.players.branches.parameters()).device
        self._images = resident(self.batches.images, device)
        make_capturable(self.players)
        if self._images.device.type != device.type:
            self._give_up("the images take more than half of its free memory")

    def play(self, config: Config, start: int, steps: int) -> Iterator[StepRecord]:
        """Do the steps from `start` to `steps`; they are looked at where the run writes, draws or saves something.

        Where steps cannot be recorded, that is told, and it ends early; the players are then as steps call by call
        want them.

        Raises:
            DivergedError: when a loss or gradient is not finite; from that step on no weight has moved.
        """
        if self._failed:
            return
        if (config.loss, config.parts) != (self.config.loss, self.config.parts):
            self._recordings.clear()  # they have the old ones' numbers in them
        self.config, done = config, start
        while done < steps and not self._failed:
            began, until = time.perf_counter(), min(steps, _next_look(config, done))
            try:
                for index in range(done, until):
                    self._advance(index, steps)
            except RuntimeError as error:
                self._give_up((str(error) or type(error).__name__).splitlines()[0])
            found = self._read()
            if found:
                done += len(found)
                names = dict.fromkeys(name for of in found for name in of)  # in their order
                losses = {name: fmean(of[name] for of in found if name in of) for name in names}
                seconds = (time.perf_counter() - began) / len(found)
                yield StepRecord(done, seconds, losses, config.parts, len(found))

    def _give_up(self, reason: str) -> None:
        self._failed = True
        self._recordings.clear()
        make_eager(self.players)
        self.tell(f"steps are done call by call, for they cannot be recorded on this GPU: {reason}")

    def _advance(self, index: int, steps: int) -> None:
        """Send step `index` of `steps` to the GPU.

        Raises:
            RuntimeError: when it cannot be recorded, or memory does not suffice; the players are as before.
        """
        images = self._send(index, steps)
        regularise = regularises(index, self.config)
        if not self._begun:  # the first one makes the optimisers' moments
            found, self._begun = self._step(regularise), True
        else:
            if not self._recordings:
                self._record()
            found = self._recordings[regularise]()
        self._queue.append(Queued(index, images, self._names[regularise], found.clone()))

    def _read(self) -> list[dict[str, float]]:
        """Wait for all steps that were sent, and tell each loss that they found."""
        queue, self._queue = self._queue, []
        told = []
        for queued in queue:
            values = dict(zip(queued.names, queued.found.tolist(), strict=True))
            for name, value in values.items():
                if not isfinite(value):
                    what = f"the gradient of loss '{name.split()[0]}'" if name in GRADIENTS else f"loss '{name}'"
                    raise DivergedError(f"{what} is not finite at step {queued.index + 1}", queued.images.tolist())
            told.append({name: value for name, value in values.items() if name not in GRADIENTS})
        return told

    def _send(self, index: int, steps: int) -> Tensor:
        """Send the step's row of numbers and its learning rates; returns the places of its images."""
        config = self.config
        images, changes, y = self.batches.changes_at(index)
        other = others(y, self.players.classes, config.seed, index)
        parts = [images, y, other, *vars(changes).values(), real_ones(config.real, index, config.batch)]
        row = torch.cat(
            [part.reshape(-1).double() for part in [*parts, blending(config, index, self.players.branches.branches)]]
        )
        if self._row is None:
            self._row = row.to(self._images.device)
        self._row.copy_(row.pin_memory() if self._row.is_cuda else row, non_blocking=True)
        set_rate(self.players, index, steps, config.optimiser)
        return images

    def _step(self, regularise: bool) -> Tensor:
        """The step that the row of numbers describes, call by call; every loss and norm as one tensor."""
        assert self._row is not None
        drawn, channels, batch = self.config.drawn, self._images.shape[1], self.config.batch
        widths = [drawn, drawn, drawn, 6 * drawn, drawn, drawn, channels * drawn, batch]
        parts = self._row.split([*widths, len(self._row) - sum(widths)])
        images, y, other, matrix, power, gain, cast, real, alpha = parts
        changes = Changes(
            matrix=matrix.float().view(drawn, 2, 3),
            power=power.float().view(drawn, 1),
            gain=gain.float().view(drawn, 1),
            cast=cast.float().view(drawn, channels),
        )
        x = changes.apply(self._images[images.long()])
        seen, lesson = Batch(channels_last(x), y.long(), other.long()).split(batch)
        draw = Draw(seen, lesson, real > 0.5, alpha.float(), regularise)
        terms = capturable_step(self.players, draw, self.config)
        self._names[regularise] = list(terms)
        return torch.stack([term.float() for term in terms.values()])

    def _record(self) -> None:
        """Record both steps, and see that they do what the same steps do call by call; the players stay as they are.

        Raises:
            RuntimeError: when recording fails, or a recorded step finds something else.
        """
        before = [tensor.clone() for tensor in self._moving()]
        try:
            for regularise in (False, True):
                self._recordings[regularise] = self._recorded(regularise, before)
        finally:
            self._restore(before)

    def _recorded(self, regularise: bool, before: list[Tensor]) -> Callable[[], Tensor]:
        with _beside(self._images.device):
            for _ in range(WARM_UP):
                self._step(regularise)
        self._restore(before)
        play = record(lambda: self._step(regularise), self._images.device)
        self._restore(before)
        found = play().clone()
        self._restore(before)
        wanted = self._step(regularise)
        far = ~torch.isclose(found, wanted, rtol=TOLERANCE, atol=1e-6, equal_nan=True)
        if far.any():
            at = int(far.nonzero()[0])
            raise GraphError(
                f"a recorded step finds {float(found[at]):.6g} for '{self._names[regularise][at]}', the same step call"
                f" by call {float(wanted[at]):.6g}"
            )
        self._restore(before)
        return play

    def _moving(self) -> list[Tensor]:
        """Everything that a step changes."""
        players = self.players
        modules = (players.branches, players.discriminator, players.average)
        optimisers = (players.generator_optimiser, players.discriminator_optimiser)
        weights = [tensor for module in modules for tensor in module.state_dict().values()]
        moments = [m for optimiser in optimisers for state in optimiser.state.values() for m in state.values()]
        return [*weights, *moments]

    @torch.no_grad()
    def _restore(self, before: list[Tensor]) -> None:
        for tensor, old in zip(self._moving(), before, strict=True):
            tensor.copy_(old)


def _next_look(config: Config, done: int) -> int:
    """The next step after which something is written, drawn, saved or looked at."""
    due = (LOOKED_AT, config.validate_every, config.sample_every, config.save_every)
    return min((done // every + 1) * every for every in due)


@contextmanager
def _beside(device: torch.device) -> Iterator[None]:
    """A stream of its own for steps before a recording, as torch asks for; nothing on a processor."""
    if device.type != "cuda":
        yield
        return
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        yield
    torch.cuda.current_stream(device).wait_stream(stream)
