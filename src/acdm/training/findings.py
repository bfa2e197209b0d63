"""What comes after the branches of several findings: check classifiers, calibration, segmenter; for all at once.

Where findings began as one, the map of any of them teaches the segmenter where something is, and labels which of an
image's findings that is.  Where evidence of each finding tells unseen images apart, or they began apart, the segmenter
first learns from labels alone what tells each finding (multiple-instance learning), then where it is from maps of its
own.  Each finding's output is kept in the finding's folder, with the layers of all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import nan

import numpy as np
import torch
from skimage.filters import threshold_otsu
from torch import Tensor

from acdm.core.config import TAUGHT
from acdm.core.run import Run
from acdm.data.batches import mix, some_of_each
from acdm.data.findings import Findings
from acdm.data.images.arrays import Floats
from acdm.maps.backbone import AnyFeatures, Backbone
from acdm.maps.calibration import calibrate, save_calibration
from acdm.maps.findings import FindingsDecomposer
from acdm.maps.judge import save_judge, train_judges
from acdm.maps.loading import load, load_findings
from acdm.maps.segmenter import TRUSTED, Segmenter, mirrored, of_finding, save_segmenter
from acdm.training.progress import CALIBRATION, CHECK, DRAWING, LABELLING, SEGMENTER
from acdm.training.request import has_networks, is_finished
from acdm.training.segmenter import (
    MAP,
    MOST_IMAGES,
    MOST_OF_FINDINGS,
    WORTH,
    Lessons,
    Teacher,
    choose_teacher,
    drawn_in_time,
    features_of,
    image_auroc,
    in_words,
    lessons,
    mistaken,
    part_until,
    steps_within_reach,
    targets_of,
    teach,
)
from acdm.training.session import Session

JUDGE_STEPS = 300
LESSONS = 4 * MOST_IMAGES  # images that have findings, shared by these
CALIBRATED = 240  # images that have findings, shared by these
VALIDATED = 32  # validation images with each finding, and without
KNOWING = 0.6  # AUROC, on validation images, that what teaches has at least
MOST_BY_ANY = 2400  # steps, by the map of any finding and labels
LABELS_SHARE = 0.5  # of the segmenter's time, in which labels alone teach it
EVIDENCE, BY_LABELS = str(MAP), "what labels have taught"  # names of teachers
WEIGHED = f"{EVIDENCE}, weighed by {BY_LABELS}"
LABELS = "labels alone"


def finish_findings(session: Session, findings: Findings, backbone: Backbone | None) -> None:
    """Leave a finished run of each finding, as far as it is not there yet.

    Args:
        session: its branches are trained.
        findings: what they are trained on.
        backbone: features of a file, where the segmenter is taught on such.

    Raises:
        InterruptedTrainingError: when a signal has come.
    """
    runs = []
    for k, name in enumerate(findings.names):
        about = session.images.of_finding(k).describe(findings.of(name))
        runs.append(session.run.begin_finding(name, about.model_copy(update={"reference": findings.reference})))
    if not all(run.judge.is_file() for run in runs):
        _fit_judges(session, runs)
    if not all(has_networks(run) for run in runs):
        _calibrate(session, runs)
    if session.config.segmenter and not all(is_finished(run) for run in runs):
        _teach(session, runs, backbone)


def _fit_judges(session: Session, runs: Sequence[Run]) -> None:
    images, states = session.images, session.images.states
    assert states is not None
    session.tell("fitting the check classifiers")
    session.progress.begin(CHECK, JUDGE_STEPS)
    judges = train_judges(
        (images.train[0], states[0]),
        (images.validation[0], states[1]),
        session.config.augment,
        session.config.seed,
        JUDGE_STEPS,
        until=session.end_of_check,
        device=session.config.device,
        after_each=session.progress.advance,
    )
    for run, judge in zip(runs, judges, strict=True):
        save_judge(run.judge, judge, run.id)
    told = " · ".join(f"{run.path.name} {judge.auroc:.3f}" for run, judge in zip(runs, judges, strict=True))
    session.tell(f"check classifiers: AUROC on validation images: {told}")


def _calibrate(session: Session, runs: Sequence[Run]) -> None:
    session.tell("calibrating")
    x, states = calibration_images_of(session)
    session.progress.begin(CALIBRATION, len(x))
    maps = load_findings(session.run).maps(x, states, session.progress.advance)
    for k, run in enumerate(runs):
        if not has_networks(run):
            save_calibration(run, calibrate(maps[run.path.name], states[:, k]))


def _teach(session: Session, runs: Sequence[Run], backbone: Backbone | None) -> None:
    """Teach one segmenter with an output a finding, and calibrate what it draws."""
    config, states = session.config, session.images.states
    assert states is not None
    features = features_of(config, backbone, session.tell)
    decomposer = load_findings(session.run, backbone)
    places = lessons_of(states[0], config.seed)
    labelled = Lessons(session.images.train[0][places], states[0][places], None, most=MOST_OF_FINDINGS)
    some = _some(states[1], VALIDATED)
    x, present = session.images.validation[0][some], states[1][some]
    with session.interruptible("the segmenter") as after_each:
        evidence = _evidence(decomposer, x, present)
        aurocs = [image_auroc(own, of_one) for own, of_one in zip(evidence, present.T, strict=True)]
        sure = min(aurocs) >= TRUSTED
        if not sure and (teacher := _teacher_of_any(session, features, labelled, (x, present))):
            segmenter, teachers = _by_any(session, features, teacher, labelled, after_each)
        else:
            unseen = x, present, evidence
            segmenter, teachers = _by_each(session, features, decomposer, labelled, unseen, after_each)
    mirrors = next(iter(decomposer.of_each.values())).mirrors
    seen, (own, known) = mirrored(segmenter, x, mirrors), calibration_images_of(session)
    drawn = mirrored(segmenter, own, mirrors)
    for k, run in enumerate(runs):
        if is_finished(run):  # its segmenter may know masks of a person
            continue
        kept = replace(
            of_finding(segmenter, k),
            auroc=image_auroc(np.asarray(seen[:, k]), present[:, k]),
            evidence_auroc=aurocs[k],
            mistaken=mistaken(seen[:, k], present[:, k]),
        )
        save_segmenter(run.segmenter, kept, run.id)
        of_object = calibrate({TAUGHT: drawn[:, k : k + 1]}, known[:, k])
        save_calibration(run, {**decomposer.of_each[run.path.name].calibration, **of_object})
        session.tell(f"'{run.path.name}': taught by {teachers[k]}; {in_words(kept)}")


def _teacher_of_any(
    session: Session, features: AnyFeatures | None, labelled: Lessons, unseen: tuple[Tensor, Tensor]
) -> Teacher | None:
    """What marks any finding; None where findings began apart, or their beginning tells nothing (`KNOWING`).

    Args:
        session, features, labelled: as they are.
        unseen: validation images (n, C, S, S) and their states (n, K).
    """
    if not has_networks(session.run.beginning):
        return None
    taught, told = ((x, states.any(dim=1).long()) for x, states in ((labelled.x, labelled.y), unseen))
    teacher, auroc = choose_teacher(load(session.run.beginning.path), features, taught, told, session.config.seed)
    return teacher if auroc >= KNOWING else None


def _by_any(
    session: Session, features: AnyFeatures | None, teacher: Teacher, labelled: Lessons, after_each: Callable[[], None]
) -> tuple[Segmenter, list[str]]:
    """Teach by what marks any finding; returns the segmenter, and what taught each finding."""
    config = session.config
    session.progress.begin(DRAWING, int(labelled.y.any(dim=1).sum()))
    taught = lessons(teacher, labelled.x, labelled.y, after_each, session.end, most=len(labelled.y))
    taught = replace(taught, most=MOST_BY_ANY)
    steps = steps_within_reach(taught, config, features, session.end)
    session.progress.begin(SEGMENTER, steps)
    segmenter = teach(taught, config, features, steps, after_each)
    session.tell(f"segmenter: taught in {steps} steps by labels, and by {teacher.name} of any finding")
    return segmenter, ["the map of any finding, and labels"] * session.images.findings


def _by_each(
    session: Session,
    features: AnyFeatures | None,
    decomposer: FindingsDecomposer,
    labelled: Lessons,
    unseen: tuple[Tensor, Tensor, Sequence[Floats]],
    after_each: Callable[[], None],
) -> tuple[Segmenter, list[str]]:
    """Teach by labels alone, then each finding by what tells it best; returns the segmenter, and what that is.

    Args:
        session, features, labelled, after_each: as they are.
        decomposer: what draws evidence.
        unseen: validation images (n, C, S, S), their states (n, K), and evidence of each finding in them (n, S, S).
    """
    config, (x, present, evidence) = session.config, unseen
    steps = steps_within_reach(labelled, config, features, part_until(session.end, LABELS_SHARE))
    session.progress.begin(LABELLING, steps)
    by_labels = teach(labelled, config, features, steps, after_each)
    session.progress.begin(DRAWING, int(labelled.y.any(dim=1).sum()))
    candidates = _candidates(evidence, by_labels, x)
    teachers = [_choose_teacher(own, of_one) for own, of_one in zip(candidates, present.T, strict=True)]
    taught = _with_targets(labelled, decomposer, by_labels, teachers, session.end, after_each)
    more = steps_within_reach(taught, config, features, session.end)
    session.progress.begin(SEGMENTER, more)
    segmenter = teach(taught, config, features, more, after_each, by_labels.network)
    session.tell(f"segmenter: taught by labels in {steps} steps, and by maps in {more}")
    return segmenter, teachers


def _choose_teacher(candidates: Mapping[str, Floats], present: Tensor) -> str:
    """Choose what teaches a finding where it is: evidence, what labels have taught, or their product.

    It is the one whose highest score tells images that taught nothing apart best; what takes more has to be better by
    `WORTH`.  Where none does (`KNOWING`), labels alone go on teaching.

    Args:
        candidates: scores (n, S, S) of validation images, by their name.
        present: whether these have the finding, (n,).
    """
    told = {name: image_auroc(scores, present) for name, scores in candidates.items()}
    best = EVIDENCE
    for name, auroc in told.items():
        best = name if auroc >= told[best] + WORTH else best
    return best if told[best] >= KNOWING else LABELS


def _with_targets(
    labelled: Lessons,
    decomposer: FindingsDecomposer,
    by_labels: Segmenter,
    teachers: Sequence[str],
    end: float,
    after_each: Callable[[], None],
) -> Lessons:
    """Give the lessons targets by these teachers, as many as there is time for (`drawn_in_time`)."""
    having, none = (torch.nonzero(labelled.y.any(dim=1) == there).squeeze(1) for there in (True, False))
    parts = []
    for places in drawn_in_time(having, labelled.y, end, after_each):
        x, states = labelled.x[places], labelled.y[places]
        candidates = _candidates(_evidence(decomposer, x, states), by_labels, x)
        of_each = [own.get(name, own[EVIDENCE]) for own, name in zip(candidates, teachers, strict=True)]
        parts.append(torch.from_numpy(np.stack(of_each, axis=1)).float())
    scores = torch.cat(parts)
    kept = torch.cat([having[: len(scores)], none])
    targets = torch.zeros(len(kept), *scores.shape[1:])
    for k, (name, one) in enumerate(zip(teachers, decomposer.of_each.values(), strict=True)):
        own, present = scores[:, k], labelled.y[having[: len(scores)], k]
        if name == LABELS:
            targets[:, k] = nan
            continue
        at = one.calibration[MAP].threshold if name == EVIDENCE else float(threshold_otsu(own[present == 1].numpy()))
        targets[: len(own), k] = targets_of(own, present, at)[:, 0]
    return replace(labelled, x=labelled.x[kept], y=labelled.y[kept], targets=None if targets.isnan().all() else targets)


def _evidence(decomposer: FindingsDecomposer, x: Tensor, states: Tensor) -> list[Floats]:
    """Evidence of each finding in images (n, C, S, S) in states (n, K): one number a pixel, (n, S, S)."""
    maps = decomposer.maps(x, states)
    return [one.calibration[MAP].scores(maps[name][MAP]) for name, one in decomposer.of_each.items()]


def _candidates(evidence: Sequence[Floats], by_labels: Segmenter, x: Tensor) -> list[dict[str, Floats]]:
    """What may teach each finding, by its name: one number a pixel (n, S, S) of images (n, C, S, S)."""
    drawn = by_labels.probabilities(x).numpy()
    return [
        {EVIDENCE: own, WEIGHED: own * np.sqrt(drawn[:, k]), BY_LABELS: drawn[:, k]} for k, own in enumerate(evidence)
    ]


def calibration_images_of(session: Session) -> tuple[Tensor, Tensor]:
    """Training images (n, C, S, S) and states (n, K) that calibrations look at."""
    assert session.images.states is not None
    places = _some(session.images.states[0], CALIBRATED // session.images.findings)
    return session.images.train[0][places], session.images.states[0][places]


def _some(states: Tensor, each: int) -> Tensor:
    """Places of some images with each finding, without it, and without any, in their order, each once."""
    found = torch.cat([states, states.any(dim=1, keepdim=True)], dim=1)
    return torch.cat([some_of_each(of_one, classes=2, each=each) for of_one in found.T]).unique()


def lessons_of(states: Tensor, seed: int) -> Tensor:
    """Places of the images that teach, in a drawn order: some of each finding, with it and without.

    Folders of classes come one after the other, and those that there is no time for shall not be one class.
    """
    places = _some(states, LESSONS // states.shape[1])
    return places[torch.randperm(len(places), generator=torch.Generator().manual_seed(mix(seed, 14)))]
