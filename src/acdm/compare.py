"""acdm beside what a user would do instead: same images, same minutes, same way from maps to figures.

OUT/ asked.json   methods/<name>.json, <name>.npz (figures, and scores of the images that are shown)   runs/<name>/
     compare.csv   table.md   pictures.png
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from acdm.baselines.classifier import fit_classifier
from acdm.baselines.interface import Fit, Images
from acdm.baselines.normals import fit_normals
from acdm.baselines.translation import additive, cycle, fit_translation, fixed_point
from acdm.baselines.trivial import fit_trivial
from acdm.calibrate import calibrate_like_residual, some_of_each
from acdm.calibration import Calibration
from acdm.data.dataset import Dataset
from acdm.data.folder import load_dataset
from acdm.decompose import load, squares
from acdm.decomposition import network_maps
from acdm.errors import ConfigError
from acdm.evaluate import map_figures, nan_to_none, own_size
from acdm.figure import compared
from acdm.files import parse_json, write_bytes, write_json, write_text
from acdm.images.write import npz, png
from acdm.intake import take_in
from acdm.resolve import settle
from acdm.run import Run
from acdm.session import Watcher
from acdm.start import choose, start
from acdm.tables import csv_text, markdown
from acdm.truth import Truth, read_truth

BASELINES: dict[str, Fit] = {
    "trivial": fit_trivial,
    "classifier": fit_classifier,
    "normals": fit_normals,
    "cycle": partial(fit_translation, game=cycle),
    "additive": partial(fit_translation, game=additive),
    "fixed-point": partial(fit_translation, game=fixed_point),
}
TRAINED: dict[str, dict[str, Any]] = {
    "acdm": {},
    # the branch is the image, so nothing of it is rare; StarGAN v2 compares with real images
    "one-branch": {
        "network": {"branches": 1, "width": 48, "max_width": 96},
        "loss": {"sparse": 0, "mismatch": 0, "adv": 1},
        "judged": "swapped",
    },
    "two-branches": {"network": {"branches": 2}},
}
METHODS = (*TRAINED, *BASELINES)
SHOWN = (6, 2)  # positive and negative test images in the pictures, drawn by chance
FIGURES = (
    "auprc", "auprc_unsmoothed", "best_iou", "best_dice", "iou", "dice", "dice_by_group", "ncc_mean", "ncc_std", "pxap",
    "maxboxacc", "pointing_game", "relevance_mass", "box_recall", "negative_area", "image_auroc", "polarity", "scale",
)  # fmt: skip
FACTS = ("minutes", "steps", "seconds_a_step", "validation_accuracy", "validation_auroc")

Scores = NDArray[np.floating]


@dataclass(frozen=True)
class Field:
    """What all methods compete on.

    Attributes:
        dataset, truth: test images among them.
        images: what baselines learn from.
        size: side of the squares that networks see.
        folders, preset, options: as for `acdm.start.start`.
        minutes: that each may take to learn.
        shown: test images in the pictures.
        asked: what an output folder remembers.
    """

    dataset: Dataset
    truth: Truth
    images: Images
    size: int
    folders: Sequence[Path]
    preset: str | None
    options: dict[str, Any]
    minutes: float
    shown: list[int]
    asked: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """One method's figures by map, its facts, and scores (H, W) of the images that are shown, by map."""

    figures: Mapping[str, Mapping[str, Any]]
    facts: Mapping[str, float]
    scores: Mapping[str, Sequence[Scores]]


def enter(
    folders: Sequence[Path], split: str, preset: str | None, options: dict[str, Any], minutes: float, watcher: Watcher
) -> Field:
    """Read everything that all methods share.

    Raises:
        ConfigError, DataError: where options, images or truth cannot be used.
    """
    options = {**options, "minutes": minutes}
    dataset, config = choose(load_dataset(folders, None, int(options.get("seed", 0))), preset, options)
    truth = read_truth(dataset, split)
    intake = take_in(dataset, config.size)
    images = Images(intake.train, intake.validation, settle(config, intake, watcher.say).augment)
    rng = np.random.default_rng(0)
    chosen = [rng.permutation(truth.only(name))[:n] for name, n in zip(dataset.classes[::-1], SHOWN, strict=True)]
    shown = [int(i) for i in np.concatenate(chosen)]
    asked = {"data": [path.name for path in folders], "split": split, "preset": preset, "options": options}
    return Field(dataset, truth, images, config.size, folders, preset, options, minutes, shown, asked)


