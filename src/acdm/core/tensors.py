"""Tensors as files: safetensors with JSON about them and a checksum over both, never a pickle."""

import hashlib
import json
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from acdm.core.files import parse_json, write_bytes
from acdm.errors import CheckpointError

MODULE = "module."  # stands before the names of averaged weights
AVERAGE = f"average.{MODULE}"  # stands before them in a checkpoint
_NAME = re.compile(r"step-(\d+)\.safetensors")


def checkpoints(folder: Path) -> list[Path]:
    """All checkpoints of a folder, oldest first."""
    found = [(int(match[1]), p) for p in folder.glob("step-*.safetensors") if (match := _NAME.fullmatch(p.name))]
    return [path for _, path in sorted(found)]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read and verified.

    Attributes:
        path: where it is.
        tensors: by name.
        about: what was written down with them, such as the step.
        complaints: a sentence about each newer checkpoint that does not verify.
    """

    path: Path
    tensors: dict[str, Tensor]
    about: dict[str, Any]
    complaints: tuple[str, ...] = ()

    @property
    def step(self) -> int:
        """Steps that were done when it was written."""
        return int(self.about["step"])

    def below(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with `prefix`, without it."""
        return {name.removeprefix(prefix): t for name, t in self.tensors.items() if name.startswith(prefix)}


def newest_checkpoint(folder: Path, run: str = "") -> Checkpoint:
    """Read the newest training checkpoint of a folder that verifies and is of the run with this id (`Run.id`).

    Raises:
        CheckpointError: when none does.
    """
    complaints: list[str] = []
    for path in reversed(checkpoints(folder)):
        try:
            tensors, about = read_tensors(path, "training", run)
        except CheckpointError as error:
            complaints.append(str(error))
        else:
            return Checkpoint(path, tensors, about, tuple(complaints))
    raise CheckpointError("; ".join(complaints) or f"{folder}: holds no checkpoint; the training did not get that far")


def write_tensors(path: Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    """Write a safetensors file whose metadata is JSON with a checksum over everything."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    about = {"format": 1, **about}
    text = json.dumps({**about, "sha256": checksum(plain, about)}, sort_keys=True)
    write_bytes(path, save(plain, metadata={"acdm": text}))


def read_tensors(path: Path, kind: str, run: str = "") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and metadata of a file that `write_tensors` wrote.

    Args:
        path: of the file.
        kind: what the file says it is: "training", "chosen" or "judge".
        run: id of the run that it belongs to; "" takes any.

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
    if run and about.get("run", run) != run:
        raise CheckpointError(f"{path}: is of another run")
    return tensors, about


def load_module(module: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Put tensors of the file `path` into a module; raises CheckpointError where they do not fit."""
    try:
        module.load_state_dict(tensors, assign=any(p.is_meta for p in module.parameters()))
    except RuntimeError:
        raise CheckpointError(f"{path}: does not fit the networks of config.yaml beside it") from None


def checksum(tensors: dict[str, Tensor], about: dict[str, Any]) -> str:
    """SHA-256 of names, types, shapes and values, and of what is said about them."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
