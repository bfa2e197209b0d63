"""What methods compete on, and how each of them is measured: the same images, minutes, and way from maps to figures."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from acdm.core.config import Network
from acdm.core.run import Run
from acdm.data.batches import some_of_each
from acdm.data.dataset import Dataset
from acdm.data.folder import load_dataset
from acdm.data.images.frame import squares
from acdm.data.images.read import digest
from acdm.data.loading import take_in
from acdm.errors import DataError
from acdm.evaluation.baselines.classifier import fit_classifier
from acdm.evaluation.baselines.interface import Fit, Images
from acdm.evaluation.baselines.normals import fit_normals
from acdm.evaluation.baselines.translation import additive, cycle, fit_translation, fixed_point, wider
from acdm.evaluation.baselines.trivial import fit_trivial
from acdm.evaluation.map_metrics import map_figures, own_size
from acdm.evaluation.results import nan_to_none
from acdm.evaluation.truth import Truth, read_truth
from acdm.maps.calibration import Calibration, calibrate_like_residual
from acdm.maps.decomposer import Decomposer, load
from acdm.training.defaults import choose, settle
from acdm.training.progress import Watcher
from acdm.training.request import start

BASELINES: dict[str, Fit] = {
    "trivial": fit_trivial,
    "classifier": fit_classifier,
    "normals": fit_normals,
    "cycle": partial(fit_translation, game=cycle),
    "additive": partial(fit_translation, game=additive),
    "fixed-point": partial(fit_translation, game=fixed_point),
}
TRAINED: dict[str, Callable[[Network], dict[str, Any]]] = {  # options, by the networks that acdm is trained with
    "acdm": lambda network: {},
    # the branch is the image, so nothing of it is rare; StarGAN v2 compares with real images
    "one-branch": lambda network: {
        "network": wider(network).model_dump(),
        "loss": {"sparse": 0, "mismatch": 0, "adv": 1},
        "judged": "swapped",
    },
    "five-branches": lambda network: {"network": {"branches": 5}},  # the paper's N
}
METHODS = (*TRAINED, *BASELINES)
SHOWN = (6, 2)  # positive and negative test images in the pictures, drawn by chance

Scores = NDArray[np.floating]


@dataclass(frozen=True)
class Field:
    """What all methods compete on.

    Attributes:
        dataset, truth: test images among them.
        images: what baselines learn from.
        folders, preset, options: as for `acdm.training.request.start`.
        shown: test images in the pictures.
        asked: what an output folder remembers.
    """

    dataset: Dataset
    truth: Truth
    images: Images
    folders: Sequence[Path]
    preset: str | None
    options: dict[str, Any]
    shown: list[int]
    asked: dict[str, Any]

    @property
    def size(self) -> int:
        """Side of the squares that networks see."""
        return self.images.config.size

    @property
    def minutes(self) -> float:
        """That each may take to learn."""
        return float(self.options["minutes"])


@dataclass(frozen=True)
class Outcome:
    """One method's figures by map, its facts, and scores (H, W) of the images that are shown, by map."""

    figures: Mapping[str, Mapping[str, Any]]
    facts: Mapping[str, Any]
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
    images = Images(intake.train, intake.validation, settle(config, intake, watcher.say))
    rng = np.random.default_rng(0)
    chosen = [rng.permutation(truth.only(name))[:n] for name, n in zip(dataset.classes[::-1], SHOWN, strict=True)]
    shown = [int(i) for i in np.concatenate(chosen)]
    asked = {"data": [str(path.resolve()) for path in folders], "split": split, "preset": preset, "options": options}
    return Field(dataset, truth, images, folders, preset, options, shown, asked)


def measure(name: str, run: Path | None, field: Field, out: Path, command: str, watcher: Watcher) -> Outcome:
    """Fit a method, or take a finished run, and measure it; what has to be trained is a run below `out`."""
    if run is None and name in BASELINES:
        return _of_baseline(BASELINES[name], field)
    if run is None:
        run = out / "runs" / name
        options = {**field.options, **TRAINED[name](field.images.config.network)}
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
        maps[name] = own_size(draw(test), field.truth, field.size)
        known[name] = calibrate_like_residual(draw(x[chosen]), y[chosen])
    return _outcome(maps, known, field, {"minutes": minutes, **fitted.facts})


def _of_run(run: Run, field: Field) -> Outcome:
    """Its maps; of the images' own classes, as in `acdm.evaluation.results`."""
    decomposer = load(run.path)
    decomposer.insist_ready(None)
    _insist_fair(run, decomposer, field)
    x = squares(field.truth.images, decomposer.size)
    y = torch.tensor([decomposer.index(item.label) for item in field.truth.items])
    drawn = decomposer.maps(x, y, *decomposer.split(x, y, 1 - y))
    maps = {name: own_size(of_all, field.truth, decomposer.size) for name, of_all in drawn.items()}
    rows = run.metric_rows()
    steps, seconds = int(rows[-1]["step"]), median(float(row["seconds"]) for row in rows)
    facts = {"minutes": steps * seconds / 60, "steps": steps, "seconds_a_step": seconds}
    return _outcome(maps, decomposer.calibration, field, {**facts, "origin": decomposer.origin})


def _insist_fair(run: Run, decomposer: Decomposer, field: Field) -> None:
    """Raises DataError when a run has seen test images, or takes images or classes otherwise than the others."""
    if decomposer.classes != field.dataset.classes:
        raise DataError(
            f"{run.path}: has classes {', '.join(decomposer.classes)}, the positive one last; here they are"
            f" {', '.join(field.dataset.classes)}"
        )
    decomposer.insist_channels(field.truth.images[0], field.truth.items[0].path)
    if decomposer.reading != field.dataset.reading:
        raise DataError(f"{run.path}: reads images otherwise ({decomposer.reading}) than the others do")
    if not set(run.read_json("data.json")["digests"]).isdisjoint(digest(image) for image in field.truth.images):
        raise DataError(f"{run.path}: has seen images that are test images here; give the seed of its split by --seed")


def _outcome(
    maps: Mapping[str, list[Scores]], known: Mapping[str, Calibration], field: Field, facts: Mapping[str, Any]
) -> Outcome:
    figures = {
        name: nan_to_none(map_figures(name, signed, field.truth, field.dataset, known[name]))
        for name, signed in maps.items()
    }
    scores = {name: [known[name].scores(signed[i]) for i in field.shown] for name, signed in maps.items()}
    return Outcome(figures, facts, scores)
