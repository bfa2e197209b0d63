"""The report of a training that is still going on, rewritten at each look at validation images."""

from pathlib import Path

from acdm.core.files import write_bytes, write_text
from acdm.core.progress import Progress
from acdm.core.run import Run
from acdm.errors import AcdmError
from acdm.web.pages import template
from acdm.web.training import curves, facts

LOG_LINES = 12  # that are shown
RELOAD = 20  # seconds


class LiveReport(Progress):
    """Passes on what it hears, and keeps report/index.html of the run that is trained up to date.

    The report of `acdm report` takes its place in the end.
    """

    def __init__(self, heard: Progress) -> None:
        self._heard = heard
        self._total: int | None = None
        self._told = False

    def begin(self, phase: str, total: int | None = None) -> None:
        self._heard.begin(phase, total)

    def advance(self, facts: str = "", *, done: int | None = None, total: int | None = None) -> None:
        self._total = total or self._total
        self._heard.advance(facts, done=done, total=total)

    def note(self, facts: str) -> None:
        self._heard.note(facts)

    def say(self, line: str) -> None:
        self._heard.say(line)

    def changed(self, run: Path) -> None:
        try:
            page = write_live(Run.open(run), self._total)
        except AcdmError as error:  # the training is worth more than its picture
            self._heard.note(f"no live report: {error}")
            return
        if not self._told:
            self._told = True
            self.say(f"watch it in a browser: {page}")


def write_live(run: Run, steps: int | None = None, finished: bool = False) -> Path:
    """Write report/index.html of a run that has no figures yet; returns its path.

    Args:
        run: in training, or just trained.
        steps: how many there will be, where that is known.
        finished: whether the page is to stay as it is; else it loads itself anew.
    """
    sheet = run.newest_sheet()
    if sheet:
        write_bytes(run.report / "sheet.png", sheet.read_bytes())
    rows = run.metric_rows()
    page = template("live.html").render(
        name=run.path.name,
        data=run.read_data(),
        facts=facts(run),
        step=int(rows[-1]["step"]) if rows else 0,
        steps=steps or run.config().steps,
        curves=curves(run) if rows else [],
        has_sheet=sheet is not None,
        lines=run.last_lines(LOG_LINES),
        reload=0 if finished else RELOAD,
    )
    path = run.report / "index.html"
    write_text(path, page)
    return path
