"""The curves of a training for TensorBoard, where that is installed."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any


class TensorBoard:
    """Scalars below a folder; without the package `tensorboard`, or once the disk refuses, nothing.

    metrics.csv is the record, this a view of it: what fails here never ends a training.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._say = say
        self._writer: Any = None

    @cached_property
    def _open(self) -> Any:
        """The class of writers, loaded by the process that writes; None where there is none, or no more."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except Exception:  # not installed, or with libraries that it does not fit
            return None
        return SummaryWriter

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Add one point to each curve; the first one after `close` hides what stood there of later steps."""
        if self._open is None:
            return
        try:
            self._writer = self._writer or self._open(str(self._folder), purge_step=step)
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)
            self._writer.flush()
        except Exception as error:
            self._open = None
            self._say(f"no more curves for TensorBoard ({error}); metrics.csv goes on")

    def close(self) -> None:
        """End the file, until the next point begins another."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(Exception):
                writer.close()
