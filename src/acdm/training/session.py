"""One training on its way: what is told, measured, drawn and saved from step to step."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from shlex import quote
from statistics import fmean, median

import torch
import torch.nn.functional as F
from torch import Tensor

from acdm.core.config import Config
from acdm.core.files import drop_parts, write_bytes
from acdm.core.processes import ProcessGroup
from acdm.core.progress import Progress
from acdm.core.run import Run
from acdm.core.tensors import checkpoints, newest_checkpoint
from acdm.data.batches import some_of_each
from acdm.data.images.write import png
from acdm.data.loading import TrainingImages
from acdm.errors import CheckpointError, DivergedError, InterruptedTrainingError
from acdm.maps.judge import Judge
from acdm.maps.pictures import sheet
from acdm.method.players import Players
from acdm.training.checkpoints import load_choice, load_players, require_finite, save_chosen, save_players
from acdm.training.fresh import fresh_players
from acdm.training.graphs import GraphedSteps
from acdm.training.loop import StepRecord
from acdm.training.progress import TrainingStatus
from acdm.training.signals import listening
from acdm.training.tensorboard import TensorBoard
from acdm.training.validation import Choice, Health, Look, look

CHECK_SHARE = 0.15  # of the minutes, that check classifiers get at most
VALIDATION_IMAGES = 128  # that each look sees
NO_LOOK = {"convinced": "", "change": ""}  # columns of metrics.csv
SHEET_IMAGES = 8
METRICS_EVERY = 10  # steps that a line of metrics.csv is the mean of
MAX_ROLLBACKS = 3  # before a training that diverges is given up
ROLLBACK_LR_FACTOR = 0.5  # multiplies both learning rates at each rollback
LEAST_SPARSE = 1.0  # weight below which a silent branch 1 does not lower it: not sparsity, then, keeps it silent


@dataclass(kw_only=True)
class Session:
    """What one call of `acdm.training.train.train` carries from step to step.

    Attributes:
        run: the folder that is written to.
        config: options, some of which change on the way.
        players: networks and optimisers.
        images: what is trained and validated on.
        progress: is told of every step.
        group: processes that train together.
        began: when, on the clock of `time.perf_counter`.
        judge: the check classifier, whose word chooses the networks that draw the maps.
        choice: what it has said so far.
        health: signs of collapse.
        measured_at: steps after which their number is planned anew, under --minutes.
        measured_from: the step from which the speed is measured, and when that was.
        graphs: plays steps on a GPU; None where they are done call by call.
        whole: the run that this training is a part of; None where it is one of its own.
        again: options that are to be given again where the training goes on, as they are typed.
    """

    run: Run
    config: Config
    images: TrainingImages
    progress: Progress
    group: ProcessGroup
    began: float = field(default_factory=time.perf_counter)
    judge: Judge | None = None
    choice: Choice = field(default_factory=Choice)
    health: Health = field(default_factory=Health)
    measured_at: set[int] = field(default_factory=set)
    measured_from: tuple[int, float] = (0, 0.0)
    graphs: GraphedSteps | None = None
    whole: Run | None = None
    again: str = ""
    players: Players = field(init=False)
    tensorboard: TensorBoard = field(init=False)
    _records: list[StepRecord] = field(default_factory=list)
    _psnr: float | None = None
    _convinced: float | None = None
    _rollbacks: int = 0

    def __post_init__(self) -> None:
        self.players = self._fresh_players()
        self.tensorboard = TensorBoard(self.run.path / "tensorboard", self.tell)

    @property
    def branch_minutes(self) -> float | None:
        """What the branches get of --minutes."""
        return self.config.branch_minutes(self.images.findings)

    @property
    def end_of_check(self) -> float:
        """When a check classifier that is fitted from now on has had its share of --minutes, on the same clock."""
        return time.perf_counter() + 60 * CHECK_SHARE * (self.config.minutes or inf)

    @property
    def end(self) -> float:
        """When --minutes are over, on the same clock; infinity where none were given."""
        return self.began + 60 * (self.config.minutes or inf)

    @property
    def over(self) -> bool:
        """Whether the branches' minutes are over."""
        minutes = self.branch_minutes
        return minutes is not None and time.perf_counter() - self.began > 60 * minutes

    @property
    def shown(self) -> Run:
        """The run that people look at."""
        return self.whole or self.run

    @property
    def how_to_go_on(self) -> str:
        """Words for how to resume this training."""
        return f"go on with 'acdm train DATA -o {quote(str(self.shown.path))} --resume{self.again}'"

    def tell(self, line: str) -> None:
        """Say a line and write it into the run's log."""
        if self.group.is_first:
            self.shown.log(line)
            self.progress.say(line)

    def change(self, **values: object) -> None:
        """Go on with other options, kept with the run, so that it resumes with them."""
        self.config = self.config.with_(**values)
        if self.group.is_first:
            self.run.save_config(self.config)

    def begin_anew(self, **values: object) -> None:
        """Begin with other options, of which the networks are made; kept with the run."""
        self.change(**values)
        self.players = self._fresh_players()

    @property
    def in_force(self) -> Config:
        """The options that steps are done by now: at half the size branch 1 need not be sparse.

        There the discriminator can't tell the classes yet, and what is sparse falls silent (docs/results/choices.md).
        """
        return self.config.with_(loss={"sparse": 0}) if self.players.halved else self.config

    def seen(self, x: Tensor) -> Tensor:
        """Images (n, C, S, S) as the networks see them now: of half the size in the first steps, where asked for."""
        return F.avg_pool2d(x, 2) if self.players.halved else x

    def restore(self) -> int:
        """Put the newest checkpoint that verifies into the players; returns the step it was saved after."""
        if not checkpoints(self.run.checkpoints):
            start, words = 0, "no checkpoint was saved yet: from the first step on"
        else:
            checkpoint = newest_checkpoint(self.run.checkpoints, self.run.id)
            for complaint in checkpoint.complaints:
                self.tell(f"passed over: {complaint}")
            start = load_players(checkpoint, self.players)
            words = f"gone on from {checkpoint.path.name} after step {start}"
        chosen, self.choice = self._choice_until(start)
        self.group.barrier()  # all have read before anything changes
        if self.group.is_first:
            if not chosen:
                self.run.chosen.unlink(missing_ok=True)
            for folder in (self.run.path, self.run.checkpoints, self.run.samples):
                drop_parts(folder)
            self.run.save_config(self.config)
            self.run.forget_after(start)
        self.tell(words)
        return start

    def _choice_until(self, start: int) -> tuple[int, Choice]:
        """The chosen step and what was known then; nothing where that is later, damaged or of another run."""
        try:
            chosen, choice = load_choice(self.run.chosen, self.run.id)
        except CheckpointError as error:
            self.tell(f"passed over: {error}; the networks are chosen anew")
            return 0, Choice()
        return (chosen, choice) if chosen <= start else (0, Choice())

    @contextmanager
    def interruptible(self, phase: str) -> Iterator[Callable[[], None]]:
        """Give a function that tells of progress, and ends a phase after training where a signal has come.

        Args:
            phase: what begins anew when the run is gone on with.

        Raises:
            InterruptedTrainingError: out of that function.
        """
        with listening() as stop:

            def after_each() -> None:
                self.progress.advance()
                if stop.signum is not None:
                    remedy = f"{phase} begins anew when you {self.how_to_go_on}"
                    raise InterruptedTrainingError(f"stopped by signal {stop.signum}; {remedy}", stop.signum)

            yield after_each

    def roll_back(self, error: DivergedError, files: list[str]) -> int:
        """Go back to the last checkpoint with smaller learning rates; returns the step it was saved after.

        Args:
            error: what happened.
            files: names of the training images.

        Raises:
            DivergedError: naming the loss, the step and the images, when that was done `MAX_ROLLBACKS` times already.
        """
        seen = f" (images {', '.join(sorted({files[i] for i in error.images})[:4])}, …)" if error.images else ""
        if self._rollbacks == MAX_ROLLBACKS:
            raise DivergedError(
                f"{error}{seen}; gone back {MAX_ROLLBACKS} times, each time on with smaller steps. The last checkpoint"
                " is sound: look at the images, or go on with --resume and --precision fp32"
            )
        self._rollbacks += 1
        o = self.config.optimiser
        rates = {"lr": ROLLBACK_LR_FACTOR * o.lr, "discriminator_lr": ROLLBACK_LR_FACTOR * o.discriminator_lr}
        self.config = self.config.with_(optimiser=rates)
        self.tell(f"⚠ {error}{seen}: back to the last checkpoint, with learning rate {rates['lr']:g}")
        self.players = self._fresh_players()
        self._records.clear()
        self.tensorboard.close()
        start = self.restore()
        self.measured_from = start, time.perf_counter()
        return start

    def _fresh_players(self) -> Players:
        return fresh_players(self.config, self.images.channels, self.images.classes, self.images.findings)

    def observe(self, record: StepRecord, steps: int | None) -> None:
        """Measure, draw and save what a step makes due; `steps` is the last one, where it is known."""
        if record.parts != self.config.parts:
            self.change(accumulate=record.parts)
            self.tell(f"memory ran short: from step {record.step} on a batch is computed in {record.parts} parts")
        if self.group.is_first:
            self._measure(record, steps)
        silenced = self.health.silent and not self.players.halved  # where nothing has to be sparse
        if record.step % self.config.validate_every == 0 and self.group.any(silenced):
            self._let_speak()
        if record.step % self.config.save_every == 0:
            self.save(record.step)

    def _let_speak(self) -> None:
        """Halve the weight of sparsity, which a silent branch 1 has not overcome."""
        weight = self.config.loss.sparse / 2
        if weight >= LEAST_SPARSE:
            self.change(loss={"sparse": weight})
            self.tell(f"branch 1 is to speak: the weight of sparsity is {weight:g} from here on (--loss.sparse)")

    def _measure(self, record: StepRecord, steps: int | None) -> None:
        config, step = self.config, record.step
        self._records.append(record)
        signs = self.health.step(record.losses, record.count)
        seen: dict[str, str] = {}
        if step % config.validate_every == 0 or step == steps:
            found, convinced = self._look()
            self._psnr, self._convinced = found.psnr, convinced or None
            signs += self.health.look(step, found)
            if config.ablation.choose and self.choice.offer(convinced, found.change, found.psnr):
                save_chosen(self.run.chosen, self.players, step, self.choice, self.run.id)
            seen = {"psnr": f"{found.psnr:.4f}", "convinced": f"{convinced:.4f}", "change": f"{found.change:.6f}"}
        for sign in signs:
            self.tell(f"⚠ step {step}: {sign}")
        if step % config.sample_every == 0:
            self.draw(step)
        if step % METRICS_EVERY == 0 or seen:
            self._write_metrics(step, steps, seen)

    def _write_metrics(self, step: int, steps: int | None, seen: dict[str, str]) -> None:
        """Add the mean of the steps since the last line to metrics.csv, and tell of it."""
        names = [name for name in self._records[-1].losses if name != "r1"]
        counts = [record.count for record in self._records]
        losses = {name: fmean((record.losses[name] for record in self._records), counts) for name in names}
        seconds = fmean((record.seconds for record in self._records), counts)
        row = {"step": step, "seconds": f"{seconds:.4f}", **(seen or {"psnr": "", **NO_LOOK})}
        self.run.metric({**row, **{name: f"{value:.6g}" for name, value in losses.items()}})
        if seen:
            shown = " ".join(f"{name} {loss:.3g}" for name, loss in losses.items())
            self.shown.log(f"step {step} · {1 / seconds:.1f} steps/s · {self._psnr:.1f} dB · {shown}")
        self.tensorboard.add(step, {**losses, **({"psnr": self._psnr} if seen and self._psnr is not None else {})})
        status = TrainingStatus(1 / seconds, self._psnr, self._convinced)
        self.progress.advance(status.facts, done=step, total=steps)
        if seen:
            self.progress.changed(self.shown.path)
        self._records.clear()

    def _look(self) -> tuple[Look, float]:
        """A look at validation images, and how surely the check classifier takes their counterfactuals for the other
        class; 0 without one, and of images of half the size, which it does not know.
        """
        if self.images.states is not None:
            return self._look_at_findings(), 0.0
        x, y = self.images.head(VALIDATION_IMAGES)
        seen, counterfactuals = look(self.players, self.seen(x), y, self.config.precision)
        if self.judge is None or self.players.halved:
            return seen, 0.0
        told = self.judge.probabilities(counterfactuals.clamp(-1, 1))
        return seen, float(told[torch.arange(len(y)), (y + 1) % self.players.classes].mean())

    def _look_at_findings(self) -> Look:
        """Find the mean of what the findings' branches show.

        Of the energy it is their median share: one silent branch shall not make the others loud.
        """
        assert self.images.states is not None
        looks = []
        for k in range(self.images.findings):
            images = self.images.of_finding(k)
            chosen = some_of_each(images.validation[1], classes=2, each=VALIDATION_IMAGES // 4)
            x, y = (tensor[chosen] for tensor in images.validation)
            states = self.images.states[1][chosen]
            looks.append(look(self.players, self.seen(x), y, self.config.precision, states, k)[0])
        psnr, variety, change = (fmean(getattr(seen, name) for seen in looks) for name in ("psnr", "variety", "change"))
        return Look(psnr, variety, change, median(seen.share for seen in looks))

    def save(self, step: int) -> None:
        """Save a checkpoint; raises DivergedError, in every process, where a weight is not finite."""
        require_finite(self.players, step)
        if self.group.is_first:
            save_players(self.run.checkpoints, self.players, step, self.run.id)

    def draw(self, step: int) -> None:
        """Draw a sheet in the layout of the paper's fig. 4, of the first validation images of each class."""
        if not self.group.is_first:
            return
        chosen = self.images.unseen(SHEET_IMAGES)
        x, y = (tensor[chosen].to(self.config.device) for tensor in self.images.validation)
        x = self.seen(x)
        states = self.images.states
        branches = self.players.averaged(None if states is None else states[1][chosen].to(self.config.device), 0)
        with torch.no_grad():
            psi = branches(x, y if states is None else states[1][chosen, 0].to(self.config.device))[0]
        write_bytes(self.run.samples / f"step-{step}.png", png(sheet(x.cpu(), psi.cpu())))
