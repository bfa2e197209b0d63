"""acdm beside what a user would do instead, method by method into one folder.

OUT/ asked.json   methods/<name>.json, <name>.npz (figures, and scores of the images that are shown)   runs/<name>/
     compare.csv   table.md   pictures.png
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from acdm.core.extras import extra
from acdm.core.files import parse_json, says, write_bytes, write_json, write_text
from acdm.core.tables import csv_text, figure, markdown
from acdm.data.images.write import npz, png
from acdm.errors import AcdmError, ConfigError, InterruptedTrainingError
from acdm.evaluation.methods import METHODS, Field, Outcome, Scores, measure
from acdm.evaluation.truth import Truth
from acdm.maps.decomposer import load
from acdm.maps.pictures import compared
from acdm.training.progress import Watcher

FIGURES = (
    "auprc", "auprc_unsmoothed", "best_iou", "best_dice", "iou", "dice", "dice_by_group", "ncc_mean", "ncc_std", "pxap",
    "maxboxacc", "pointing_game", "relevance_mass", "box_recall", "negative_area", "image_auroc", "polarity", "scale",
)  # fmt: skip
FACTS = ("minutes", "steps", "seconds_a_step", "validation_accuracy", "validation_auroc")


def compare(
    field: Field, runs: Sequence[Path], methods: Sequence[str], out: Path, command: str, watcher: Watcher
) -> Iterator[tuple[str, str | None]]:
    """Fit and measure what `out` does not hold yet; yields each method with the reason why it failed, or None.

    All tables are written anew after each.

    Args:
        field: from `enter`.
        runs: finished runs to be measured, by their folders' names.
        methods: names in `METHODS` to be fitted.
        out: folder; one that was begun is gone on with.
        command: for the record.
        watcher: of progress.

    Raises:
        ConfigError: for a method there is none of, two of one name, or an `out` of another comparison.
        DataError: when a library that a method needs is missing.
    """
    if unknown := set(methods) - set(METHODS):
        raise ConfigError(f"--baselines {min(unknown)}: no such method; there are {', '.join(METHODS)}")
    names = [*(path.resolve().name for path in runs), *methods]
    if len(set(names)) < len(names):
        raise ConfigError(f"{max(names, key=names.count)}: given twice; what is compared goes by its folder's name")
    if "classifier" in methods:
        extra("captum", "xai", "explaining a classifier")
    _insist_same(out, field.asked)
    for name, run in zip(names, [*runs, *(None for _ in methods)], strict=True):
        reason = None
        if not _measured(out / "methods" / f"{name}.json", run):
            watcher.say(f"{name}: measuring" if run else f"{name}: learning for up to {field.minutes:g} minutes")
            try:
                _save(out / "methods", name, measure(name, run, field, out, command, watcher))
            except InterruptedTrainingError:
                raise
            except AcdmError as error:
                reason = str(error)
        _write_tables(out, names, field.truth, field.shown)
        yield name, reason


def _measured(file: Path, run: Path | None) -> bool:
    """Whether a method's figures are there, and are of this very run."""
    if not file.is_file():
        return False
    return run is None or parse_json(file.read_text(encoding="utf-8"))["facts"].get("origin") == load(run).origin


def _insist_same(out: Path, asked: dict[str, Any]) -> None:
    same = says(out / "asked.json", asked)
    if same is None:
        write_json(out / "asked.json", asked)
    if same is False:
        raise ConfigError(f"{out}: holds another comparison; take another folder with -o")


def _save(folder: Path, name: str, outcome: Outcome) -> None:
    """The scores first, so that a method with figures has pictures."""
    arrays = {f"{m}/{i}": s.astype(np.float16) for m, scores in outcome.scores.items() for i, s in enumerate(scores)}
    write_bytes(folder / f"{name}.npz", npz(arrays))
    write_json(folder / f"{name}.json", {"facts": dict(outcome.facts), "maps": dict(outcome.figures)})


def _write_tables(out: Path, names: Sequence[str], truth: Truth, shown: Sequence[int]) -> None:
    rows: list[dict[str, Any]] = []
    columns: dict[str, list[Scores]] = {}
    for method in names:
        file = out / "methods" / f"{method}.json"
        if not file.is_file():
            continue
        content = parse_json(file.read_text(encoding="utf-8"))
        with np.load(file.with_suffix(".npz"), allow_pickle=False) as scores:
            for name, figures in content["maps"].items():
                values = {key: figures[key] for key in FIGURES}
                low, high = figures["ci"]["auprc"]
                facts = {key: content["facts"].get(key) for key in FACTS}
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
        interval = f"{figure(row['auprc'])} ({figure(row['auprc_low'], 2)}–{figure(row['auprc_high'], 2)})"
        lines.append(
            {
                "method": row["method"],
                "map": row["map"],
                "AUPRC (95 %)": interval,
                "best Dice": figure(row["best_dice"]),
                "Dice": figure(row["dice"]),
                "PxAP": figure(row["pxap"]),
                "pointing": figure(row["pointing_game"], 2),
                "box recall": figure(row["box_recall"], 2),
                "NCC": figure(row["ncc_mean"], 2),
                "image AUROC": figure(row["image_auroc"], 2),
                "minutes": figure(row["minutes"], 1),
                "s a step": figure(row["seconds_a_step"]),
            }
        )
    return markdown(lines)
