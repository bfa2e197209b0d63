"""From what a user asked for to a training: which data, which configuration, which folder."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from acdm.core.config import PRESETS, Config
from acdm.core.options import Layer
from acdm.core.processes import is_first_process
from acdm.core.progress import QUIET, Progress
from acdm.core.run import Run, next_folder, require_free
from acdm.data.dataset import Dataset
from acdm.data.folder import load_dataset
from acdm.errors import ConfigError
from acdm.training.defaults import choose, resolve
from acdm.training.launch import launched, require_named

KEPT_ON_RESUME = ("size", "batch", "seed", "network", "images")  # what the weights hang on


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of a training.

    Attributes:
        folders: one data folder or CSV, or two class folders.
        out: run folder; None takes a new one under runs/.
        preset: a name in `PRESETS`; None takes the one whose size is nearest to half of the images'.
        options: nested, as in config.yaml.
        positive: the class that carries the object; None takes the one with masks or boxes, else the second.
        resume: whether to go on with the run in `out`.
        command: as it was typed; stored in env.json.
    """

    folders: Sequence[Path]
    out: Path | None = None
    preset: str | None = None
    options: Layer = field(default_factory=dict)
    positive: str | None = None
    resume: bool = False
    command: str = "acdm.train(...)"


@dataclass(frozen=True)
class Prepared:
    """A request, resolved: the data set with its splits, a configuration with everything decided, the run folder."""

    dataset: Dataset
    config: Config
    path: Path


def prepare(request: Request, progress: Progress = QUIET) -> Prepared:
    """Check everything that can be checked before images are decoded.

    Raises:
        ConfigError, DataError, RunError, RunLockedError: a sentence that says what is wrong, where, and what to do.
    """
    seed = Config.of({key: request.options[key] for key in ("seed", "size") if key in request.options}).seed
    if request.preset is not None and request.preset not in PRESETS:
        raise ConfigError(f"preset: no '{request.preset}'; there are {', '.join(PRESETS)}")
    positive, begun = request.positive, _begun(request)
    if begun is not None:
        seed, positive = begun.config().seed, begun.read_data().positive
    dataset = load_dataset(request.folders, positive, seed)
    path = request.out or next_folder(dataset.root.resolve().name)
    counts = " · ".join(f"{name} {number}" for name, number in dataset.counts()["train"].items())
    progress.say(f"training images: {counts}; the class with the object is '{dataset.positive}'")
    if dataset.ignored:
        progress.say(f"ignored under test/: {', '.join(dataset.ignored)}")
    if begun is not None:
        config = _continued(begun.config(), request.options)
        dataset = replace(dataset, reading=config.images)
    else:
        dataset, config = choose(dataset, request.preset, request.options)
        if ranges := config.images.range:
            values = ", ".join(f"{low:g} to {high:g}" for low, high in ranges)
            progress.say(f"values of {values} become -1 to 1, here and wherever this run is used")
    progress.say(f"results → {path}")
    return Prepared(dataset, config, path)


def _begun(request: Request) -> Run | None:
    """The run that is gone on with; None for a new one, whose folder is free."""
    if request.resume:
        if request.out is None:
            raise ConfigError("--resume: name the run folder with -o")
        return Run.open(request.out)
    if launched():
        require_named(request.out)
    if request.out is not None and is_first_process():
        require_free(request.out)
    return None


def _continued(begun: Config, options: Layer) -> Config:
    """The configuration a run began with, under the options given now; what the weights hang on must stay."""
    config = Config.of(begun.model_dump(), options)
    for key in KEPT_ON_RESUME:
        if getattr(config, key) != getattr(begun, key):
            raise ConfigError(f"{key}: cannot change with --resume; begin a new run")
    return resolve(config)
