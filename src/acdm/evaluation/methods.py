"""What methods compete on, and how each of them is measured: the same images, minutes, and way from maps to figures."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from acdm.core.config import GIVEN, TAUGHT, Network, Split, segmenter_share
from acdm.core.options import Layer
from acdm.core.progress import Progress
from acdm.core.results import MapFigures
from acdm.core.run import Run
from acdm.data.dataset import Dataset
from acdm.data.folder import load_dataset
from acdm.data.images.arrays import Floats
from acdm.data.images.frame import squares
from acdm.data.images.read import digest
from acdm.data.loading import load_images
from acdm.errors import DataError
from acdm.evaluation.baselines.classifier import fit_classifier
from acdm.evaluation.baselines.interface import Fit, Images, Maps
from acdm.evaluation.baselines.normals import fit_normals, fit_patch_memory
from acdm.evaluation.baselines.probe import fit_feature_probe
from acdm.evaluation.baselines.translation import additive, cycle, fit_translation, fixed_point, wider
from acdm.evaluation.baselines.trivial import fit_trivial
from acdm.evaluation.looks import look_at_all, own_size
from acdm.evaluation.map_metrics import map_metrics
from acdm.evaluation.truth import Truth, read_truth
from acdm.maps.backbone import Backbone, load_backbone
from acdm.maps.calibration import Calibration, calibrate, calibrate_like_residual, calibration_images, score, smoothed
from acdm.maps.decomposer import Decomposer
from acdm.maps.loading import load, mirrors
from acdm.maps.segmenter import mirrored
from acdm.training.defaults import choose, settle
from acdm.training.request import Request, file_of_features, is_finished
from acdm.training.segmenter import Teacher, features_of, lessons, steps_within_reach, teach
from acdm.training.train import train

BASELINES: dict[str, Fit] = {
    "trivial": fit_trivial,
    "classifier": fit_classifier,
    "normals": fit_normals,
    "probe": fit_feature_probe,
    "patch-memory": fit_patch_memory,
    "cycle": partial(fit_translation, game=cycle),
    "additive": partial(fit_translation, game=additive),
    "fixed-point": partial(fit_translation, game=fixed_point),
}
TRAINED: dict[str, Callable[[Network], Layer]] = {  # options, given the networks that acdm is trained with
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


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all methods compete on.

    Attributes:
        dataset: the data set, test images among them.
        truth: what is known of the test images.
        images: what baselines learn from.
        folders, preset, options: as `acdm.training.request.Request` has them.
        taught: whether each baseline's maps teach acdm's segmenter, too.
        backbone: features of a file, where segmenters are taught on such.
        shown: places of the test images in the pictures.
        asked: what an output folder remembers.
    """

    dataset: Dataset
    truth: Truth
    images: Images
    folders: Sequence[Path]
    preset: str | None
    options: Layer
    taught: bool
    backbone: Backbone | None
    shown: list[int]
    asked: dict[str, Any]

    @property
    def size(self) -> int:
        """Side of the squares that networks see."""
        return self.images.config.size

    @property
    def minutes(self) -> float:
        """Minutes that each method may take to learn."""
        return float(self.options["minutes"])

    @property
    def segmenter_minutes(self) -> float:
        """What a segmenter gets of these, where maps teach one."""
        return segmenter_share(self.minutes) * self.minutes if self.taught else 0.0


@dataclass(frozen=True, kw_only=True)
class MethodResult:
    """What became of one method.

    Attributes:
        figures: by map.
        facts: such as steps or accuracy.
        scores: (H, W) of each image that is shown, by map.
    """

    figures: Mapping[str, MapFigures]
    facts: Mapping[str, float | str]
    scores: Mapping[str, Sequence[Floats]]


def prepare(
    folders: Sequence[Path],
    split: Split,
    preset: str | None,
    options: Layer,
    minutes: float,
    progress: Progress,
    taught: bool = False,
    positive: str | None = None,
) -> Setting:
    """Read everything that all methods share.

    Args:
        folders, preset, options, positive: as for a training.
        split: the part of the test images.
        minutes: that each method may take to learn.
        progress: told what was chosen.
        taught: whether each method's maps teach a segmenter, too.

    Raises:
        ConfigError, DataError: where options, images or truth cannot be used.
    """
    options = {**options, "minutes": minutes}
    file = file_of_features(options)
    known = {**options, "features": GIVEN} if file else options
    dataset, outlook = choose(load_dataset(folders, positive, int(options.get("seed", 0))), preset, known)
    config = outlook.config
    truth = read_truth(dataset, split)
    loaded = load_images(dataset, config.size)
    rng = np.random.default_rng(0)
    chosen = [rng.permutation(truth.only(name))[:n] for name, n in zip(dataset.classes[::-1], SHOWN, strict=True)]
    return Setting(
        dataset=dataset,
        truth=truth,
        images=Images(loaded.train, loaded.validation, settle(config, loaded, progress.say)),
        folders=folders,
        preset=preset,
        options=options,
        taught=taught,
        backbone=load_backbone(file) if file else None,
        shown=[int(i) for i in np.concatenate(chosen)],
        asked={
            "data": [str(path.resolve()) for path in folders],
            "split": split,
            "preset": preset,
            "options": options,
            **({"taught": True} if taught else {}),
            **({"positive": positive} if positive else {}),
        },
    )


