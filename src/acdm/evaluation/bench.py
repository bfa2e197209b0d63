"""Running a grid of trainings, and what comes of it.  A cell that is finished is never run again.

Several processes may share a folder: each takes the next cell that is neither finished nor in another's hands.

OUT/ data/<name>/ (drawn images)   cells/<data>/<variant>/<seed>/{cell.json, run/}
     bench.csv (a line a cell and split)   curves.csv (a line a look at validation images)   table.md   curves.html
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.colors import qualitative
from plotly.subplots import make_subplots

from acdm.core.config import MAPS, Split
from acdm.core.files import json_equals, write_json, write_text
from acdm.core.progress import Progress
from acdm.core.results import Results
from acdm.core.run import lock
from acdm.core.tables import csv_text, markdown
from acdm.data.findings import find_several
from acdm.data.sets.synthetic import SCENES, write_synthetic
from acdm.errors import AcdmError, ConfigError, InterruptedTrainingError, RunLockedError
from acdm.evaluation.grid import Cell, Drawn, Study, cells
from acdm.evaluation.results import evaluate
from acdm.training.request import Request, file_of_features, is_finished
from acdm.training.train import train

MAP_FIGURES = ("auprc", "best_iou", "best_dice", "dice")
COLUMNS = {  # a column of table.md, and the one of bench.csv that it summarises
    "steps": "steps",
    "minutes": "minutes",
    "PSNR dB": "psnr",
    "… at equal steps": "psnr_equal_steps",
    "… at equal time": "psnr_equal_time",
    **{f"{name} AUPRC": f"{name}_auprc" for name in MAPS},
    "psi1 best IoU": "psi1_best_iou",
    "swap accuracy": "swap_accuracy",
    "removal": "removal",
    "common gap": "common_gap",
}


@dataclass(frozen=True)
class Point:
    """One look at a run's validation images.

    Attributes:
        step: steps that were done.
        seconds: of training until then, without pictures and evaluations.
        psnr: in dB.
    """

    step: int
    seconds: float
    psnr: float


def run_study(
    study: Study, root: Path, out: Path, command: str, progress: Progress
) -> Iterator[tuple[Cell, str | None]]:
    """Run what is not finished and no other process runs; yields every other cell with why it failed, or None.

    Args:
        study: what to run.
        root: that relative folders of its data are below.
        out: folder of the study; one that was begun is gone on with.
        command: as it was typed; stored in each run's env.json.
        progress: told of every cell and step.

    Raises:
        ConfigError: when `out` holds a cell of other options.
        DataError: when images cannot be drawn.
        InterruptedTrainingError: after saving; the same call goes on.
    """
    todo = cells(study, root, out)
    for cell in todo:
        _require_same(cell)
    with lock(out / "data", wait=True):
        folders = {name: _folder(name, source, root, out, progress) for name, source in study.data.items()}
    for number, cell in enumerate(todo, start=1):
        reason = None
        try:
            with lock(cell.folder):
                if not cell.finished:
                    progress.say(f"cell {number} of {len(todo)}: {cell}")
                    _run_cell(cell, folders[cell.data], command, progress)
        except RunLockedError:
            progress.say(f"cell {number} of {len(todo)} is in another process's hands: {cell}")
            continue
        except InterruptedTrainingError:
            raise
        except AcdmError as error:
            reason = str(error)
        yield cell, reason


def write_tables(study: Study, root: Path, out: Path, reasons: dict[str, str]) -> str:
    """Write bench.csv, curves.csv, table.md and curves.html of all cells that are finished; returns the table.

    Args:
        study: what was run.
        root: folder that relative folders of its data are below.
        out: folder of the study.
        reasons: why cells failed, by their names.
    """
    with lock(out, wait=True):  # or a process that read earlier than another may write later
        done = cells(study, root, out)
        curves = {str(cell): points_of(cell.run.metric_rows()) for cell in done if cell.finished}
        rows = []
        for cell in done:
            known = [curve for other in done if other.data == cell.data and (curve := curves.get(str(other)))]
            told = curves.get(str(cell)), known, reasons.get(str(cell), "")
            rows += [_row(cell, split, *told) for split in cell.splits]
        write_text(out / "bench.csv", csv_text(rows))
        lines = [
            {"data": cell.data, "variant": cell.variant, "seed": cell.seed, **vars(point)}
            for cell in done
            for point in curves.get(str(cell), ())
        ]
        if lines:
            write_text(out / "curves.csv", csv_text(lines))
            write_text(out / "curves.html", _drawn(study, done, curves))
        table = _table(rows)
        write_text(out / "table.md", f"{table}\n")
        return table


def points_of(rows: Sequence[dict[str, str]]) -> list[Point]:
    """The curve that metrics.csv holds: its lines are means over the steps since the line before."""
    points, seconds, last = [], 0.0, 0
    for row in rows:
        step = int(row["step"])
        seconds += float(row["seconds"]) * (step - last)
        last = step
        if row["psnr"]:
            points.append(Point(step, seconds, float(row["psnr"])))
    return points


def at(points: Sequence[Point], axis: str, where: float) -> float:
    """PSNR at a step or second, between two looks on a straight line; nan before the first."""
    places = [getattr(point, axis) for point in points]
    return float(np.interp(where, places, [point.psnr for point in points], left=np.nan))


def _run_cell(cell: Cell, folder: Path, command: str, progress: Progress) -> None:
    if find_several([folder], positive=cell.positive):
        raise ConfigError(f"{folder}: has several findings; name one of them as the variant's 'positive'")
    write_json(cell.folder / "cell.json", cell.asked())
    request = Request(
        folders=[folder],
        out=cell.run.path,
        preset=cell.preset,
        options=cell.options,
        positive=cell.positive,
        resume=cell.run.begun,
        command=command,
    )
    run = cell.run if is_finished(cell.run) else train(request, progress)
    for split in cell.splits:
        evaluate(run, [folder], split, features=file_of_features(cell.options)).write(cell.results(split))


def _require_same(cell: Cell) -> None:
    if json_equals(cell.folder / "cell.json", cell.asked()) is False:
        raise ConfigError(f"{cell.folder}: was run with other options; take another folder with -o, or remove it")


def _folder(name: str, source: Path | Drawn, root: Path, out: Path, progress: Progress) -> Path:
    """Where the images of a name are; those to be drawn are, once."""
    if isinstance(source, Path):
        return root / source
    folder, scene = out / "data" / name, SCENES[source.toy]
    drawn = folder / "drawn.json"
    if json_equals(drawn, vars(source)) is False:
        raise ConfigError(f"{folder}: holds images of '{name}' as it was before; take another folder with -o")
    if not drawn.is_file():  # written last
        progress.say(f"drawing images into {folder}")
        rmtree(folder, ignore_errors=True)  # what a killed process began
        size, train, test = source.size or scene.size, source.train or scene.train, source.test or scene.test
        write_synthetic(folder, source.toy, size, train, test, source.seed)
        write_json(drawn, vars(source))
    return folder


def _row(cell: Cell, split: Split, points: list[Point] | None, known: list[list[Point]], reason: str) -> dict[str, Any]:
    """A line of bench.csv; equal steps and equal time are the least that a finished cell of the same data has."""
    row = {"data": cell.data, "split": split, "variant": cell.variant, "seed": cell.seed, "failed": reason}
    figures = ("steps", "minutes", "psnr", "psnr_equal_steps", "psnr_equal_time", "ssim", "removal")
    names = (*figures, *(f"{name}_{f}" for name in MAPS for f in MAP_FIGURES), "swap_accuracy", "common_gap", "trivial")
    if not points:
        return row | dict.fromkeys(names, "")
    results = Results.read(cell.results(split), "type the same command again")
    values = [
        points[-1].step,
        points[-1].seconds / 60,
        results.reconstruction.psnr_mean,
        at(points, "step", min(curve[-1].step for curve in known)),
        at(points, "seconds", min(curve[-1].seconds for curve in known)),
        results.reconstruction.ssim_mean,
        results.reconstruction.removal,
        *(getattr(results.maps.get(name), f, None) for name in MAPS for f in MAP_FIGURES),
        results.classes.swap_accuracy,
        results.branches.common_gap,
        max((v for v in results.trivial.values() if v is not None), default=None),
    ]
    return row | dict(zip(names, ("" if value is None else value for value in values), strict=True))


def _table(rows: Sequence[dict[str, Any]]) -> str:
    """Mean and, where there are several seeds, standard deviation of each data and variant."""
    lines = []
    places = ("data", "split", "variant")
    for place in dict.fromkeys(tuple(row[key] for key in places) for row in rows):
        own = [row for row in rows if tuple(row[key] for key in places) == place]
        line = {
            **dict(zip(places, place, strict=True)),
            "seeds": f"{sum(row['steps'] != '' for row in own)} of {len(own)}",
        }
        for title, key in COLUMNS.items():
            line[title] = _mean_and_deviation([row[key] for row in own if row[key] != ""])
        lines.append(line)
    return markdown(lines)


def _mean_and_deviation(values: Sequence[float]) -> str:
    if not values:
        return "–"
    mean = float(np.mean(values))
    digits = 0 if mean >= 100 else 1 if mean >= 10 else 3 if mean >= 0.01 else 4
    if len(values) == 1:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± {np.std(values, ddof=1):.{digits}f}"


def _drawn(study: Study, done: Sequence[Cell], curves: dict[str, list[Point]]) -> str:
    """PSNR of validation images against steps and against minutes, a row of pictures each data; offline."""
    names = list(study.data)
    titles = [f"{name}, by {axis}" for name in names for axis in ("steps", "minutes")]
    figure = make_subplots(rows=len(names), cols=2, subplot_titles=titles)
    colours = dict(zip(study.variants, qualitative.Safe * len(study.variants), strict=False))
    shown = set()
    for cell in done:
        points = curves.get(str(cell), [])
        for column, across in enumerate(([p.step for p in points], [p.seconds / 60 for p in points]), start=1):
            figure.add_scatter(
                x=across,
                y=[p.psnr for p in points],
                name=cell.variant,
                legendgroup=cell.variant,
                showlegend=cell.variant not in shown,
                line={"color": colours[cell.variant]},
                row=names.index(cell.data) + 1,
                col=column,
            )
            shown.add(cell.variant)
    figure.update_yaxes(title="PSNR, dB")
    title = study.title or "PSNR of validation images"
    figure.update_layout(height=360 * len(names), title=title, template=go.layout.Template())
    return str(figure.to_html(include_plotlyjs=True, config={"displaylogo": False}))
