"""How long work tells what it does: one protocol from the command line down to the innermost loop."""

from pathlib import Path


class Progress:
    """Hears of long work and shows nothing; a terminal or a test overrides what it wants to hear."""

    def begin(self, phase: str, total: int | None = None) -> None:
        """Start a phase of `total` parts, such as images or steps; None where their number is not known yet."""

    def advance(self, facts: str = "", *, done: int | None = None, total: int | None = None) -> None:
        """Note that one more part is done.

        Args:
            facts: a few words on how it goes.
            done: parts done so far, where it is not one more.
            total: parts there are, where that was not known before.
        """

    def note(self, facts: str) -> None:
        """Say a few words on the part that is being done."""

    def say(self, line: str) -> None:
        """Say a sentence that stays on the screen."""

    def changed(self, run: Path) -> None:
        """Note that a run's folder has something new to show."""


QUIET = Progress()
