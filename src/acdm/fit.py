"""From folders to a finished run: train, draw samples, fit the judge, calibrate.

The loop of `acdm.training` only tells what happened; what is saved, drawn and stopped is decided here.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import torch

from acdm.calibrate import calibrate
from acdm.calibration import save_calibration
from acdm.config import Config
from acdm.data.batches import Batches
from acdm.data.dataset import Dataset
from acdm.decompose import load
from acdm.device import flush_denormals
from acdm.errors import DataError, InterruptedTrainingError
from acdm.figure import sheet
from acdm.files import write_bytes
from acdm.images.write import png
from acdm.intake import Intake, take_in
from acdm.judge import save_judge, train_judge
from acdm.resolve import settle
from acdm.run import Run, describe, insist_free, lock
from acdm.shortcuts import WARN
from acdm.training.loop import MEASURED, Record, steps_for, train, validation_psnr
from acdm.training.state import checkpoints, load_players, newest, save_players
from acdm.training.step import Players, assemble
from acdm.training.stop import Stop, listening

VALIDATION_IMAGES = 64  # whose PSNR is followed
SHEET_IMAGES = 8
WINDOW = 10  # steps that a line of metrics.csv is the mean of


@dataclass(frozen=True)
class Progress:
    """What a watcher sees: where training stands."""

    step: int
    steps: int | None
    rate: float  # steps a second
    losses: dict[str, float]
    psnr: float | None


@dataclass
class Watcher:
    """Callbacks of a training; by default nobody looks."""

    on_step: Callable[[Progress], None] = lambda progress: None
    say: Callable[[str], None] = lambda line: None


@dataclass
class _Session:
    """What one call of `fit` carries from step to step."""

    run: Run
    config: Config
    players: Players
    images: Intake
    watcher: Watcher
    began: float
    window: list[Record] = field(default_factory=list)
    psnr: float | None = None

    def tell(self, line: str) -> None:
        """Say it to the watcher and write it into the run's log."""
        self.run.log(line)
        self.watcher.say(line)


def fit(
    dataset: Dataset, config: Config, path: Path, command: str, resume: bool = False, watcher: Watcher | None = None
) -> Run:
    """Train on a data set and leave a finished run.

    Args:
        dataset: with its splits.
        config: `resolve`d.
        path: of the run folder.
        command: that made the run, for the record.
        resume: go on with an unfinished run, on the same images.
        watcher: of progress.

    Raises:
        AcdmError: RunError, DataError, DivergedError, WriteError, or InterruptedTrainingError after saving.
    """
    flush_denormals()
    watcher = watcher or Watcher()
    if resume:
        _insist_same_images(Run.open(path), dataset)
    else:
        insist_free(path)
    images = take_in(dataset, config.size)
    config = settle(config, images, watcher.say)
    with lock(path):
        data = {
            "channels": images.channels,
            "size": config.size,
            "side": images.side,
            "digests": images.digests,
            "shortcuts": [vars(s) for s in images.shortcuts],
        }
        run = Run.open(path) if resume else Run.create(path, config, dataset, data, command)
        players = assemble(config, images.channels, len(dataset.classes), torch.device(config.device))
        session = _Session(run, config, players, images, watcher, time.perf_counter())
        for shortcut in images.shortcuts:
            if shortcut.auroc >= WARN:
                session.tell(f"⚠ {shortcut.sentence}")
        start = _restore(session) if resume else 0
        _train(session, start)
        _finish(session)
    return run


def _insist_same_images(run: Run, dataset: Dataset) -> None:
    if describe(dataset)["files"] != run.read_json("data.json")["files"]:
        raise DataError(f"{run.path}: the images or their split are not those this run began with; begin a new run")


def _restore(session: _Session) -> int:
    session.run.save_config(session.config)
    if not checkpoints(session.run.checkpoints):
        session.run.forget_after(0)
        session.tell("no checkpoint was saved yet: from the first step on")
        return 0
    path, complaints = newest(session.run.checkpoints)
    for complaint in complaints:
        session.tell(f"passed over: {complaint}")
    start = load_players(path, session.players)
    session.run.forget_after(start)
    session.tell(f"resumed from {path.name} after step {start}")
    return start


