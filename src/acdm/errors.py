"""What the command line prints as one sentence, without a traceback, and the exit code that goes with it."""

from collections.abc import Sequence


class AcdmError(Exception):
    """A failure whose message says what went wrong, where, and what to do."""

    exit_code = 2


class ConfigError(AcdmError):
    """An option that is unknown, misspelled or out of range."""


class DataError(AcdmError):
    """Images, folders or truth files that cannot be used as they are."""


class RunError(AcdmError):
    """A run folder that exists, is missing, or does not hold what it should."""


class CheckpointError(RunError):
    """A checkpoint that is damaged, incomplete, or not one at all."""


class PartialError(AcdmError):
    """Some inputs were done and some were not; the reasons are listed beside the output."""

    exit_code = 3


class DivergedError(AcdmError):
    """A loss left the finite numbers, and training stopped before it reached the weights.

    `images` are the training images of the step, by their place.
    """

    exit_code = 11

    def __init__(self, message: str, images: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.images = tuple(images)


class OutOfMemoryError(AcdmError):
    """Not even one image at a time fits into memory."""

    exit_code = 12


class RunLockedError(AcdmError):
    """Another process is training in this run folder."""

    exit_code = 13


class WriteError(AcdmError):
    """The disk refused a file: full, read-only, or gone."""

    exit_code = 14


class InterruptedTrainingError(AcdmError):
    """Training was asked to stop by a signal; it saved first."""

    def __init__(self, message: str, signum: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signum  # 129 for SIGHUP, 130 for SIGINT, 143 for SIGTERM
