"""What a person at a terminal sees: progress bars, and plain lines where there is no terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from acdm.core.progress import Progress
from acdm.core.results import Results
from acdm.core.tables import number
from acdm.training.progress import STEPS

LINE_EVERY = 100  # steps between two lines of a log file


class _Bars(Progress):
    """A live bar for each phase, one at a time."""

    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def begin(self, phase: str, total: int | None = None) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(phase, total=total, facts="")

    def advance(self, facts: str = "", *, done: int | None = None, total: int | None = None) -> None:
        if self._task is None:
            return
        if done is None:
            self._bars.update(self._task, advance=1, facts=facts)
        else:
            self._bars.update(self._task, completed=done, total=total, facts=facts)

    def note(self, facts: str) -> None:
        if self._task is not None:
            self._bars.update(self._task, facts=facts)

    def say(self, line: str) -> None:
        self._bars.console.print(line, markup=False, highlight=False)


class _Lines(Progress):
    """What is said, and a line every hundred steps of training, on standard error."""

    def __init__(self) -> None:
        self._phase = ""

    def begin(self, phase: str, total: int | None = None) -> None:
        self._phase = phase

    def advance(self, facts: str = "", *, done: int | None = None, total: int | None = None) -> None:
        if self._phase == STEPS and done is not None and (done % LINE_EVERY == 0 or done == total):
            self.say(f"step {done}/{total or '?'} · {facts}")

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
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[facts]}"),
    )  # fmt: skip
    with RichProgress(*columns, console=console) as bars:
        shown = _Bars(bars)
        if phase is not None:
            shown.begin(phase, total)
        yield shown


def table(results: Results) -> str:
    """The figures people ask for first, with the trivial scores beside them."""
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
