"""What a person at a terminal sees: progress bars, and plain lines where there is no terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from acdm.core.tables import figure
from acdm.training.progress import Progress as Training
from acdm.training.progress import Watcher

PLAIN_EVERY = 100  # steps between two lines of a log file


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[..., None]]:
    """A progress bar; call what is yielded once an item, or with words to show.  Silent where there is no terminal."""
    console = Console(stderr=True)
    with _progress(console) as progress:
        task = progress.add_task(what, total=total, facts="")

        def tick(facts: str | None = None) -> None:
            progress.update(task, advance=facts is None, facts=facts or "")

        yield tick


@contextmanager
def watching() -> Iterator[Watcher]:
    """A live line of training on a terminal; a line every hundred steps in a log file."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Watcher(_plain, lambda line: print(line, file=sys.stderr, flush=True))
        return
    with _progress(console) as progress:
        task = progress.add_task("step", total=None, facts="")

        def show(state: Training) -> None:
            progress.update(task, total=state.steps, completed=state.step, facts=_facts(state))

        yield Watcher(show, progress.console.print)


def table(results: dict[str, Any]) -> str:
    """The figures people ask for first, with the trivial scores beside them."""
    lines = [f"{'':>10} {'AUPRC':>7} {'best IoU':>9} {'IoU':>7} {'Dice':>7}  rule"]
    for name, m in results["maps"].items():
        auprc, best_iou, iou, dice = (figure(m[key]) for key in ("auprc", "best_iou", "iou", "dice"))
        lines.append(f"{name:>10} {auprc:>7} {best_iou:>9} {iou:>7} {dice:>7}  {m['rule']}")
    trivial = " · ".join(f"{name} {figure(value)}" for name, value in results["trivial"].items())
    c, r = results["classes"], results["reconstruction"]
    lines.append(f"without learning, AUPRC: {trivial}")
    lines.append(
        f"PSNR {r['psnr_mean']:.1f} dB · swap accuracy {figure(c['swap_accuracy'])}"
        f" · judge {figure(c['judge_accuracy'])} · common gap {figure(results['branches']['common_gap'], 4)}"
    )
    return "\n".join(lines)


def _plain(state: Training) -> None:
    if state.step % PLAIN_EVERY == 0 or state.step == state.steps:
        print(f"step {state.step}/{state.steps or '?'} · {_facts(state)}", file=sys.stderr, flush=True)


def _facts(state: Training) -> str:
    losses = " ".join(f"{name} {state.losses[name]:.3g}" for name in ("rec", "sparse", "adv", "critic"))
    psnr = f" · validation PSNR {state.psnr:.1f} dB" if state.psnr is not None else ""
    left = f" · {(state.steps - state.step) / state.rate / 60:.1f} min left" if state.steps else ""
    return f"{state.rate:.1f} steps/s · {losses}{psnr}{left}"


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[facts]}"), console=console, disable=not console.is_terminal,
    )  # fmt: skip
