"""From what a user typed to a training: which data, which configuration, which folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acdm.config import PRESETS, Config, build
from acdm.data.dataset import Dataset
from acdm.data.folder import load_dataset
from acdm.device import automatic_device
from acdm.errors import ConfigError
from acdm.fit import Watcher, automatic_size, fit, resolve
from acdm.run import Run, insist_free, next_folder


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
    if not 1 <= len(folders) <= 2:
        raise ConfigError(f"give one data folder or two class folders, got {len(folders)}")
    seed = build("tiny", {key: options[key] for key in ("seed", "size") if key in options}).seed
    if preset is not None and preset not in PRESETS:
        raise ConfigError(f"preset: no '{preset}'; there are {', '.join(PRESETS)}")
    if resume:
        if out is None:
            raise ConfigError("--resume: name the run folder with -o")
        begun = Run.open(out)
        seed, positive = begun.config().seed, begun.read_json("data.json")["positive"]
    elif out is not None:
        insist_free(out)
    dataset = load_dataset(folders, positive, seed)
    path = out or next_folder(dataset.root.resolve().name)
    counts = " · ".join(f"{name} {sum(i.label == name for i in dataset.train)}" for name in dataset.classes)
    watcher.say(f"training images: {counts}; the class with the object is '{dataset.positive}'")
    if dataset.ignored:
        watcher.say(f"ignored under test/: {', '.join(dataset.ignored)}")
    config = _again(Run.open(path).config(), options) if resume else _choose(dataset, preset, options)
    watcher.say(f"results → {path}")
    return fit(dataset, config, path, command, resume, watcher)


def _choose(dataset: Dataset, preset: str | None, options: dict[str, Any]) -> Config:
    """A configuration with every "auto" decided."""
    if preset is None:
        wanted = int(options.get("size") or automatic_size(dataset, automatic_device() == "cuda"))
        preset = min(PRESETS, key=lambda name: abs(PRESETS[name]["size"] - wanted))
    return resolve(build(preset, options))


def _again(begun: Config, options: dict[str, Any]) -> Config:
    """The configuration a run began with, under the options given now; what the weights hang on must stay."""
    config = build("tiny", begun.model_dump(), options)
    for key in ("size", "batch", "seed", "network"):
        if getattr(config, key) != getattr(begun, key):
            raise ConfigError(f"{key}: cannot change with --resume; begin a new run")
    return resolve(config)