def compare(
    field: Field, runs: Sequence[Path], methods: Sequence[str], out: Path, command: str, watcher: Watcher
) -> Iterator[str]:
    """Fit and measure what `out` does not hold yet; yields each method when it is done, and writes all tables anew.

    Args:
        field: from `enter`.
        runs: finished runs to be measured, by their folders' names.
        methods: names in `METHODS` to be fitted.
        out: folder; one that was begun is gone on with.
        command: for the record.
        watcher: of progress.

    Raises:
        ConfigError: for a method there is none of, two of one name, or an `out` of another comparison.
    """
    if unknown := set(methods) - set(METHODS):
        raise ConfigError(f"--baselines {min(unknown)}: no such method; there are {', '.join(METHODS)}")
    names = [*(path.resolve().name for path in runs), *methods]
    if len(set(names)) < len(names):
        raise ConfigError(f"{max(names, key=names.count)}: given twice; what is compared goes by its folder's name")
    _insist_same(out, field.asked)
    for name, run in zip(names, [*runs, *(None for _ in methods)], strict=True):
        if not (out / "methods" / f"{name}.json").is_file():
            watcher.say(f"{name}: measuring" if run else f"{name}: learning for up to {field.minutes:g} minutes")
            _save(out / "methods", name, _measure(name, run, field, out, command, watcher))
        _write_tables(out, names, field.truth, field.shown)
        yield name


def _measure(name: str, run: Path | None, field: Field, out: Path, command: str, watcher: Watcher) -> Outcome:
    if run is None and name in BASELINES:
        return _of_baseline(BASELINES[name], field)
    if run is None:
        run = out / "runs" / name
        options = {**field.options, **TRAINED[name]}
        begun = (run / "env.json").is_file()
        start(field.folders, run, field.preset, options, command, resume=begun, watcher=watcher)
    return _of_run(Run.open(run), field)


def _of_baseline(fit: Fit, field: Field) -> Outcome:
    began = time.perf_counter()
    fitted = fit(field.images, field.minutes, int(field.options.get("seed", 0)))
    minutes = (time.perf_counter() - began) / 60
    x, y = field.images.train
    chosen = some_of_each(y)
    test = squares(field.truth.images, field.size)
    maps, known = {}, {}
    for name, draw in fitted.maps.items():
        maps[name] = own_size({name: draw(test)}, field.truth, field.size)[name]
        known[name] = calibrate_like_residual(draw(x[chosen]), y[chosen])
    return _outcome(maps, known, field, {"minutes": minutes, **fitted.facts})


def _of_run(run: Run, field: Field) -> Outcome:
    """Its three maps; of the images' own classes, as in `acdm.evaluate`."""
    decomposer = load(run.path)
    decomposer.insist_ready(None)
    x = squares(field.truth.images, decomposer.size)
    y = torch.tensor([decomposer.index(item.label) for item in field.truth.items])
    maps = own_size(network_maps(x, y, *decomposer.split(x, y, 1 - y)), field.truth, decomposer.size)
    rows = run.metric_rows()
    steps, seconds = int(rows[-1]["step"]), median(float(row["seconds"]) for row in rows)
    facts = {"minutes": steps * seconds / 60, "steps": steps, "seconds_a_step": seconds}
    return _outcome(maps, decomposer.calibration, field, facts)


def _outcome(
    maps: Mapping[str, list[Scores]], known: Mapping[str, Calibration], field: Field, facts: Mapping[str, float]
) -> Outcome:
    figures = {
        name: nan_to_none(map_figures(name, signed, field.truth, field.dataset, known[name]))
        for name, signed in maps.items()
    }
    scores = {name: [known[name].scores(signed[i]) for i in field.shown] for name, signed in maps.items()}
    return Outcome(figures, facts, scores)


def _insist_same(out: Path, asked: dict[str, Any]) -> None:
    file = out / "asked.json"
    try:
        same = parse_json(file.read_text(encoding="utf-8")) == asked
    except FileNotFoundError:
        write_json(file, asked)
        return
    except ValueError:
        same = False
    if not same:
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
    write_text(out / "compare.csv", csv_text(rows))
    write_text(out / "table.md", table(rows) + "\n")
    pictures = compared([truth.images[i] for i in shown], [truth.masks[i] for i in shown], columns)
    write_bytes(out / "pictures.png", png(pictures))


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The figures people ask for first, the highest AUPRC first."""

    def figure(value: float | None, digits: int = 3) -> str:
        return "–" if value is None else f"{value:.{digits}f}"

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
