"""Frozen features of the user's own, in place of those of photographs: a TorchScript or ONNX file (`--features PATH`).

The file takes images (B, 3, 224, 224), scaled as ImageNet's, and gives four levels of features (B, D, h, w), the finest
first, of strides 2, 4, 8 and 16 or near.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from acdm.core.extras import extra
from acdm.errors import ConfigError
from acdm.maps.features import SIDE, Features, Origin, as_photographs

LEVELS = 4
WANTED = f"expected {LEVELS} levels of features (B, D, h, w) of images (B, 3, {SIDE}, {SIDE})"

See = Callable[[Tensor], list[Tensor]]
"""Images (B, 3, SIDE, SIDE) to levels of features."""


class Backbone(nn.Module):
    """Features of a file.

    Attributes:
        origin: the file's name without its folder, and its checksum.
        channels: D of each level.
    """

    def __init__(self, origin: Origin, see: See, network: nn.Module | None) -> None:
        super().__init__()
        self.origin = origin
        self.network = network  # so that it moves to a device with this module; None where another library computes
        self.see = see
        self.register_buffer("place", torch.zeros(()), persistent=False)
        several = torch.zeros(2, 3, SIDE, SIDE)  # a file may take one image alone
        with torch.no_grad():
            self.channels = tuple(level.shape[1] for level in self(several))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of images (B, C, H, W) in [-1, 1]; other than three channels enter as their mean, three times."""
        levels = self.see(as_photographs(x))
        if not isinstance(levels, (list, tuple)) or len(levels) != LEVELS or any(level.ndim != 4 for level in levels):
            raise ConfigError(f"--features {self.origin.name}: {WANTED}")
        return [level.float() for level in levels]


AnyFeatures = Features | Backbone


def load_backbone(path: Path) -> Backbone:
    """Read a backbone; nothing of it but its name and checksum is kept with a run.

    Raises:
        ConfigError: when the file cannot be read, or gives something else than features.
        DataError: when it is an ONNX file and the onnx extra is missing.
    """
    if not path.is_file():
        raise ConfigError(f"--features {path}: no such file; give auto, off, or the path of a TorchScript or ONNX file")
    origin = Origin(path.name, "", hashlib.sha256(path.read_bytes()).hexdigest())
    is_onnx = path.suffix.lower() == ".onnx"
    try:
        see, network = _onnx(path) if is_onnx else _torchscript(path)
        return Backbone(origin, see, network).requires_grad_(False).eval()
    except (RuntimeError, ValueError, AttributeError, TypeError) as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        kind = "an ONNX" if is_onnx else "a TorchScript"
        raise ConfigError(f"--features {path}: is not {kind} file that takes images ({first}); {WANTED}") from None


def _torchscript(path: Path) -> tuple[See, nn.Module]:
    network: Any = torch.jit.load(str(path), map_location="cpu").eval()
    return network, network


def _onnx(path: Path) -> tuple[See, None]:
    runtime = extra("onnxruntime", "onnx", "features of an ONNX file")
    try:
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # the library has errors of its own for every kind of damage
        raise ValueError(str(error)) from None
    name = session.get_inputs()[0].name

    def see(x: Tensor) -> list[Tensor]:
        try:
            levels = session.run(None, {name: x.cpu().numpy()})
        except Exception as error:
            raise ValueError(str(error)) from None
        return [torch.from_numpy(level).to(x.device) for level in levels]

    return see, None
