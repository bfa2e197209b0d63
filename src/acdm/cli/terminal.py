"""What a person at a terminal sees: progress bars, and plain lines where there is no terminal."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TaskID, TextColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from acdm.core.progress import Progress
from acdm.core.results import FindingResults, Results
from acdm.core.tables import number
from acdm.training.progress import STEPS

LINE_EVERY = 100  # steps between two lines of a log file
BAR_WIDTH = 16  # characters, so that the whole line fits into 80
UNKNOWN = "–:–– left"  # before there is a speed
SPEED_OVER = 120.0  # seconds that the speed is the mean of


class _Left(ProgressColumn):
    """How long it will take, as minutes:seconds left."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        return Text(clock(0 if task.finished else task.time_remaining) or UNKNOWN, no_wrap=True)


def clock(seconds: float | None) -> str:
    """A time that is left.

    >>> clock(1300.4), clock(3725), clock(None)
    ('21:40 left', '1:02:05 left', '')
    """
    if seconds is None:
        return ""
    hours, rest = divmod(round(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d} left" if hours else f"{minutes}:{seconds:02d} left"


class _Bars(Progress):
    """A live bar for each phase, one at a time."""

    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def begin(self, phase: str, total: int | None = None) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(phase, total=total, facts="", of="?" if total is None else total)

    def advance(self, facts: str = "", *, done: int | None = None, total: int | None = None) -> None:
        if self._task is None:
            return
        if done is None:
            self._bars.update(self._task, advance=1, facts=facts)
        else:
            self._bars.update(self._task, completed=done, total=total, facts=facts, of=total or "?")

    def note(self, facts: str) -> None:
        if self._task is not None:
            self._bars.update(self._task, facts=facts)

    def say(self, line: str) -> None:
        self._bars.console.print(line, markup=False, highlight=False)


class _Lines(Progress):
    """What is said, and a line every hundred steps of training, on standard error."""

    def __init__(self) -> None:
        self._phase = ""
        self._first: tuple[int, float] | None = None  # step that was heard of first, and when

    def begin(self, phase: str, total: int | None = None) -> None:
        self._phase, self._first = phase, None

    def advance(self, facts: str = "", *, done: int | None = None, total: int | None = None) -> None:
        if self._phase != STEPS or done is None:
            return
        now = time.monotonic()
        first, began = self._first = self._first or (done, now)
        if done % LINE_EVERY == 0 or done == total:
            left = (total - done) * (now - began) / (done - first) if total and done > first else None
            self.say(" · ".join(part for part in (f"step {done}/{total or '?'}", clock(left), facts) if part))

    def say(self, line: str) -> None:
        with suppress(OSError, ValueError):  # nobody reads any more; log.txt has it all the same
            print(line, file=sys.stderr, flush=True)


@contextmanager
def showing(phase: str | None = None, total: int | None = None) -> Iterator[Progress]:
    """Show the progress of what is done inside; `phase` and `total` begin its first phase."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (TextColumn("{task.description} {task.completed:.0f}/{task.fields[of]}"), BarColumn(BAR_WIDTH), _Left(),
               TextColumn("{task.fields[facts]}"))  # fmt: skip
    with RichProgress(*columns, console=console, speed_estimate_period=SPEED_OVER) as bars:
        shown = _Bars(bars)
        if phase is not None:
            shown.begin(phase, total)
        yield shown


def table(results: Results | FindingResults) -> str:
    """The figures people ask for first, with the trivial scores beside them; of several findings a line each."""
    if isinstance(results, FindingResults):
        return _table_of_findings(results)
    lines = [f"{'':>10} {'AUPRC':>7} {'best IoU':>9} {'IoU':>7} {'Dice':>7}  rule"]
    for name, m in results.maps.items():
        auprc, best_iou, iou, dice = (number(value) for value in (m.auprc, m.best_iou, m.iou, m.dice))
        lines.append(f"{name:>10} {auprc:>7} {best_iou:>9} {iou:>7} {dice:>7}  {m.rule}")
    trivial = " · ".join(f"{name} {number(value)}" for name, value in results.trivial.items())
    c, r = results.classes, results.reconstruction
    lines.append(f"without learning, AUPRC: {trivial}")
    lines.append(
        f"PSNR {number(r.psnr_mean, 1)} dB · counterfactuals that fool the check classifier {number(c.swap_accuracy)}"
        f" · its accuracy {number(c.judge_accuracy)} · common gap {number(results.branches.common_gap, 4)}"
    )
    return "\n".join(lines)


def _table_of_findings(results: FindingResults) -> str:
    """The figures of each finding's default map, and the mean of every map over all findings."""
    columns = ("AUPRC", "best IoU", "Dice", "pointing", "sensitive")
    lines = [f"{'':>16} {'map':>10} " + " ".join(f"{name:>9}" for name in columns)]

    def line(what: str, name: str, *values: float | None) -> str:
        return f"{what:>16} {name:>10} " + " ".join(f"{number(value):>9}" for value in values)

    for finding, found in results.labels.items():
        m = found.maps[found.default_map]
        sensitive = results.sensitivity.get(found.default_map, {}).get(finding)
        lines.append(line(finding, found.default_map, m.auprc, m.best_iou, m.dice, m.pointing_game, sensitive))
    for name, mean in results.mean.items():
        figures = (mean.auprc, mean.best_iou, mean.dice, mean.pointing_game, mean.sensitivity)
        lines.append(line("mean", name, *figures))
    return "\n".join(lines)
