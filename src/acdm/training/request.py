"""From what a user typed to a training: which data, which configuration, which folder."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from acdm.core.config import PRESETS, Config, build
from acdm.core.processes import leads
from acdm.core.run import Run, insist_free, next_folder
from acdm.data.folder import load_dataset
from acdm.errors import ConfigError
from acdm.training.defaults import choose, resolve
from acdm.training.launch import insist_named, launched
from acdm.training.progress import Watcher
from acdm.training.train import fit


def start(
    folders: Sequence[Path],
    out: Path | None,
    preset: str | None,
    options: dict[str, Any],
    command: str,
    *,
    positive: str | None = None,
    resume: bool = False,
    watcher: Watcher | None = None,
) -> Run:
    """Check everything that can be checked before the first step, then train.

    Args:
        folders: one data folder or CSV, or two class folders.
        out: run folder, or None for a new one under runs/.
        preset: a name, or None for the one whose size is nearest to half of the images'.
        options: nested, as in config.yaml.
        command: for the record.
        positive: the class with the object, or None.
        resume: go on with `out`.
        watcher: of progress.
    """
    watcher = watcher or Watcher()
    seed = build("tiny", {key: options[key] for key in ("seed", "size") if key in options}).seed
    if preset is not None and preset not in PRESETS:
        raise ConfigError(f"preset: no '{preset}'; there are {', '.join(PRESETS)}")
    if resume:
        if out is None:
            raise ConfigError("--resume: name the run folder with -o")
        begun = Run.open(out)
        seed, positive = begun.config().seed, begun.read_json("data.json")["positive"]
    elif launched():
        insist_named(out)
    if not resume and out is not None and leads():
        insist_free(out)
    dataset = load_dataset(folders, positive, seed)
    path = out or next_folder(dataset.root.resolve().name)
    counts = " · ".join(f"{name} {sum(i.label == name for i in dataset.train)}" for name in dataset.classes)
    watcher.say(f"training images: {counts}; the class with the object is '{dataset.positive}'")
    if dataset.ignored:
        watcher.say(f"ignored under test/: {', '.join(dataset.ignored)}")
    if resume:
        config = _again(Run.open(path).config(), options)
        dataset = replace(dataset, reading=config.images)
    else:
        dataset, config = choose(dataset, preset, options)
        if ranges := config.images.range:
            said = ", ".join(f"{low:g} to {high:g}" for low, high in ranges)
            watcher.say(f"values of {said} become -1 to 1, here and wherever this run is used")
    watcher.say(f"results → {path}")
    return fit(dataset, config, path, command, resume, watcher)


def _again(begun: Config, options: dict[str, Any]) -> Config:
    """The configuration a run began with, under the options given now; what the weights hang on must stay."""
    config = build("tiny", begun.model_dump(), options)
    for key in ("size", "batch", "seed", "network", "images"):
        if getattr(config, key) != getattr(begun, key):
            raise ConfigError(f"{key}: cannot change with --resume; begin a new run")
    return resolve(config)
