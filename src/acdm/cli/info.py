"""What a run is, in a few lines, without loading its networks."""

from typing import Any

from acdm.core.run import Run
from acdm.core.tensors import newest, read_tensors
from acdm.errors import CheckpointError
from acdm.maps.calibration import load_calibration
from acdm.training.checkpoints import load_choice


def about(run: Run) -> dict[str, Any]:
    """Data, settings, size, progress and first figures of a run.

    Raises:
        RunError: when data.json or env.json is missing or damaged.
    """
    config, data, env = run.config(), run.read_json("data.json"), run.read_json("env.json")
    try:
        path, complaints = newest(run.checkpoints)
        tensors, saved = read_tensors(path, "training")
    except CheckpointError as error:
        path, complaints, tensors, saved = None, [str(error)], {}, {"step": 0}
    sizes = {
        name: sum(t.numel() for key, t in tensors.items() if key.startswith(prefix))
        for name, prefix in (("generators", "branches."), ("discriminator", "discriminator."))
    }
    results = run.read_json("results.json") if run.results.is_file() else None
    return {
        "run": run.path.name,
        "classes": data["classes"],
        "positive": data["positive"],
        "images": data["n"],
        "channels": data["channels"],
        "size": config.size,
        "branches": config.network.branches,
        "parameters": sizes,
        "step": saved["step"],
        "of": config.steps,
        "checkpoint": path.name if path else None,
        "maps_of_step": _maps_of_step(run, int(saved["step"])),
        "complaints": complaints,
        "ready": run.judge.is_file() and bool(load_calibration(run)),
        "seed": config.seed,
        "command": env["command"],
        "versions": env["versions"],
        "figures": None if results is None else _figures(results),
    }


def _maps_of_step(run: Run, newest_step: int) -> int:
    """Of the networks that draw the maps."""
    try:
        return load_choice(run.chosen)[0] or newest_step
    except CheckpointError:
        return newest_step


def _figures(results: dict[str, Any]) -> dict[str, Any]:
    maps = results["maps"]
    return {
        "split": results["split"],
        "psnr": results["reconstruction"]["psnr_mean"],
        "swap_accuracy": results["classes"]["swap_accuracy"],
        "auprc": {name: figures["auprc"] for name, figures in maps.items()},
        "trivial": results["trivial"],
    }
