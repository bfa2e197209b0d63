"""A run for other runtimes: an ONNX file or a program of torch.export, with what is needed to use it beside it.

Axes: B images, N branches, C channels, H rows, W columns; pixels in [-1, 1].
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from acdm.core.config import TAUGHT
from acdm.core.extras import extra
from acdm.core.files import write_bytes, write_json
from acdm.errors import ConfigError
from acdm.maps.backbone import Backbone
from acdm.maps.decomposer import Decomposer
from acdm.maps.kinds import KINDS
from acdm.maps.segmenter import MULTIPLE, Segmenter
from acdm.method.branches import Branches
from acdm.method.compose import sparsest
from acdm.method.findings import FindingBranches, OneFinding
from acdm.method.inference import network_maps, of_all_views

Kind = Literal["onnx", "torch"]

OPSET = 18
INPUTS = {"x": "float32 (B, C, H, W), pixels in [-1, 1]", "y": "int64 (B,), index of the class"}
INPUTS_OF_FINDINGS = {
    "x": INPUTS["x"],
    "states": "int64 (B, K), 1 where the image has a finding, else 0; in the order of `findings`",
}
OUTPUTS = {
    "psi": "float32 (B, N, C, H, W), branches under the image's class; psi[:, 0] is the paper's map",
    "psi_other": "float32 (B, N, C, H, W), branches under the other class",
    "residual": "float32 (B, C, H, W), x less its reconstruction under the negative class; evidence is not exported",
}
OBJECT = "float32 (B, 1, H, W), probability of the object"
SIDE = 4 * MULTIPLE  # px of the images that the segmenter is traced with
MAX_SIDE = 4096  # px; the largest rows and columns that the exported program promises to take


class Portable(nn.Module):
    """An image and its class in, branches under both classes and the residual out, as `Decomposer` computes them."""

    def __init__(self, branches: Branches, mirrors: tuple[tuple[int, ...], ...], classes: int) -> None:
        super().__init__()
        self.branches = branches.float()
        self.mirrors = mirrors
        self.classes = classes

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, C, H, W), y (B,) -> psi and psi_other (B, N, C, H, W), residual (B, C, H, W)."""
        other = (y + 1) % self.classes
        return self._drawn(x, y, [self._branches_of(x.flip(axes), y, other) for axes in self.mirrors])

    def _branches_of(self, x: Tensor, y: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Branches under both classes, (B, N, C, H, W) each."""
        features = self.branches.encoder(x)
        n, c = self.branches.branches, self.branches.channels
        own, swapped = (
            self.branches.decoder(features, self.branches.mapping(k)).unflatten(1, (n, c)) for k in (y, other)
        )
        return own, swapped

    def _drawn(self, x: Tensor, y: Tensor, views: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
        """What comes out, from the branches of every view."""
        seen = [torch.stack(sparsest(*both)).flip(axes) for both, axes in zip(views, self.mirrors, strict=True)]
        psi, psi_other = of_all_views(y, seen)
        return psi, psi_other, network_maps(x, y, psi, psi_other)["residual"]


class PortableFinding(Portable):
    """One of several findings: an image and the states of all of them in, the same out as of `Portable`."""

    def __init__(self, view: OneFinding, mirrors: tuple[tuple[int, ...], ...]) -> None:
        super().__init__(view.shared, mirrors, 2)
        self.k = int(view.k)

    def forward(self, x: Tensor, states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, C, H, W), states (B, K) -> as `Portable.forward`."""
        shared = self.branches
        assert isinstance(shared, FindingBranches)
        views = [list(shared.under_each(x.flip(axes), states))[self.k] for axes in self.mirrors]
        return self._drawn(x, states[:, self.k], views)


class PortableSegmenter(nn.Module):
    """An image in, the probability of the object out, as `Decomposer.objects` computes it, features included."""

    def __init__(self, segmenter: Segmenter, mirrors: tuple[tuple[int, ...], ...]) -> None:
        super().__init__()
        self.network, self.features, self.mirrors = segmenter.network, segmenter.features, mirrors

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, H, W) -> (B, 1, H, W)."""
        views = torch.cat([x.flip(axes) for axes in self.mirrors])
        logits: Tensor = self.network(views, self.features(views) if self.features else [])
        drawn = zip(logits.sigmoid().unflatten(0, (len(self.mirrors), -1)), self.mirrors, strict=True)
        return torch.stack([seen.flip(axes) for seen, axes in drawn]).mean(dim=0)


def export(decomposer: Decomposer, folder: Path, kind: Kind) -> Path:
    """Write `model.onnx` or `model.pt2`, and `model.json` with names, classes and sizes; returns the model's path.

    Where the run has a segmenter, `object.onnx` or `object.pt2` is written, too.  Batch, height and width are free;
    height and width must be multiples of `multiple` in model.json, and of `object_multiple` for the segmenter.  The
    model of one of several findings takes the states of all.

    Raises:
        ConfigError: when the segmenter sees features of a file.
        DataError: when the onnx extra is missing.
        WriteError: when the disk refuses.
    """
    size, multiple = decomposer.size, decomposer.branches.multiple
    if decomposer.segmenter and isinstance(decomposer.segmenter.features, Backbone):
        raise ConfigError(
            "export: the segmenter's features are a file of your own, which cannot be written into another"
        )
    decomposer = _on_cpu(decomposer)
    x = torch.zeros(2, decomposer.branches.channels, size, size)
    batch = torch.export.Dim("batch", min=1, max=1024)
    model, known = _portable(decomposer)
    given = {"x": x, **known}
    shapes = {"x": {0: batch, **_sides(multiple)}, **{key: {0: batch} for key in known}}
    content = _program(model.eval().requires_grad_(False), given, shapes, list(OUTPUTS), kind)
    alone = None
    if decomposer.segmenter:
        portable = PortableSegmenter(decomposer.segmenter, decomposer.mirrors).eval().requires_grad_(False)
        alone = _program(
            portable,
            {"x": torch.zeros(2, x.shape[1], SIDE, SIDE)},
            {"x": {0: batch, **_sides(MULTIPLE)}},
            [TAUGHT],
            kind,
        )
    ending = {"onnx": "onnx", "torch": "pt2"}[kind]
    write_json(folder / "model.json", about(decomposer))
    if alone:
        write_bytes(folder / f"{TAUGHT}.{ending}", alone)
    else:
        (folder / f"{TAUGHT}.{ending}").unlink(missing_ok=True)  # of an export before
    path = folder / f"model.{ending}"
    write_bytes(path, content)
    return path


def _on_cpu(decomposer: Decomposer) -> Decomposer:
    """The same with copies of its networks on the CPU, where they are elsewhere."""
    if next(decomposer.branches.parameters()).device.type == "cpu":
        return decomposer
    segmenter = decomposer.segmenter
    if segmenter:
        features = segmenter.features and deepcopy(segmenter.features).cpu()
        segmenter = replace(segmenter, network=deepcopy(segmenter.network).cpu(), features=features)
    return replace(decomposer, branches=deepcopy(decomposer.branches).cpu(), segmenter=segmenter)


def _portable(decomposer: Decomposer) -> tuple[Portable, dict[str, Tensor]]:
    """The networks, and what they are told of two images: their classes, or the states of all findings."""
    view = decomposer.branches
    if isinstance(view, OneFinding):
        return PortableFinding(view, decomposer.mirrors), {"states": torch.eye(2, view.shared.findings).long()}
    return Portable(view, decomposer.mirrors, len(decomposer.classes)), {"y": torch.tensor([0, 1])}


def _sides(multiple: int) -> dict[int, Any]:
    """Rows and columns (axes 2 and 3) of any multiple."""
    largest = MAX_SIDE // multiple
    return {
        axis: multiple * torch.export.Dim(f"{name}_blocks", min=2, max=largest) for axis, name in ((2, "h"), (3, "w"))
    }


def _program(
    model: nn.Module, inputs: dict[str, Tensor], shapes: dict[str, Any], outputs: list[str], kind: Kind
) -> bytes:
    """A network as the content of a file, with names for what goes in and comes out; `shapes` are those that vary."""
    with quiet():
        program = torch.export.export(model, tuple(inputs.values()), dynamic_shapes=shapes)
        return _onnx(program, list(inputs), outputs) if kind == "onnx" else _pt2(program)


def about(decomposer: Decomposer) -> dict[str, Any]:
    """model.json: what a user of the exported file has to know."""
    return {
        "format": 1,
        "inputs": INPUTS_OF_FINDINGS if decomposer.findings else INPUTS,
        "outputs": OUTPUTS,
        **({"findings": list(decomposer.findings)} if decomposer.findings else {}),
        **({TAUGHT: OBJECT, f"{TAUGHT}_multiple": MULTIPLE} if decomposer.segmenter else {}),
        "classes": list(decomposer.classes),
        "channels": decomposer.branches.channels,
        "branches": decomposer.branches.branches,
        "size": decomposer.size,
        "multiple": decomposer.branches.multiple,
        "range": decomposer.reading.range,
        "calibration": {name: vars(known) for name, known in decomposer.calibration.items() if KINDS[name].exported},
        "checksum": decomposer.origin,
    }


@contextmanager
def quiet() -> Iterator[None]:
    """Hide the exporters' remarks on packages and deprecations, which are none of the user's business."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _onnx(program: torch.export.ExportedProgram, inputs: list[str], outputs: list[str]) -> bytes:
    for module in ("onnx", "onnxscript"):
        extra(module, "onnx", "writing ONNX")
    made = torch.onnx.export(
        program, input_names=inputs, output_names=outputs, opset_version=OPSET, dynamo=True, verbose=False
    )
    assert made is not None
    return made.model_proto.SerializeToString()


def _pt2(program: torch.export.ExportedProgram) -> bytes:
    buffer = BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()
