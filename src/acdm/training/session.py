"""One training on its way: what is told, measured, drawn and saved from step to step."""

import time
from dataclasses import dataclass, field
from statistics import fmean

import torch

from acdm.core.config import Config
from acdm.core.files import drop_parts, write_bytes
from acdm.core.processes import World
from acdm.core.run import Run
from acdm.core.tensors import checkpoints, newest
from acdm.data.images.write import png
from acdm.data.loading import Intake
from acdm.errors import DivergedError
from acdm.maps.judge import Judge
from acdm.maps.pictures import sheet
from acdm.method.players import Players, assemble
from acdm.training.checkpoints import insist_finite, load_choice, load_players, save_chosen, save_players
from acdm.training.loop import Record
from acdm.training.progress import Progress, Watcher
from acdm.training.tensorboard import Board
from acdm.training.validation import Choice, Health, Look, look

VALIDATION_IMAGES = 128  # that are looked at
NOT_DUE = {"convinced": "", "change": ""}
SHEET_IMAGES = 8
WINDOW = 10  # steps that a line of metrics.csv is the mean of
ROLLBACKS = 3  # before a training that diverges is given up
SMALLER = 0.5  # of both learning rates, after each


@dataclass
class Session:
    """What one call of `acdm.training.train.fit` carries from step to step."""

    run: Run
    config: Config
    players: Players
    images: Intake
    watcher: Watcher
    began: float
    world: World
    window: list[Record] = field(default_factory=list)
    psnr: float | None = None
    health: Health = field(default_factory=Health)
    judge: Judge | None = None  # whose word chooses the networks that draw the maps
    choice: Choice = field(default_factory=Choice)
    rollbacks: int = 0
    board: Board = field(init=False)

    def __post_init__(self) -> None:
        self.board = Board(self.run.path / "tensorboard", self.tell)

    @classmethod
    def begin(cls, run: Run, config: Config, images: Intake, watcher: Watcher, world: World) -> "Session":
        return cls(run, config, fresh(config, images), images, watcher, time.perf_counter(), world)

    def tell(self, line: str) -> None:
        """Say it to the watcher and write it into the run's log."""
        if self.world.leads:
            self.run.log(line)
            self.watcher.say(line)

    def change(self, **values: object) -> None:
        """Other options from now on, kept with the run, so that it resumes with them."""
        self.config = self.config.model_copy(update=values)
        if self.world.leads:
            self.run.save_config(self.config)

    def restore(self) -> int:
        """Put the newest checkpoint that verifies into the players; the step it was saved after."""
        if not checkpoints(self.run.checkpoints):
            start, words = 0, "no checkpoint was saved yet: from the first step on"
        else:
            path, complaints = newest(self.run.checkpoints)
            for complaint in complaints:
                self.tell(f"passed over: {complaint}")
            start = load_players(path, self.players)
            words = f"gone on from {path.name} after step {start}"
        chosen, self.choice = load_choice(self.run.chosen)
        if chosen > start:
            self.choice = Choice()
        self.world.wait()  # all have read before anything changes
        if self.world.leads:
            if chosen > start:
                self.run.chosen.unlink()
            for folder in (self.run.path, self.run.checkpoints, self.run.samples):
                drop_parts(folder)
            self.run.save_config(self.config)
            self.run.forget_after(start)
        self.tell(words)
        return start

    def roll_back(self, error: DivergedError, files: list[str]) -> int:
        """Back to the last checkpoint with smaller steps; the step it was saved after.

        Raises:
            DivergedError: naming the loss, the step and the images, when that was done `ROLLBACKS` times already.
        """
        seen = f" (images {', '.join(sorted({files[i] for i in error.images})[:4])}, …)" if error.images else ""
        if self.rollbacks == ROLLBACKS:
            raise DivergedError(
                f"{error}{seen}; gone back {ROLLBACKS} times, each time on with smaller steps. The last checkpoint is"
                " sound: look at the images, or go on with --resume and --precision fp32"
            )
        self.rollbacks += 1
        o = self.config.optimiser
        smaller = o.model_copy(update={"lr": SMALLER * o.lr, "critic_lr": SMALLER * o.critic_lr})
        self.config = self.config.model_copy(update={"optimiser": smaller})
        self.tell(f"⚠ {error}{seen}: back to the last checkpoint, with learning rate {smaller.lr:g}")
        self.players = fresh(self.config, self.images)
        self.window.clear()
        self.board.close()
        return self.restore()

    def observe(self, record: Record, steps: int | None) -> None:
        """Measure, draw and save what a step makes due; `steps` is the last one, where it is known."""
        if record.parts != self.config.parts:
            self.change(accumulate=record.parts)
            self.tell(f"memory ran short: from step {record.step} on a batch is computed in {record.parts} parts")
        if self.world.leads:
            self._measure(record, steps)
        if record.step % self.config.save_every == 0:
            self.save(record.step)

    def _measure(self, record: Record, steps: int | None) -> None:
        config, run, step = self.config, self.run, record.step
        self.window.append(record)
        signs = self.health.step(step, record.losses)
        due = step % config.validate_every == 0 or step == steps
        if due:
            seen, convinced = self._look()
            self.psnr = seen.psnr
            signs += self.health.look(step, seen)
            if config.choose and self.choice.take(convinced, seen.change):
                save_chosen(run.chosen, self.players, step, self.choice)
        for sign in signs:
            self.tell(f"⚠ step {step}: {sign}")
        if step % WINDOW == 0 or due:
            losses = {name: fmean(r.losses[name] for r in self.window) for name in record.losses if name != "r1"}
            seconds = fmean(r.seconds for r in self.window)
            row = {"step": step, "seconds": f"{seconds:.4f}", "psnr": f"{self.psnr:.4f}" if due else ""}
            row |= {"convinced": f"{convinced:.4f}", "change": f"{seen.change:.6f}"} if due else NOT_DUE
            run.metric({**row, **{name: f"{value:.6g}" for name, value in losses.items()}})
            self.board.add(step, {**losses, **({"psnr": self.psnr} if due and self.psnr is not None else {})})
            self.watcher.on_step(Progress(step, steps, 1 / seconds, losses, self.psnr))
            self.window.clear()
        if step % config.sample_every == 0:
            self.draw(step)

    def _look(self) -> tuple[Look, float]:
        """At validation images, and how surely the judge takes the swapped ones for the other class; 0 without one."""
        x, y = self.images.head(VALIDATION_IMAGES)
        seen, swapped = look(self.players, x, y, self.config)
        if self.judge is None:
            return seen, 0.0
        told = self.judge.probabilities(swapped.clamp(-1, 1))
        return seen, float(told[torch.arange(len(y)), (y + 1) % self.players.classes].mean())

    def save(self, step: int) -> None:
        """A checkpoint; raises DivergedError, in every process, where a weight is not finite."""
        insist_finite(self.players, step)
        if self.world.leads:
            save_players(self.run.checkpoints, self.players, step)

    def draw(self, step: int) -> None:
        """A sheet in the layout of the paper's fig. 4, of the first validation images of each class."""
        if not self.world.leads:
            return
        x, y = self.images.head(SHEET_IMAGES)
        with torch.no_grad():
            (psi,) = self.players.average(x.to(self.config.device), y.to(self.config.device))
        write_bytes(self.run.samples / f"step-{step}.png", png(sheet(x, psi.cpu())))


def fresh(config: Config, images: Intake) -> Players:
    """Networks and optimisers that have seen nothing; the weights depend on the seed alone."""
    classes = int(images.train[1].max()) + 1
    return assemble(config, images.channels, classes, torch.device(config.device))