def measure_baseline(name: str, setting: Setting) -> MethodResult:
    """Fit a baseline within the minutes; measure its maps, and what a segmenter makes of them where one is taught."""
    began = time.perf_counter()
    fitted = BASELINES[name](setting.images, setting.minutes - setting.segmenter_minutes, setting.images.config.seed)
    minutes = (time.perf_counter() - began) / 60
    x, y = calibration_images(*setting.images.train)
    test = squares(setting.truth.images, setting.size)
    maps, known = {}, {}
    for title, draw in fitted.maps.items():
        known[title] = calibrate_like_residual(draw(x), y)
        signed = own_size(draw(test), setting.truth.images)
        maps[title] = [score(m, known[title].polarity) for m in signed]
        if setting.taught:
            objects, taught = _taught(draw, known[title], setting), f"{title} → {TAUGHT}".strip()
            known[taught] = calibrate({TAUGHT: objects(x)}, y)[TAUGHT]
            maps[taught] = [score(m, "positive") for m in own_size(objects(test), setting.truth.images)]
    return _result(maps, known, setting, {"minutes": minutes, **fitted.facts})


def _taught(draw: Maps, known: Calibration, setting: Setting) -> Maps:
    """What acdm's segmenter draws, taught by these maps in the place of acdm's own, in as many minutes."""
    config, end = setting.images.config, time.perf_counter() + 60 * setting.segmenter_minutes
    features = features_of(config, setting.backbone, lambda line: None)
    teacher = Teacher("", lambda images: known.scores(draw(images)), known.threshold)
    learned = lessons(teacher, *setting.images.train, end=end)
    segmenter = teach(learned, config, features, steps_within_reach(learned, config, features, end))
    return lambda x: mirrored(segmenter, x, mirrors(config))


def train_method(name: str, setting: Setting, run: Path, command: str, progress: Progress) -> Decomposer:
    """Train a variant of acdm into a run folder, or go on with it; returns its networks.

    Args:
        name: in `TRAINED`.
        setting: what it is trained on.
        run: folder.
        command: as it was typed; stored in env.json.
        progress: told of every step.
    """
    request = Request(
        folders=setting.folders,
        out=run,
        preset=setting.preset,
        positive=setting.dataset.positive,
        options={**setting.options, **TRAINED[name](setting.images.config.network)},
        resume=Run(run).begun,
        command=command,
    )
    return load(run if is_finished(Run(run)) else train(request, progress).path, features=setting.backbone)


def measure_run(run: Run, decomposer: Decomposer, setting: Setting) -> MethodResult:
    """Measure a finished run's maps of the images' own classes, as `acdm.evaluation.results` does.

    Raises:
        RunError, DataError: when the run is unfinished, or was trained on something else.
    """
    decomposer.require_ready(None)
    _require_fair(run, decomposer, setting)
    maps = {str(name): scores for name, scores in look_at_all(decomposer, setting.truth).scores.items()}
    known = {str(name): calibration for name, calibration in decomposer.calibration.items()}
    facts: dict[str, float | str] = {"origin": decomposer.origin}
    if rows := run.metric_rows():
        steps, seconds = int(rows[-1]["step"]), median(float(row["seconds"]) for row in rows)
        facts |= {"minutes": steps * seconds / 60, "steps": steps, "seconds_a_step": seconds}
    return _result(maps, known, setting, facts)


def _require_fair(run: Run, decomposer: Decomposer, setting: Setting) -> None:
    """Raises DataError when a run has seen test images, or takes images or classes otherwise than the others."""
    if decomposer.classes != setting.dataset.classes:
        raise DataError(
            f"{run.path}: has classes {', '.join(decomposer.classes)}, the positive one last; here they are"
            f" {', '.join(setting.dataset.classes)}"
        )
    decomposer.require_channels(setting.truth.images[0], setting.truth.items[0].path)
    if decomposer.reading != setting.dataset.reading:
        raise DataError(f"{run.path}: reads images otherwise ({decomposer.reading}) than the others do")
    if not set(run.read_data().digests).isdisjoint(digest(image) for image in setting.truth.images):
        raise DataError(f"{run.path}: has seen images that are test images here; give the seed of its split by --seed")


def _result(
    maps: Mapping[str, list[Floats]],
    known: Mapping[str, Calibration],
    setting: Setting,
    facts: Mapping[str, float | str],
) -> MethodResult:
    return MethodResult(
        figures={
            name: map_metrics(name, raw, setting.truth, setting.dataset, known[name]) for name, raw in maps.items()
        },
        facts=facts,
        scores={name: [smoothed(raw[i], known[name].scale) for i in setting.shown] for name, raw in maps.items()},
    )
