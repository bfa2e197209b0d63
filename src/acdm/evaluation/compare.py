"""acdm beside what a user would do instead, method by method into one folder.

OUT/ asked.json   methods/<name>.json, <name>.npz (figures, and scores of the images that are shown)   runs/<name>/
     compare.csv   table.md   pictures.png
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from acdm.core.extras import extra
from acdm.core.files import json_equals, write_bytes, write_json, write_text
from acdm.core.progress import Progress
from acdm.core.records import Record
from acdm.core.results import MapFigures
from acdm.core.run import Run
from acdm.core.tables import csv_text, markdown, number
from acdm.data.images.arrays import Floats
from acdm.data.images.write import npz, png
from acdm.errors import AcdmError, ConfigError, InterruptedTrainingError
from acdm.evaluation.methods import (
    BASELINES,
    METHODS,
    MethodResult,
    Setting,
    measure_baseline,
    measure_run,
    train_method,
)
from acdm.evaluation.truth import Truth
from acdm.maps.loading import load
from acdm.maps.pictures import compared

FIGURES = tuple(name for name in MapFigures.model_fields if name not in ("auroc", "threshold", "rule", "ci"))
FACTS = ("minutes", "steps", "seconds_a_step", "validation_accuracy", "validation_auroc")
REMEDY = "remove it, and the same command measures the method again"


class Measured(Record):
    """methods/<name>.json: what was measured of one method, by map."""

    facts: dict[str, int | float | str]
    maps: dict[str, MapFigures]


def compare(
    setting: Setting,
    runs: Sequence[Path],
    methods: Sequence[str],
    out: Path,
    command: str,
    progress: Progress,
) -> Iterator[tuple[str, str | None]]:
    """Fit and measure what `out` does not hold yet; yields each method with the reason why it failed, or None.

    All tables are written anew after each.

    Args:
        setting: from `acdm.evaluation.methods.prepare`.
        runs: finished runs to be measured, by their folders' names.
        methods: names in `METHODS` to be fitted.
        out: folder; one that was begun is gone on with.
        command: as it was typed; stored in each run's env.json.
        progress: told of every method and step.

    Raises:
        ConfigError: for a method there is none of, two of one name, or an `out` of another comparison.
        DataError: when a library that a method needs is missing.
    """
    if unknown := set(methods) - set(METHODS):
        raise ConfigError(f"--baselines {min(unknown)}: no such method; there are {', '.join(METHODS)}")
    finished = {path.resolve().name: path for path in runs}
    names = [*(path.resolve().name for path in runs), *methods]
    if len(set(names)) < len(names):
        raise ConfigError(f"{max(names, key=names.count)}: given twice; what is compared goes by its folder's name")
    if "classifier" in methods:
        extra("captum", "xai", "explaining a classifier")
    _require_same(out, setting.asked)
    for name in names:
        reason = None
        try:
            if name in finished:
                _measure_finished(name, finished[name], setting, out, progress)
            else:
                _measure_fitted(name, setting, out, command, progress)
        except InterruptedTrainingError:
            raise
        except AcdmError as error:
            reason = str(error)
        _write_tables(out, names, setting.truth, setting.shown)
        yield name, reason


def _measure_finished(name: str, path: Path, setting: Setting, out: Path, progress: Progress) -> None:
    """Measure a run, unless the figures of these very weights are there."""
    decomposer, file = load(path, features=setting.backbone), _file(out, name)
    if not file.is_file() or Measured.read(file, REMEDY).facts.get("origin") != decomposer.origin:
        progress.say(f"{name}: measuring")
        _save(file, measure_run(Run.open(path), decomposer, setting))


def _measure_fitted(name: str, setting: Setting, out: Path, command: str, progress: Progress) -> None:
    """Fit and measure a method, unless its figures are there."""
    file = _file(out, name)
    if file.is_file():
        return
    progress.say(f"{name}: learning for up to {setting.minutes:g} minutes")
    if name in BASELINES:
        _save(file, measure_baseline(name, setting))
        return
    run = out / "runs" / name
    decomposer = train_method(name, setting, run, command, progress)
    _save(file, measure_run(Run.open(run), decomposer, setting))


def _file(out: Path, name: str) -> Path:
    return out / "methods" / f"{name}.json"


def _require_same(out: Path, asked: dict[str, Any]) -> None:
    same = json_equals(out / "asked.json", asked)
    if same is None:
        write_json(out / "asked.json", asked)
    if same is False:
        raise ConfigError(f"{out}: holds another comparison; take another folder with -o")


def _save(file: Path, result: MethodResult) -> None:
    """Write the scores, then the figures, so that a method with figures has pictures."""
    arrays = {f"{m}/{i}": s.astype(np.float16) for m, scores in result.scores.items() for i, s in enumerate(scores)}
    write_bytes(file.with_suffix(".npz"), npz(arrays))
    Measured(facts=dict(result.facts), maps=dict(result.figures)).write(file)


def _write_tables(out: Path, names: Sequence[str], truth: Truth, shown: Sequence[int]) -> None:
    rows: list[dict[str, Any]] = []
    columns: dict[str, list[Floats]] = {}
    for method in names:
        file = _file(out, method)
        if not file.is_file():
            continue
        measured = Measured.read(file, REMEDY)
        with np.load(file.with_suffix(".npz"), allow_pickle=False) as scores:
            for name, figures in measured.maps.items():
                values = {key: getattr(figures, key) for key in FIGURES}
                low, high = figures.ci.auprc
                facts = {key: measured.facts.get(key) for key in FACTS}
                rows.append({"method": method, "map": name, **values, "auprc_low": low, "auprc_high": high, **facts})
                columns[f"{method} {name}".strip()] = [scores[f"{name}/{i}"] for i in range(len(shown))]
    if not rows:
        return
    write_text(out / "compare.csv", csv_text(rows))
    write_text(out / "table.md", table(rows) + "\n")
    pictures = compared([truth.images[i] for i in shown], [truth.masks[i] for i in shown], columns)
    write_bytes(out / "pictures.png", png(pictures))


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The figures people ask for first, the highest AUPRC first."""
    lines = []
    for row in sorted(rows, key=lambda row: -(row["auprc"] or 0)):
        low, high = row["auprc_low"], row["auprc_high"]
        interval = "" if low is None else f" ({number(low, 2)}–{number(high, 2)})"
        lines.append(
            {
                "method": row["method"],
                "map": row["map"],
                "AUPRC (95 %)": number(row["auprc"]) + interval,
                "best Dice": number(row["best_dice"]),
                "Dice": number(row["dice"]),
                "PxAP": number(row["pxap"]),
                "pointing": number(row["pointing_game"], 2),
                "box recall": number(row["box_recall"], 2),
                "NCC": number(row["ncc_mean"], 2),
                "image AUROC": number(row["image_auroc"], 2),
                "minutes": number(row["minutes"], 1),
                "s a step": number(row["seconds_a_step"]),
            }
        )
    return markdown(lines)
