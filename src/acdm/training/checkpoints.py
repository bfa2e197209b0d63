"""Saving and loading all that training changes: safetensors and JSON, never a pickle.

Batches and alphas are functions of the seed and the step (`acdm.data.batches`), so there is no random state to keep.
"""

import hashlib
import json
import re
import struct
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from acdm.core.files import parse_json, write_bytes
from acdm.errors import CheckpointError, DivergedError
from acdm.method.step import Players
from acdm.training.choice import Choice

KEEP = 2
MODULE = "module."  # before the names of what is averaged
_NAME = re.compile(r"step-(\d+)\.safetensors")


def save_players(folder: Path, players: Players, step: int) -> Path:
    """Write `step-<n>.safetensors` and drop all but the newest two."""
    path = folder / f"step-{step}.safetensors"
    write_tensors(path, _tensors(players), {"kind": "training", "step": step})
    for old in checkpoints(folder)[:-KEEP]:
        old.unlink(missing_ok=True)
    return path


def save_chosen(path: Path, players: Players, step: int, choice: Choice) -> None:
    """The averaged branches alone, which draw the maps, and what they were chosen by."""
    tensors = {name.removeprefix(MODULE): t for name, t in players.average.state_dict().items() if MODULE in name}
    write_tensors(path, tensors, {"kind": "chosen", "step": step, "choice": vars(choice)})


def load_choice(path: Path) -> tuple[int, Choice]:
    """The step that `save_chosen` wrote, and what has been seen until then; 0 and nothing where there is no such file.

    Raises:
        CheckpointError: when the file is damaged.
    """
    if not path.is_file():
        return 0, Choice()
    about = read_tensors(path, "chosen")[1]
    return int(about["step"]), Choice(**about["choice"])


def insist_finite(players: Players, step: int) -> None:
    """Raises DivergedError when a weight or a moment is not finite: such a state is never saved."""
    for name, tensor in _tensors(players).items():
        if not torch.isfinite(tensor).all():
            raise DivergedError(f"'{name}' is not finite after step {step}")


def load_players(path: Path, players: Players) -> int:
    """Put a saved state into fresh players; returns the step it was saved after.

    Raises:
        CheckpointError: when the file is damaged or belongs to other networks.
    """
    tensors, about = read_tensors(path, "training")
    for prefix, module in _modules(players).items():
        load_module(module, _below(tensors, prefix), path)
    for prefix, optimiser in _optimisers(players).items():
        _load_optimiser(optimiser, _below(tensors, prefix), path)
    return int(about["step"])


def checkpoints(folder: Path) -> list[Path]:
    """All checkpoints of a folder, oldest first."""
    found = [(int(match[1]), p) for p in folder.glob("step-*.safetensors") if (match := _NAME.fullmatch(p.name))]
    return [path for _, path in sorted(found)]


def newest(folder: Path) -> tuple[Path, list[str]]:
    """The newest checkpoint that verifies, and a sentence about each newer one that does not.

    Raises:
        CheckpointError: when none does.
    """
    complaints: list[str] = []
    for path in reversed(checkpoints(folder)):
        try:
            read_tensors(path, "training")
        except CheckpointError as error:
            complaints.append(str(error))
        else:
            return path, complaints
    raise CheckpointError("; ".join(complaints) or f"{folder}: holds no checkpoint; the training did not get that far")


def write_tensors(path: Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    """A safetensors file whose metadata is JSON with a checksum over everything."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    about = {"format": 1, **about}
    text = json.dumps({**about, "sha256": checksum(plain, about)}, sort_keys=True)
    write_bytes(path, save(plain, metadata={"acdm": text}))


def read_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and metadata of a file that `write_tensors` wrote.

    Raises:
        CheckpointError: for anything else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = parse_json((file.metadata() or {})["acdm"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        expected = about.pop("sha256")
        sound = expected == checksum(tensors, about) and about["kind"] == kind
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, AttributeError, struct.error) as error:
        raise CheckpointError(f"{path}: not an acdm checkpoint, or damaged ({error})") from None
    if not sound:
        raise CheckpointError(f"{path}: checksum or kind does not match; the file is damaged")
    return tensors, about


def load_module(module: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    try:
        module.load_state_dict(tensors)
    except RuntimeError:
        raise CheckpointError(f"{path}: does not fit the networks of config.yaml beside it") from None


def _modules(players: Players) -> dict[str, nn.Module]:
    return {"branches.": players.branches, "discriminator.": players.discriminator, "average.": players.average}


def _optimisers(players: Players) -> dict[str, Optimizer]:
    return {"generator_optimiser.": players.generator_optimiser, "critic_optimiser.": players.critic_optimiser}


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


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def checksum(tensors: dict[str, Tensor], about: dict[str, Any]) -> str:
    """SHA-256 of names, types, shapes and values, and of what is said about them."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
