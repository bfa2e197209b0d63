"""What whoever started a training gets to see of it."""

from collections.abc import Callable
from dataclasses import dataclass


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
