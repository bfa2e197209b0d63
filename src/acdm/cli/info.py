"""What a run is, in a few lines, without loading its networks."""

from pathlib import Path
from statistics import mode
from typing import Any

from acdm.core.results import MeanFigures
from acdm.core.run import BEGINNING, FINDINGS, Run
from acdm.core.tables import number
from acdm.core.tensors import Checkpoint, newest_checkpoint
from acdm.errors import AcdmError, CheckpointError
from acdm.maps.calibration import load_calibration
from acdm.training.checkpoints import load_choice

PLAYERS = {"generators": "branches.", "discriminator": "discriminator."}  # and how their weights' names begin


def about(run: Run) -> dict[str, Any]:
    """Data, settings, size, progress and first figures of a run.

    Raises:
        RunError: when data.json or env.json is missing or damaged.
    """
    config, data, env = run.config(), run.read_data(), run.read_environment()
    try:
        checkpoint = newest_checkpoint(run.networks.checkpoints, run.id)
        complaints = list(checkpoint.complaints)
    except CheckpointError as error:
        checkpoint, complaints = None, [str(error)]
    step = checkpoint.step if checkpoint else 0
    return {
        "run": run.path.name,
        "classes": list(data.classes),
        **({"findings": list(data.findings)} if data.findings else {}),
        "positive": data.positive,
        "images": data.n,
        "channels": data.channels,
        "size": config.size,
        "branches": config.all_branches(len(run.networks.findings())),
        "parameters": {name: _parameters(checkpoint, prefix) for name, prefix in PLAYERS.items()},
        "step": step,
        "of": config.steps,
        "checkpoint": checkpoint.path.name if checkpoint else None,
        "maps_of_step": _maps_of_step(run, step),
        "complaints": complaints,
        "ready": all(one.judge.is_file() and bool(load_calibration(one)) for one in _measured(run)),
        "seed": config.seed,
        "command": env.command,
        "versions": env.versions,
        "figures": _figures(run) if run.results.is_file() else None,
    }


def found_runs(folder: Path) -> list[Run]:
    """Every run in a folder and in the folders within it but beginnings of others, the one written to last first."""
    paths = [config.parent for config in folder.rglob("config.yaml")] if folder.is_dir() else []
    paths = [path for path in paths if path.name != BEGINNING or not Run(path.parent).begun]
    return [Run(path) for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)]


def line_of(run: Run, below: Path) -> dict[str, str]:
    """What a list says of a run: its figures where it has any, else how far it is."""
    name = run.path.relative_to(below).as_posix()
    line = {
        "run": "." if name == "." else name,
        "steps": "",
        "map": "",
        "AUPRC": "",
        "Dice": "",
        "swap": "",
        "PSNR dB": "",
    }
    try:
        if run.results.is_file() and run.findings():
            return {**line, **_line_of_findings(run)}
        results = run.read_results() if run.results.is_file() else None
        if results is None:
            rows = run.metric_rows()
            at = f"{rows[-1]['step']} of {run.config().steps or '?'}" if rows else "begun"
            return {**line, "steps": at, "map": "not evaluated"}
    except AcdmError as error:
        return {**line, "map": str(error)}
    shown, figures = results.default_map, results.maps[results.default_map]
    return {
        **line,
        "steps": str(results.step or "–"),
        "map": shown,
        "AUPRC": number(figures.auprc),
        "Dice": number(figures.dice),
        "swap": number(results.classes.swap_accuracy, 2),
        "PSNR dB": number(results.reconstruction.psnr_mean, 1),
    }


def _line_of_findings(run: Run) -> dict[str, str]:
    """Give the mean over several findings, of the map that most of them take."""
    results = run.read_finding_results()
    shown = mode(found.default_map for found in results.labels.values())
    mean = results.mean.get(shown, MeanFigures())
    steps = {found.step for found in results.labels.values()}
    return {
        "steps": str(max(step or 0 for step in steps) or "–"),
        "map": f"{shown}, mean of {len(results.labels)}",
        "AUPRC": number(mean.auprc),
        "Dice": number(mean.dice),
    }


def _measured(run: Run) -> list[Run]:
    """The runs that maps are drawn by: itself, or that of each finding."""
    names = run.findings()
    return [Run(run.path / FINDINGS / name) for name in names] or [run]


def _parameters(checkpoint: Checkpoint | None, prefix: str) -> int:
    return sum(tensor.numel() for tensor in checkpoint.below(prefix).values()) if checkpoint else 0


def _maps_of_step(run: Run, newest_step: int) -> int:
    """The step whose networks draw the maps."""
    try:
        return load_choice(run.chosen, run.id)[0] or newest_step
    except CheckpointError:
        return newest_step


def _figures(run: Run) -> dict[str, Any]:
    if run.findings():
        of_all = run.read_finding_results()
        return {"split": of_all.split, "mean": {name: mean.model_dump() for name, mean in of_all.mean.items()}}
    results = run.read_results()
    return {
        "split": results.split,
        "psnr": results.reconstruction.psnr_mean,
        "swap_accuracy": results.classes.swap_accuracy,
        "auprc": {name: figures.auprc for name, figures in results.maps.items()},
        "trivial": results.trivial,
    }
