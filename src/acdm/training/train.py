"""From folders to a finished run: train, draw samples, fit the judge, calibrate.

The loop of `acdm.training` only tells what happened, a `Session` measures and saves; when it ends is decided here.
"""

import time
from contextlib import closing, nullcontext
from pathlib import Path
from statistics import fmean
from typing import Any

from acdm.core.config import Config
from acdm.core.device import flush_denormals
from acdm.core.processes import World, joined
from acdm.core.run import Run, insist_free, lock
from acdm.data.batches import Batches
from acdm.data.dataset import Dataset, describe
from acdm.data.loading import Intake, take_in
from acdm.data.shortcuts import WARN
from acdm.errors import ConfigError, DataError, DivergedError, InterruptedTrainingError, RunError
from acdm.maps.calibration import calibrate, load_calibration, save_calibration
from acdm.maps.decomposer import load
from acdm.maps.judge import save_judge, train_judge
from acdm.training.checkpoints import load_choice
from acdm.training.defaults import settle
from acdm.training.loop import MEASURED, steps_for, train
from acdm.training.progress import Watcher
from acdm.training.session import Session
from acdm.training.signals import Stop, listening


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
    with joined(config.device) as world:
        fast = bool(world.leaders(config.precision == "bf16"))  # each process has timed its own
        config = config.model_copy(update={"precision": "bf16" if fast else "fp32"})
        _insist_equal_shares(config, world)
        if resume:
            _insist_same_images(Run.open(path), dataset)
        elif world.leads:
            insist_free(path)
        images = take_in(dataset, config.size)
        config = settle(config, images, watcher.say if world.leads else lambda line: None)
        with lock(path) if world.leads else nullcontext():
            if world.leads and not resume:
                Run.create(path, config, dataset, _about(images, config), command)
            world.wait()
            session = Session.begin(Run.open(path), config, images, watcher, world)
            if resume and world.leaders(_calibrated_by_another_version(session.run)):
                session.tell("trained already; it is calibrated as this version does it, and left as it is otherwise")
                if world.leads:
                    _calibrate(session)
            else:
                _begin(session)
                start = session.restore() if resume else 0
                _train(session, start, [item.path.name for item in dataset.train])
                if world.leads:
                    _finish(session)
            world.wait()
    return Run.open(path)


def _about(images: Intake, config: Config) -> dict[str, Any]:
    """What data.json holds beside the files."""
    return {
        "channels": images.channels,
        "size": config.size,
        "side": images.side,
        "digests": images.digests,
        "shortcuts": [vars(s) for s in images.shortcuts],
    }


def _insist_equal_shares(config: Config, world: World) -> None:
    """Each part needs both classes, for pairs are of one class."""
    least = 2 * config.parts * world.size
    if world.size > 1 and config.batch % least:
        parts = f"{config.parts} parts" if config.parts > 1 else "one part"
        raise ConfigError(
            f"batch: {config.batch} images do not fall into {parts} of both classes on each of {world.size} processes;"
            f" give --batch {least * -(-config.batch // least)}"
        )


def _insist_same_images(run: Run, dataset: Dataset) -> None:
    if describe(dataset)["files"] != run.read_json("data.json")["files"]:
        raise DataError(f"{run.path}: the images or their split are not those this run began with; begin a new run")


def _calibrated_by_another_version(run: Run) -> bool:
    """Whether nothing is missing of a run but a calibration that is understood here."""
    try:
        return run.judge.is_file() and run.calibration.is_file() and not load_calibration(run)
    except RunError:
        return True


def _begin(session: Session) -> None:
    """What is told and fitted before the first step."""
    for shortcut in session.images.shortcuts:
        if shortcut.auroc >= WARN:
            session.tell(f"⚠ {shortcut.sentence}")
    if session.world.leads and session.config.choose:
        _fit_judge(session)


def _train(session: Session, start: int, files: list[str]) -> None:
    """Train to the end, back from where it diverged as often as is allowed; `files` are the training images' names."""
    config = session.config
    batches = Batches(*session.images.train, config.drawn, config.augment, config.seed)
    done = start
    with listening() as stop, closing(session.board):
        while True:
            try:
                if session.config.steps is None:
                    done = _measure(session, batches, done, stop)
                if not session.world.any(stop.signum is not None):
                    done = _to_the_end(session, batches, done, stop)
                if done > start:
                    session.save(done)
                    session.draw(done)
                break
            except DivergedError as error:
                done = session.roll_back(error, files)
    if session.world.any(stop.signum is not None):
        signum = int(session.world.leaders(stop.signum or 15))
        raise InterruptedTrainingError(
            f"stopped by signal {signum}; saved after step {done}, go on with"
            f" 'acdm train … -o {session.run.path} --resume'",
            signum,
        )


def _measure(session: Session, batches: Batches, start: int, stop: Stop) -> int:
    """Under --minutes: do the first steps, and make their speed a step count that is stored with the run.

    These steps lie within the warm-up, where the learning rate does not depend on the count.
    """
    first, last = MEASURED
    horizon = max(10_000, 4 * session.config.optimiser.warmup)
    seconds, done = [], start
    for record in train(session.players, batches, session.config, horizon, start, session.world):
        done = record.step
        session.observe(record, None)
        if done > first:
            seconds.append(record.seconds)
        if session.world.any(stop.signum is not None):
            return done
        if done >= last:
            break
    minutes = session.config.minutes
    assert minutes is not None
    steps = int(session.world.leaders(steps_for(minutes, time.perf_counter() - session.began, done, fmean(seconds))))
    session.change(steps=steps)
    session.tell(f"{1 / fmean(seconds):.1f} steps a second: {steps} steps fit into {minutes:g} minutes")
    return done


def _to_the_end(session: Session, batches: Batches, start: int, stop: Stop) -> int:
    """Train until the steps are done, the minutes are over or a signal comes; the step it ended at."""
    steps, minutes, done = session.config.steps, session.config.minutes, start
    assert steps is not None
    for record in train(session.players, batches, session.config, steps, start, session.world):
        done = record.step
        over = session.world.any(minutes is not None and time.perf_counter() - session.began > 60 * minutes)
        session.observe(record, done if over else steps)
        if stop.save:
            stop.save = False
            session.save(done)
            session.tell(f"saved after step {done}, as signal SIGUSR1 asked for")
        if session.world.any(stop.signum is not None):
            break
        if over:
            session.tell(f"stopped at step {done} of {steps}: {minutes:g} minutes are over")
            break
    return done


def _fit_judge(session: Session) -> None:
    """Before training, where it is to choose; it depends on images and seed alone."""
    session.tell("fitting the judge")
    config, images = session.config, session.images
    judge = train_judge(images.train, images.validation, config.augment, config.seed, device=config.device)
    save_judge(session.run.judge, judge)
    session.tell(f"judge: AUROC {judge.auroc:.3f} on validation images")
    session.judge = judge


def _finish(session: Session) -> None:
    if session.judge is None:
        _fit_judge(session)
    chosen, choice = load_choice(session.run.chosen)
    if chosen:
        session.tell(f"maps are drawn as of step {chosen}, whose swaps convince by {choice.taken:.0%}")
    _calibrate(session)


def _calibrate(session: Session) -> None:
    session.tell("calibrating")
    save_calibration(session.run, {})  # for a run that is cut off here is trained all the same
    save_calibration(session.run, calibrate(load(session.run.path), *session.images.train))
