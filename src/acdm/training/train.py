"""From a request to a finished run: fit the check classifier, train, draw samples, calibrate, teach the segmenter.

The loop of `acdm.training.loop` only tells what happened, a `Session` measures and saves; when it ends is decided here.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from shutil import disk_usage
from statistics import fmean

import numpy as np
from torch import Tensor

from acdm.core.config import TAUGHT, Config
from acdm.core.device import flush_denormals
from acdm.core.processes import ProcessGroup, joined
from acdm.core.progress import QUIET, Progress
from acdm.core.run import FINDINGS, Run, lock, require_free
from acdm.core.tensors import checkpoints
from acdm.data.batches import Batches, FindingBatches
from acdm.data.corrections import read_corrections
from acdm.data.dataset import Dataset
from acdm.data.loading import TrainingImages, load_images
from acdm.data.shortcuts import WARN
from acdm.errors import CheckpointError, ConfigError, DataError, DivergedError, InterruptedTrainingError, RunError
from acdm.maps.backbone import Backbone
from acdm.maps.calibration import calibrate, calibration_images, load_calibration, save_calibration
from acdm.maps.judge import STEPS as JUDGE_STEPS
from acdm.maps.judge import load_judge, save_judge, train_judge
from acdm.maps.loading import load, load_branches
from acdm.maps.segmenter import masks_that_taught, save_segmenter
from acdm.training.beginning import copy_and_teach, see_features, session_of_any
from acdm.training.checkpoints import disk_use, load_choice
from acdm.training.defaults import settle
from acdm.training.findings import calibration_images_of, finish_findings
from acdm.training.graphs import GraphedSteps, can_be_recorded
from acdm.training.loop import MEASURED_AGAIN, MEASURED_SHARE, MEASURED_STEPS, StepRecord, steps_for, train_steps
from acdm.training.progress import CALIBRATION, CHECK, DRAWING, READING, SEGMENTER, STEPS
from acdm.training.request import Prepared, Request, has_networks, is_finished, prepare
from acdm.training.segmenter import (
    MOST_IMAGES,
    choose_teacher,
    features_of,
    image_auroc,
    in_words,
    lessons,
    mistaken,
    steps_within_reach,
    teach,
    what_it_drew,
    with_masks,
)
from acdm.training.session import VALIDATION_IMAGES, Session
from acdm.training.signals import Stop, listening
from acdm.training.validation import Health

WORTH_PLANNING = 0.05  # by how large a share another number of steps has to differ


@dataclass(frozen=True)
class Given:
    """What a user adds to the segmenter's lessons.

    Attributes:
        masks: of training images, by their places, (1, S, S) each.
        backbone: features of a file.
    """

    masks: Mapping[int, Tensor]
    backbone: Backbone | None


def train(request: Request, progress: Progress = QUIET) -> Run:
    """Train as a request asks for, and leave a finished run.

    Raises:
        AcdmError: ConfigError, RunError, DataError, DivergedError, WriteError, or InterruptedTrainingError after
            saving.
    """
    return fit(prepare(request, progress), request.command, request.resume, progress)


def fit(prepared: Prepared, command: str, resume: bool = False, progress: Progress = QUIET) -> Run:
    """Train on a data set and leave a finished run.

    Args:
        prepared: data set, configuration and run folder.
        command: as it was typed; stored in env.json.
        resume: go on with an unfinished run, on the same images.
        progress: told of every step.

    Raises:
        AcdmError: as `train`.
    """
    flush_denormals()
    dataset, config, path, findings = prepared.dataset, prepared.config, prepared.path, prepared.findings
    with joined(config.device) as group:
        fast = bool(group.broadcast(config.precision == "bf16"))  # each process has timed its own
        halved = int(group.broadcast(config.half_size_steps))
        config = config.with_(precision="bf16" if fast else "fp32", half_size_steps=halved)
        if findings and group.size > 1:
            raise ConfigError("--devices: several findings are trained by one process; leave it out")
        _require_equal_shares(config, group)
        if resume:
            _require_same_files(Run.open(path), findings.together() if findings else dataset)
        elif group.is_first:
            require_free(path)
        heard = progress if group.is_first else QUIET
        heard.begin(READING, len(dataset.items))
        images = load_images(dataset, config.size, heard, findings)
        given = Given(read_corrections(prepared.corrections, dataset, config.size), prepared.backbone)
        if resume:
            _require_same_pixels(Run.open(path), images)
        config = settle(config, images, heard.say)
        with lock(path) if group.is_first else nullcontext():
            if group.is_first and not resume:
                Run.create(path, config, images.describe(dataset, findings), command)
            group.barrier()
            if (
                resume
                and not prepared.trains_on
                and not given.masks
                and group.broadcast(_is_finished_as(Run.open(path), config))
            ):
                if group.is_first:
                    progress.say(f"{path}: is finished; give --steps or --minutes to train on")
                return Run.open(path)
            session = Session(
                run=Run.open(path), config=config, images=images, progress=progress, group=group, again=prepared.again
            )
            _tell_of_masks(session, len(given.masks))
            trained = resume and not prepared.trains_on and group.broadcast(_lacks_the_end_alone(session.run))
            if trained:
                session.tell("the branches are trained already, and left as they are")
                session.change(segmenter=config.segmenter, features=config.features)
            else:
                _begin(session)
                start = 0
                if config.begins_as_one(images.findings) and not checkpoints(session.run.checkpoints):
                    _begin_as_one(session, dataset)
                elif resume:
                    start = session.restore()
                _train(session, start, [item.path.name for item in dataset.train])
            if group.is_first and findings:
                finish_findings(session, findings, given.backbone)
            elif group.is_first:
                (_end if trained else _finish)(session, given)
            group.barrier()
    return Run.open(path)


def _is_finished_as(run: Run, config: Config) -> bool:
    """Whether a run is finished, with the segmenter and the features that are asked for."""
    as_asked = not config.segmenter or run.config().features == config.features
    return as_asked and is_finished(run, config.segmenter)


def _tell_of_masks(session: Session, given: int) -> None:
    """Say so where more masks of a person taught the segmenter that this training replaces than are given now."""
    kept = (session.run.segmenter, *(session.run.path / FINDINGS).glob(f"*/{session.run.segmenter.name}"))
    known = sum(map(masks_that_taught, kept))
    if session.config.segmenter and known > given:
        session.tell(
            f"⚠ {known} masks taught this run's segmenter, and {given} are given now: the next learns from these alone;"
            " to keep all, put them into one folder for --masks"
        )


def _require_equal_shares(config: Config, group: ProcessGroup) -> None:
    """Raise ConfigError where a process would get a part without both classes, for pairs are of one class."""
    least = 2 * config.parts * group.size
    if group.size > 1 and config.batch % least:
        parts = f"{config.parts} parts" if config.parts > 1 else "one part"
        raise ConfigError(
            f"batch: {config.batch} images do not fall into {parts} of both classes on each of {group.size} processes;"
            f" give --batch {least * -(-config.batch // least)}"
        )


def _require_same_files(run: Run, dataset: Dataset) -> None:
    if dataset.files() != run.read_data().files:
        raise DataError(f"{run.path}: the images or their split are not those this run began with; begin a new run")


def _require_same_pixels(run: Run, images: TrainingImages) -> None:
    known = run.read_data().digests
    if known and tuple(images.digests) != known:
        changed = sum(one != other for one, other in zip(images.digests, known, strict=False))
        raise DataError(
            f"{run.path}: {changed} images have the names but not the pixels that this run began with; put back the"
            " images, or begin a new run"
        )


def _lacks_the_end_alone(run: Run) -> bool:
    """Whether the branches are trained, and what comes after them is missing, or not understood by this version."""
    try:
        outdated = run.judge.is_file() and run.calibration.is_file() and not load_calibration(run)
        return run.begins_findings or has_networks(run) or outdated
    except RunError:
        return True


def _begin(session: Session) -> None:
    """Tell of shortcuts, and fit the check classifier where it is to choose."""
    of_findings = zip(session.run.findings(), session.images.shortcuts_to_findings, strict=True)
    told = [("", session.images.shortcuts), *((f"'{name}': ", shortcuts) for name, shortcuts in of_findings)]
    for before, shortcuts in told:
        for shortcut in shortcuts:
            if shortcut.auroc >= WARN:
                session.tell(f"⚠ {before}{shortcut.sentence}")
    needed, free = disk_use(session.players), disk_usage(session.run.path).free
    session.tell(f"the run takes about {needed / 1e6:,.0f} MB on the disk, where {free / 1e9:,.1f} GB are free")
    if session.group.is_first:
        session.run.calibration.unlink(missing_ok=True)  # of networks that change now: until the end it is unfinished
        session.run.forget_figures()
        if aside := session.run.forget_findings():
            session.tell(f"the branches are trained on: what each finding had, its figures and masks, is in {aside}")
        session.progress.changed(session.run.path)
    if session.group.is_first and session.config.ablation.choose and session.images.states is None:
        _fit_judge(session)


def _begin_as_one(session: Session, dataset: Dataset) -> None:
    """Train a branch on any finding against none, and let every finding begin as a copy of it."""
    session.run.save_config(session.config)
    session.tell("the findings begin as one: any of them against none")
    of_any, start = session_of_any(session, dataset)
    _fit_judge(of_any)
    if of_any.config.discriminator_features is None:
        see_features(session, of_any)
    of_any.change(steps=_train(of_any, start, [item.path.name for item in dataset.train]))
    x, states = calibration_images_of(session)
    _calibrate(of_any, x, states.any(dim=1).long())
    o, sparse = of_any.config.optimiser, of_any.config.loss.sparse  # as far as any finding had to lower them
    session.change(loss={"sparse": sparse}, optimiser={"lr": o.lr, "discriminator_lr": o.discriminator_lr})
    copy_and_teach(session, of_any, _batches(session))


def _train(session: Session, start: int, files: list[str]) -> int:
    """Train to the end, back from where it diverged as often as is allowed; returns the step it ended at.

    Args:
        session: what is trained.
        start: steps that are done already.
        files: names of the training images.
    """
    done = start
    session.progress.begin(STEPS)
    with listening() as stop, closing(session.tensorboard):
        while True:
            try:
                halved = session.config.steps_at_half_size(session.images.findings)
                if done < halved:
                    done = _at_half_size(session, done, stop, halved)
                if done >= halved:  # else a signal came, or the minutes are over
                    done = _at_full_size(session, done, stop)
                if done > start:
                    session.save(done)
                    session.draw(done)
                break
            except DivergedError as error:
                done = session.roll_back(error, files)
    if session.group.any(stop.signum is not None):
        signum = int(session.group.broadcast(stop.signum or 15))
        raise InterruptedTrainingError(
            f"stopped by signal {signum}; saved after step {done}, {session.how_to_go_on}", signum
        )
    return done


def _batches(session: Session) -> Batches:
    """What is drawn from training images as the networks see them now; on a GPU, steps are to be recorded anew."""
    config, (x, y) = session.config, session.images.train
    if session.images.states is not None:
        return FindingBatches(session.seen(x), session.images.states[0], config.drawn, config.augment, config.seed)
    batches = Batches(session.seen(x), y, config.drawn, config.augment, config.seed)
    if can_be_recorded(config, session.group):
        session.graphs = GraphedSteps(session.players, batches, config, session.tell)
    return batches


def _at_half_size(session: Session, start: int, stop: Stop, until: int) -> int:
    """Train on images of half the size until it is time for full ones; returns the step it ended at."""
    session.players.halve(True)
    done = _to_the_end(session, _batches(session), start, stop, until)
    session.players.halve(False)
    session.health = Health()  # images of full size are rebuilt otherwise
    if done >= until:
        session.tell(f"step {done}: images are of full size, {session.config.size} px, from here on")
    return done


def _at_full_size(session: Session, start: int, stop: Stop) -> int:
    """Train on images of full size, whose speed decides how many steps there are; returns the step it ended at."""
    batches, done = _batches(session), start
    if session.config.steps is None and not session.group.any(stop.signum is not None):
        done = _measure_speed(session, batches, done, stop)
    if not session.group.any(stop.signum is not None):
        done = _to_the_end(session, batches, done, stop)
    return done


def _measure_speed(session: Session, batches: Batches, start: int, stop: Stop) -> int:
    """Under --minutes: do the first steps, and make their speed a step count that is stored with the run.

    What the segmenter gets of the minutes is left to it.

    In a new training these steps lie within the warm-up, where the learning rate does not depend on the count.
    """
    first, last = MEASURED_STEPS
    horizon = _beyond_warmup(session, start)
    seconds, done = [], start
    for record in _steps(session, batches, horizon, start):
        done = record.step
        session.observe(record, None)
        if done - start <= first:
            session.measured_from = done, time.perf_counter()
        else:
            seconds.append(record.seconds)
        if session.group.any(stop.signum is not None):
            return done
        if done - start >= last:
            break
    minutes = session.branch_minutes
    assert minutes is not None
    spent = time.perf_counter() - session.began
    steps = int(session.group.broadcast(steps_for(minutes, spent, done, fmean(seconds))))
    _plan(session, done, steps, fmean(seconds), minutes)
    return done


def _beyond_warmup(session: Session, start: int) -> int:
    """A number of steps for a training whose own is not known yet, beyond those that are done.

    Until it is known, the learning rate does not fall.
    """
    halved = session.config.steps_at_half_size(session.images.findings)
    return start + max(10_000, 4 * session.config.optimiser.warmup, 4 * halved)


def _steps(session: Session, batches: Batches, steps: int, start: int) -> Iterator[StepRecord]:
    play = session.graphs.play if session.graphs is not None else None
    return train_steps(session.players, batches, session.in_force, steps, start, session.group, play)


def _plan(session: Session, done: int, steps: int, seconds: float, minutes: float) -> None:
    """Go on to that many steps; their speed is measured again while the learning rate is still at its height."""
    session.change(steps=steps)
    left = max(0.0, minutes - (time.perf_counter() - session.began) / 60)
    session.tell(f"{1 / seconds:.1f} steps a second: {steps} steps fit, with {left:.1f} minutes left for the branches")
    early = [share for share in MEASURED_AGAIN if share < 1 - session.config.optimiser.decay]
    session.measured_at = {at for share in early if (at := round(share * steps)) > done}


def _planned_anew(session: Session, done: int) -> bool:
    """Whether the steps so far, with all looks and pictures, were so fast or slow that another number fits."""
    minutes, planned = session.branch_minutes, session.config.steps
    due = {at for at in session.measured_at if at <= done}
    if not due or minutes is None or planned is None:
        return False
    session.measured_at -= due
    now = time.perf_counter()
    first, since = session.measured_from
    seconds = (now - since) / (done - first)
    steps = done + max(1, int((MEASURED_SHARE * 60 * minutes - (now - session.began)) / seconds))
    steps = int(session.group.broadcast(steps))
    if abs(steps - planned) <= WORTH_PLANNING * planned:
        return False
    _plan(session, done, steps, seconds, minutes)
    return True


def _to_the_end(session: Session, batches: Batches, start: int, stop: Stop, until: int | None = None) -> int:
    """Train until the steps are done, or those `until` a step before, the minutes are over or a signal comes; returns
    the step it ended at.
    """
    done, going = start, True
    while going:
        done, going = _with_this_plan(session, batches, done, stop, until)
    return done


def _with_this_plan(session: Session, batches: Batches, start: int, stop: Stop, until: int | None) -> tuple[int, bool]:
    """Train on, to the end or `until` a step before it.

    Returns:
        The step it ended at, and whether to go on with other weights of losses, or to another end.
    """
    weights, done = session.config.loss, start
    steps = session.config.steps or _beyond_warmup(session, start)
    for record in _steps(session, batches, steps, start):
        done = record.step
        over = session.group.any(session.over)
        session.observe(record, done if over else session.config.steps)
        if stop.save:
            stop.save = False
            session.save(done)
            session.tell(f"saved after step {done}, as signal SIGUSR1 asked for")
        if session.group.any(stop.signum is not None) or (until is not None and done >= until):
            break
        if over:
            planned = f" of {session.config.steps}" if session.config.steps else ""
            session.tell(f"stopped at step {done}{planned}: {session.branch_minutes:g} minutes are over")
            break
        anew = _planned_anew(session, done)
        if done < steps and (anew or session.config.loss != weights):
            return done, True
    return done, False


def _fit_judge(session: Session) -> None:
    """Fit the check classifier, or read the one that an interrupted training left: it depends on images and seed."""
    config, images, run = session.config, session.images, session.run
    if run.judge.is_file():
        try:
            session.judge = load_judge(run.judge, images.channels, images.classes, config.device, run.id)
        except CheckpointError as error:
            session.tell(f"passed over: {error}")
        else:
            return
    session.tell("fitting the check classifier")
    session.progress.begin(CHECK, JUDGE_STEPS)
    judge = train_judge(
        images.train,
        images.validation,
        config.augment,
        config.seed,
        until=session.end_of_check,
        device=config.device,
        after_each=session.progress.advance,
    )
    save_judge(run.judge, judge, run.id)
    session.tell(f"check classifier: AUROC {judge.auroc:.3f} on validation images")
    session.judge = judge


def _finish(session: Session, given: Given) -> None:
    if session.judge is None:
        _fit_judge(session)
    chosen, choice = load_choice(session.run.chosen, session.run.id)
    if chosen:
        session.tell(
            f"maps use the networks of step {chosen} ({choice.taken:.0%} of counterfactuals fool the check classifier)"
        )
    save_calibration(session.run, {})  # for a run that is cut off from here on is trained all the same
    _end(session, given)


def _end(session: Session, given: Given) -> None:
    """What comes after the branches, as far as the run has it not yet: calibration and segmenter."""
    session.run.forget_figures()
    if not (given.masks and is_finished(session.run)):
        session.run.segmenter.unlink(missing_ok=True)  # of other networks, or damaged
    if not has_networks(session.run):
        _calibrate(session, *calibration_images(*session.images.train))
    if session.config.segmenter:
        _teach(session, given)


def _calibrate(session: Session, x: Tensor, y: Tensor) -> None:
    """Calibrate maps by training images (n, C, S, S) of classes (n,)."""
    session.tell("calibrating")
    session.progress.begin(CALIBRATION, len(y))
    save_calibration(session.run, calibrate(load(session.run.path).maps(x, y, session.progress.advance), y))


def _teach(session: Session, given: Given) -> None:
    """Teach the segmenter by the maps and masks of training images, and calibrate what it draws."""
    run, config, (x, y) = session.run, session.config, session.images.train
    features = features_of(config, given.backbone, session.tell)
    one_of_several = run.networks != run
    decomposer = load(run.path, features=given.backbone) if one_of_several else load_branches(run)
    with session.interruptible("the segmenter") as after_each:
        unseen, classes = session.images.head(VALIDATION_IMAGES)
        before = decomposer.segmenter
        if before and before.trusted:  # of one of several findings, which others' maps taught, too
            teacher, evidence_auroc = what_it_drew(decomposer), before.evidence_auroc
        else:
            teacher, evidence_auroc = choose_teacher(
                decomposer, features, (x, y), session.images.validation, config.seed, after_each, session.end
            )
        session.progress.begin(DRAWING, min(MOST_IMAGES, int((y == 1).sum())))
        learned = with_masks(lessons(teacher, x, y, after_each, session.end), x, given.masks)
        steps = steps_within_reach(learned, config, features, session.end)
        session.progress.begin(SEGMENTER, steps)
        segmenter = teach(learned, config, features, steps, after_each)
    taught = replace(decomposer, segmenter=segmenter)
    drawn = taught.objects(unseen)[:, 0]
    auroc = image_auroc(np.asarray(drawn), classes)
    segmenter = replace(
        segmenter,
        auroc=auroc,
        evidence_auroc=evidence_auroc,
        masks=len(given.masks),
        mistaken=mistaken(drawn, classes),
        taught_by=teacher.name,
    )
    x, y = calibration_images(x, y)
    of_object = calibrate({TAUGHT: taught.objects(x)}, y)
    save_segmenter(run.segmenter, segmenter, run.id)
    save_calibration(run, {**decomposer.calibration, **of_object})
    teachers = teacher.name + (f" and {len(given.masks)} masks" if given.masks else "")
    session.tell(f"segmenter: taught by {teachers} in {steps} steps; {in_words(segmenter)}")
