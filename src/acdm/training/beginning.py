"""Several findings begin as one: any finding against none, then a copy of its branch for each.

1. One branch learns any finding against none, a training of two classes in the run's folder `beginning`.
2. Every finding's branch, styles, logits and moments begin as copies of its own (`acdm.method.copies`).
3. Real images alone teach the discriminator which finding is which.  Without that all of its logits mean "any", most
   images lack finding k for all it knows, and the copies fall silent (docs/results/choices.md).
"""

import time
from statistics import fmean

from acdm.core.config import BEGINNING_SHARE, LESSONS_SHARE, Config
from acdm.core.run import BEGINNING, Run
from acdm.core.tensors import checkpoints
from acdm.data.batches import Batches
from acdm.data.dataset import Dataset
from acdm.method.copies import copy_to_each
from acdm.training.fresh import fresh_players
from acdm.training.loop import lessons
from acdm.training.progress import LESSONS
from acdm.training.session import Session

MOST_LESSONS = 1500  # steps: docs/results/choices.md
TOLD_EVERY = 250  # lessons


def session_of_any(whole: Session, dataset: Dataset) -> tuple[Session, int]:
    """A training of any finding against none, within that of all of them; begun, or gone on with.

    Args:
        whole: of several findings, with no step done.
        dataset: in two classes, without and with any finding.

    Returns:
        The training, and the step that it goes on from.
    """
    images, run = whole.images.of_any(), Run(whole.run.path / BEGINNING)
    begun = run.begun
    config = run.config() if begun else _config_of_any(whole.config, whole.branch_minutes)
    if not begun:
        run.save_config(config)
        images.describe(dataset).write(run.path / "data.json")
        whole.run.read_environment().write(run.path / "env.json")
    session = Session(
        run=run,
        config=config,
        players=fresh_players(config, images.channels, images.classes, images.findings),
        images=images,
        progress=whole.progress,
        group=whole.group,
        whole=whole.run,
    )
    return session, session.restore() if begun else 0


def _config_of_any(config: Config, minutes: float | None) -> Config:
    """What any finding is trained by: its share of the minutes or half of the steps, at a learning rate that stays."""
    return config.with_(
        minutes=minutes and BEGINNING_SHARE * minutes,
        steps=config.steps and max(1, config.steps // 2),
        segmenter=False,
        ablation={"choose": False},
        optimiser={"decay": 0},
    )


def copy_and_teach(whole: Session, of_any: Session, batches: Batches) -> None:
    """Let every finding begin as any ended, and teach the discriminator alone which is which; saved as step 0.

    Raises:
        InterruptedTrainingError: when a signal has come; these lessons begin anew.
    """
    copy_to_each(of_any.players, whole.players)
    config, minutes = whole.config, whole.branch_minutes
    most = min(MOST_LESSONS, config.steps or MOST_LESSONS)
    until = None if minutes is None else time.perf_counter() + 60 * LESSONS_SHARE * minutes
    whole.tell(f"each finding begins as a copy; the discriminator learns them apart by real images, in {most} steps")
    whole.progress.begin(LESSONS, most)
    paid: list[float] = []
    with whole.interruptible("what the discriminator learns first") as after_each:
        for loss in lessons(whole.players, batches, config, most):
            paid.append(loss)
            after_each()
            if len(paid) % TOLD_EVERY == 0:
                whole.tell(f"lesson {len(paid)}: the discriminator pays {fmean(paid[-TOLD_EVERY:]):.2f}")
            if until is not None and time.perf_counter() > until:
                break
    whole.save(0)
    for path in checkpoints(of_any.run.checkpoints):
        path.unlink()