def _train(session: _Session, start: int) -> None:
    batches = Batches(*session.images.train, session.config.drawn, session.config.augment, session.config.seed)
    with listening() as stop:
        done = _measure(session, batches, start, stop) if session.config.steps is None else start
        if stop.signum is None:
            done = _to_the_end(session, batches, done, stop)
    if done > start:
        save_players(session.run.checkpoints, session.players, done)
        _draw_sample(session.run.samples / f"step-{done}.png", session)
    if stop.signum is not None:
        raise InterruptedTrainingError(
            f"stopped by signal {stop.signum}; saved after step {done}, go on with"
            f" 'acdm train … -o {session.run.path} --resume'",
            stop.signum,
        )


def _measure(session: _Session, batches: Batches, start: int, stop: Stop) -> int:
    """Under --minutes: do the first steps, and make their speed a step count that is stored with the run.

    These steps lie within the warm-up, where the learning rate does not depend on the count.
    """
    first, last = MEASURED
    horizon = max(10_000, 4 * session.config.optimiser.warmup)
    seconds, done = [], start
    for record in train(session.players, batches, session.config, horizon, start):
        done = record.step
        _observe(session, record, None)
        if done > first:
            seconds.append(record.seconds)
        if stop.signum is not None:
            return done
        if done >= last:
            break
    minutes = session.config.minutes
    assert minutes is not None
    steps = steps_for(minutes, time.perf_counter() - session.began, done, fmean(seconds))
    session.config = session.config.model_copy(update={"steps": steps})
    session.run.save_config(session.config)
    session.tell(f"{1 / fmean(seconds):.1f} steps a second: {steps} steps fit into {minutes:g} minutes")
    return done


def _to_the_end(session: _Session, batches: Batches, start: int, stop: Stop) -> int:
    """Train until the steps are done, the minutes are over or a signal comes; the step it ended at."""
    steps, minutes, done = session.config.steps, session.config.minutes, start
    assert steps is not None
    for record in train(session.players, batches, session.config, steps, start):
        done = record.step
        _observe(session, record, steps)
        if stop.signum is not None:
            break
        if minutes and time.perf_counter() - session.began > 60 * minutes:
            session.tell(f"stopped at step {done} of {steps}: {minutes:g} minutes are over")
            break
    return done


def _observe(session: _Session, record: Record, steps: int | None) -> None:
    if record.parts != session.config.parts:
        session.config = session.config.model_copy(update={"accumulate": record.parts})
        session.run.save_config(session.config)
        session.tell(f"memory ran short: from step {record.step} on a batch is computed in {record.parts} parts")
    config, run = session.config, session.run
    session.window.append(record)
    last = record.step == steps
    fresh = record.step % config.validate_every == 0 or last
    if fresh:
        session.psnr = validation_psnr(session.players, *session.images.head(VALIDATION_IMAGES), config)
    if record.step % WINDOW == 0 or fresh:
        losses = {name: fmean(r.losses[name] for r in session.window) for name in record.losses if name != "r1"}
        seconds = fmean(r.seconds for r in session.window)
        row = {"step": record.step, "seconds": f"{seconds:.4f}", "psnr": f"{session.psnr:.4f}" if fresh else ""}
        run.metric({**row, **{name: f"{value:.6g}" for name, value in losses.items()}})
        session.watcher.on_step(Progress(record.step, steps, 1 / seconds, losses, session.psnr))
        session.window.clear()
    if record.step % config.sample_every == 0:
        _draw_sample(run.samples / f"step-{record.step}.png", session)
    if record.step % config.save_every == 0:
        save_players(run.checkpoints, session.players, record.step)


def _draw_sample(path: Path, session: _Session) -> None:
    """A sheet in the layout of the paper's fig. 4, of the first validation images of each class."""
    x, y = session.images.head(SHEET_IMAGES)
    with torch.no_grad():
        (psi,) = session.players.average(x.to(session.config.device), y.to(session.config.device))
    write_bytes(path, png(sheet(x, psi.cpu())))


def _finish(session: _Session) -> None:
    session.tell("fitting the judge")
    judge = train_judge(session.images.train, session.images.validation, session.config.augment, session.config.seed)
    save_judge(session.run.judge, judge)
    session.tell(f"judge: AUROC {judge.auroc:.3f} on validation images; calibrating")
    save_calibration(session.run, calibrate(load(session.run.path), *session.images.train))
