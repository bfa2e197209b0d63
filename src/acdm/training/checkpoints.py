"""Saving and loading all that training changes: safetensors and JSON, never a pickle.

Batches and alphas are functions of the seed and the step (`acdm.data.batches`), so there is no random state to keep.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from acdm.core.tensors import MODULE, Checkpoint, checkpoints, load_module, read_tensors, write_tensors
from acdm.errors import CheckpointError, DivergedError
from acdm.method.players import Players
from acdm.training.validation import Choice

KEEP = 2  # checkpoints of a run
RENAMED_PREFIXES = {"discriminator_optimiser.": "critic_optimiser."}  # names in checkpoints of earlier versions


def save_players(folder: Path, players: Players, step: int, run: str = "") -> Path:
    """Write `step-<n>.safetensors` of the run with this id, and drop all but the newest two."""
    path = folder / f"step-{step}.safetensors"
    write_tensors(path, _tensors(players), _about("training", step, run))
    for old in checkpoints(folder)[:-KEEP]:
        old.unlink(missing_ok=True)
    return path


def disk_use(players: Players) -> int:
    """Bytes that the files of a training take at the most: its checkpoints, one of them half written, and the chosen
    networks.
    """
    branches, discriminator = (
        sum(tensor.nbytes for tensor in module.state_dict().values())
        for module in (players.branches, players.discriminator)
    )
    checkpoint = 4 * branches + 3 * discriminator  # weights and Adam's two moments of both, and the average
    return (KEEP + 1) * checkpoint + branches


def save_chosen(path: Path, players: Players, step: int, choice: Choice, run: str = "") -> None:
    """Write the averaged branches alone, which draw the maps, and what they were chosen by."""
    tensors = {name.removeprefix(MODULE): t for name, t in players.average.state_dict().items() if MODULE in name}
    write_tensors(path, tensors, {**_about("chosen", step, run), "choice": vars(choice)})


def _about(kind: str, step: int, run: str) -> dict[str, str | int]:
    return {"kind": kind, "step": step, **({"run": run} if run else {})}


def load_choice(path: Path, run: str = "") -> tuple[int, Choice]:
    """Read the step that `save_chosen` wrote and what had been seen until then; 0 and nothing without such a file.

    Earlier versions weighed looks otherwise: of theirs, every later look is better.

    Raises:
        CheckpointError: when the file is damaged.
    """
    if not path.is_file():
        return 0, Choice()
    about = read_tensors(path, "chosen", run)[1]
    try:
        seen = about["choice"]
        return int(about["step"]), Choice(**seen) if "worth" in seen else Choice(taken=float(seen["taken"]))
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(f"{path}: says nothing of how its networks were chosen; the file is damaged") from None


def require_finite(players: Players, step: int) -> None:
    """Raise DivergedError when a weight or a moment is not finite: such a state is never saved."""
    for name, tensor in _tensors(players).items():
        if not torch.isfinite(tensor).all():
            raise DivergedError(f"'{name}' is not finite after step {step}")


def load_players(checkpoint: Checkpoint, players: Players) -> int:
    """Put a saved state into fresh players; returns the step it was saved after.

    Raises:
        CheckpointError: when the state belongs to other networks.
    """
    for prefix, module in _modules(players).items():
        load_module(module, checkpoint.below(prefix), checkpoint.path)
    for prefix, optimiser in _optimisers(players).items():
        saved = checkpoint.below(prefix) or checkpoint.below(RENAMED_PREFIXES.get(prefix, prefix))
        _load_optimiser(optimiser, saved, checkpoint.path)
    return checkpoint.step


def _modules(players: Players) -> dict[str, nn.Module]:
    return {"branches.": players.branches, "discriminator.": players.discriminator, "average.": players.average}


def _optimisers(players: Players) -> dict[str, Optimizer]:
    return {
        "generator_optimiser.": players.generator_optimiser,
        "discriminator_optimiser.": players.discriminator_optimiser,
    }


def _tensors(players: Players) -> dict[str, Tensor]:
    tensors = {
        prefix + name: value
        for prefix, module in _modules(players).items()
        for name, value in module.state_dict().items()
    }
    for prefix, optimiser in _optimisers(players).items():
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"{prefix}{index}.{key}": torch.as_tensor(value) for key, value in state.items()}
    return tensors


def _load_optimiser(optimiser: Optimizer, tensors: dict[str, Tensor], path: Path) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    try:
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
        for parameter, moments in optimiser.state.items():
            for key in ("exp_avg", "exp_avg_sq"):  # fused Adam pairs values by their place in memory
                moments[key] = torch.empty_like(parameter).copy_(moments[key])
    except (ValueError, KeyError, RuntimeError):
        raise CheckpointError(f"{path}: does not fit the optimisers of config.yaml beside it") from None
