"""Stopping and saving between two steps: a signal only raises a flag, so that what is saved is never half a step."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

STOPPING: set[int] = {getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)}
SAVING: set[int] = {getattr(signal, name) for name in ("SIGUSR1",) if hasattr(signal, name)}  # Windows has none


@dataclass
class Stop:
    """What training was asked for: to stop, by which signal, or to save and go on."""

    signum: int | None = None
    save: bool = False


def heeded(signals: set[int]) -> set[int]:
    """Those of the signals that the process does not ignore."""
    return {number for number in signals if signal.getsignal(number) is not signal.SIG_IGN}


@contextmanager
def listening() -> Iterator[Stop]:
    """Catch SIGINT, SIGTERM and SIGHUP, and SIGUSR1 (save and go on), where the system has them, while inside.

    Those that whoever started the process lets it ignore, as nohup does, stay ignored.

    After the first that stops, a second one acts as if nobody listened.
    Outside the main thread Python delivers no signals, so nothing is caught there.
    """
    stop = Stop()
    previous: dict[int, Any] = {}

    def note(signum: int, frame: FrameType | None) -> None:
        stop.signum = signum
        for number in STOPPING & previous.keys():
            signal.signal(number, previous[number])

    def remember(signum: int, frame: FrameType | None) -> None:
        stop.save = True

    try:
        for number in heeded(STOPPING):
            previous[number] = signal.signal(number, note)
        for saving in SAVING:
            previous[saving] = signal.signal(saving, remember)
    except ValueError:
        previous.clear()
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
