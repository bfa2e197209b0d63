"""Stopping between two steps: a signal only raises a flag, so that what is saved is never half a step."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Stop:
    """Whether training was asked to stop, and by which signal."""

    signum: int | None = None


@contextmanager
def listening() -> Iterator[Stop]:
    """Catch SIGINT and SIGTERM while inside; a second one acts as if nobody listened.

    Outside the main thread Python delivers no signals, so nothing is caught there.
    """
    stop = Stop()
    previous: dict[int, signal.Handlers] = {}

    def note(signum: int, frame: FrameType | None) -> None:
        stop.signum = signum
        restore()

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, note)  # type: ignore[assignment]
    except ValueError:
        previous.clear()
    try:
        yield stop
    finally:
        restore()
