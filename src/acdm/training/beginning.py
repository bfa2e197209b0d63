"""Several findings begin as one: any finding against none, then a copy of its branch for each.

1. One branch learns any finding against none: a run of two classes in the run's folder `beginning`, whose maps say
   where any finding is.
2. Every finding's branch, styles, logits and moments begin as copies of its own (`acdm.method.copies`).
3. Real images alone teach the discriminator which finding is which.  Without that all of its logits mean "any", most
   images lack finding k for all it knows, and the copies fall silent (docs/results/choices.md).
"""

import time
from statistics import fmean

from acdm.core.config import BEGINNING_SHARE, LESSONS_SHARE, MOST_LESSONS, Config
from acdm.core.tensors import checkpoints
from acdm.data.batches import Batches
from acdm.data.dataset import Dataset
from acdm.errors import DivergedError
from acdm.maps.features import Features
from acdm.method.copies import copy_to_each
from acdm.training.loop import lessons
from acdm.training.progress import LESSONS
from acdm.training.request import CHANGEABLE
from acdm.training.session import Session

TELLS = 0.7  # AUROC of the check classifier
TOLD = 100  # lessons, the mean of which is told


def session_of_any(whole: Session, dataset: Dataset) -> tuple[Session, int]:
    """A training of any finding against none, within that of all of them; begun, or gone on with.

    Args:
        whole: of several findings, with no step done.
        dataset: in two classes, without and with any finding.

    Returns:
        The training, and the step that it goes on from.
    """
    images, run = whole.images.of_any(), whole.run.beginning
    config, begun = _config_of_any(whole.config, whole.branch_minutes), run.begun
    if begun:
        config = _gone_on_with(run.config(), config)
    else:
        run.begin(config, images.describe(dataset), whole.run.read_environment())
    session = Session(
        run=run,
        config=config,
        images=images,
        progress=whole.progress,
        group=whole.group,
        whole=whole.run,
        again=whole.again,
    )
    return session, session.restore() if begun else 0


def _config_of_any(config: Config, minutes: float | None) -> Config:
    """What any finding is trained by: its share of the minutes or half of the steps, at a learning rate that stays."""
    steps = config.steps and max(1, config.steps // 2)
    return config.with_(
        minutes=minutes and BEGINNING_SHARE * minutes,
        steps=steps,
        half_size_steps=min(config.half_size_steps, steps // 2) if steps else config.half_size_steps,
        segmenter=False,
        ablation={"choose": False},
        optimiser={"decay": 0},
    )


def _gone_on_with(begun: Config, now: Config) -> Config:
    """What the beginning was begun with, under what may change with --resume."""
    changed = {name: getattr(now, name) for name in CHANGEABLE}
    if now.steps is None and now.minutes == begun.minutes:
        changed["steps"] = begun.steps  # that fit into them
    return begun.with_(**changed)


def see_features(whole: Session, of_any: Session) -> None:
    """Let the discriminators see ready-made features where pixels alone do not tell any finding from none.

    Who says so is the check classifier, which sees pixels alone.  Where it can tell, features spoil maps
    (docs/results/choices.md).
    """
    assert of_any.judge is not None
    blind = of_any.judge.auroc < TELLS and whole.config.features != "off" and Features.installed() is not None
    if blind:
        whole.tell("pixels alone hardly tell any finding from none: the discriminator sees ready-made features, too")
    for session in (whole, of_any):  # that of any is asked whether this is decided
        session.begin_anew(discriminator_features=blind)


def copy_and_teach(whole: Session, of_any: Session, batches: Batches) -> None:
    """Let every finding begin as any ended, and teach the discriminator alone which is which; saved as step 0.

    Raises:
        InterruptedTrainingError: when a signal has come; these lessons begin anew.
        DivergedError: when what the discriminator pays is not finite.
    """
    copy_to_each(of_any.players, whole.players)
    config, minutes = whole.config, whole.branch_minutes
    most = min(MOST_LESSONS, config.steps or MOST_LESSONS)
    until = None if minutes is None else time.perf_counter() + 60 * LESSONS_SHARE * minutes
    whole.tell("each finding begins as a copy; the discriminator learns them apart by real images")
    whole.progress.begin(LESSONS, most)
    paid: list[float] = []
    try:
        with whole.interruptible("what the discriminator learns first") as after_each:
            for loss in lessons(whole.players, batches, config, most):
                paid.append(loss)
                after_each()
                if until is not None and time.perf_counter() > until:
                    break
        whole.save(0)
    except DivergedError as error:
        raise DivergedError(f"{error} in the discriminator's lessons; go on with --resume --precision fp32") from None
    first, last = fmean(paid[:TOLD]), fmean(paid[-TOLD:])
    whole.tell(f"after {len(paid)} lessons the discriminator pays {last:.2f} ({first:.2f} at first)")
    for path in checkpoints(of_any.run.checkpoints)[:-1]:  # the last one's maps teach the segmenter
        path.unlink()
