"""The report of a training that is still going on, rewritten at each look at validation images."""

from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from acdm.core.files import write_bytes, write_text
from acdm.core.progress import Progress
from acdm.core.run import Run
from acdm.errors import AcdmError
from acdm.web.pages import template
from acdm.web.training import curves, facts

LOG_LINES = 12  # that are shown
RELOAD = 20  # seconds

State = Literal["training", "trained", "stopped"]


class LiveReport(Progress):
    """Passes on what it hears, and keeps report/index.html of the run that is trained up to date.

    The report of `acdm report` takes its place in the end.  A page that cannot be written ends no training.
    """

    def __init__(self, heard: Progress) -> None:
        self._heard = heard
        self._run: Path | None = None
        self._phase = ""
        self._total: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """Write the page that stays."""
        if self._run:
            self._write("stopped" if kind else "trained")

    def begin(self, phase: str, total: int | None = None) -> None:
        self._phase, self._total = phase, None
        self._heard.begin(phase, total)
        if self._run:
            self._write("training")

    def advance(self, facts: str = "", *, done: int | None = None, total: int | None = None) -> None:
        self._total = total or self._total
        self._heard.advance(facts, done=done, total=total)

    def note(self, facts: str) -> None:
        self._heard.note(facts)

    def say(self, line: str) -> None:
        self._heard.say(line)

    def changed(self, run: Path) -> None:
        first, self._run = self._run is None, run
        page = self._write("training")
        if page and first:
            self.say(f"watch it in a browser: {page}")

    def _write(self, state: State) -> Path | None:
        assert self._run is not None  # it was heard of
        try:
            return write_live(Run.open(self._run), state, self._phase, self._total)
        except (AcdmError, OSError, ValueError, KeyError) as error:  # the training is worth more than its picture
            self._heard.note(f"no live report: {error}")
            return None


def write_live(run: Run, state: State, phase: str = "", steps: int | None = None) -> Path:
    """Write report/index.html of a run that has no figures yet; returns its path.

    Args:
        run: begun.
        state: while it is in training, the page loads itself anew.
        phase: what is done just now.
        steps: how many there will be, where that is known.
    """
    trained = run.in_training
    sheet = trained.newest_sheet()
    if sheet:
        write_bytes(run.report / "sheet.png", sheet.read_bytes())
    rows = trained.metric_rows()
    page = template("live.html").render(
        name=run.path.name,
        data=run.read_data(),
        facts=facts(run, rows),
        state=state,
        phase=phase,
        step=int(rows[-1]["step"]) if rows else 0,
        steps=steps or run.config().steps,
        curves=curves(rows) if rows else [],
        has_sheet=sheet is not None,
        lines=run.last_lines(LOG_LINES),
        reload=RELOAD if state == "training" else 0,
    )
    path = run.report / "index.html"
    write_text(path, page)
    return path
