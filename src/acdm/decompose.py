"""Inference (fig. 2): an image and a class in, branches and maps out.

Axes: B images, N branches, C channels, H rows, W columns; pixels in [-1, 1].
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from acdm.calibration import Calibration, load_calibration
from acdm.compose import compose, distinction
from acdm.config import MAPS, Config, Reading
from acdm.device import autocast, automatic_device, channels_last, flush_denormals
from acdm.errors import DataError, RunError
from acdm.images.frame import Frame
from acdm.images.grid import Grid
from acdm.images.raw import Array, Mask
from acdm.images.read import AS_IS, Picture, read_picture
from acdm.judge import Judge, load_judge
from acdm.model.branches import Branches
from acdm.run import Run
from acdm.training.state import load_module, newest, read_tensors

CHUNK = 32 * 64**2  # pixels of images and mirror images that the networks see at once; at least one image


@dataclass(frozen=True)
class Decomposition:
    """One image, taken apart under its own class and under another one.

    Attributes:
        image: (C, H, W) in [-1, 1], as the network saw it, on the image's own grid.
        psi: (N, C, H, W), branches under the own class.
        psi_other: (N, C, H, W), under the other class.
        left: (C, H, W), the residual.
        label, other: names of the two classes.
        positive: whether the own class is the one with the object.
        calibration: of each map; empty where the run has none yet.
        valid: (H, W), false where the file has no data, and maps are 0; None where all pixels count.
        grid: where the pixels lie in the world, if the file says.
    """

    image: Tensor
    psi: Tensor
    psi_other: Tensor
    left: Tensor
    label: str
    other: str
    positive: bool = True
    calibration: Mapping[str, Calibration] = field(default_factory=dict)
    valid: Mask | None = None
    grid: Grid | None = None

    @property
    def psi1(self) -> Tensor:
        """The paper's map: branch 1 under the image's own class.  (C, H, W), signed."""
        return self._told("psi1", distinction(self.psi[None])[0])

    @property
    def contrast(self) -> Tensor:
        """Branch 1 under the own class less branch 1 under the other: free of what both share.  (C, H, W), signed."""
        return self._told("contrast", self.psi1 - distinction(self.psi_other[None])[0])

    @property
    def reconstruction(self) -> Tensor:
        """x_hat under the own class, (C, H, W)."""
        return compose(self.psi[None])[0]

    @property
    def counterfactual(self) -> Tensor:
        """x_hat under the other class, (C, H, W)."""
        return compose(self.psi_other[None])[0]

    @property
    def residual(self) -> Tensor:
        """image - x_hat under the negative class: what must go to leave the positive class.  (C, H, W), signed."""
        return self._told("residual", self.left)

    def maps(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in MAPS}

    def _told(self, name: str, signed: Tensor) -> Tensor:
        """The map, 0 where there is no data, with its calibration as an attribute for `acdm.segmentation`.

        Contrast of a negative image shows the object that the swap would add: there no named rule claims a pixel.
        """
        known = self.calibration.get(name)
        if known and name == "contrast" and not self.positive:
            known = known.silent()
        if self.valid is not None:
            signed = signed * torch.from_numpy(self.valid)
        signed.calibration = known  # type: ignore[attr-defined]
        return signed


@dataclass(frozen=True)
class Decomposer:
    """A trained run, ready to take images apart.

    Attributes:
        branches: the averaged networks.
        judge: the classifier trained apart, where the run has one.
        classes: names; class 1 is positive.
        size: side of the square the network sees.
        mirrors: axes of the mirror images that an image is taken apart together with; () is the image itself.
        precision: of convolutions: bf16, fp32, or auto for what this machine is fast at.
        calibration: of each map, where the run has it already.
        reading: how files become arrays, as in training.
        side: median longer side of the training images in pixels; 0 where unknown.
    """

    branches: Branches
    judge: Judge | None
    classes: tuple[str, ...]
    size: int
    mirrors: tuple[tuple[int, ...], ...] = ((),)
    precision: str = "auto"
    calibration: Mapping[str, Calibration] = field(default_factory=dict)
    reading: Reading = AS_IS
    side: int = 0

    @torch.no_grad()
    def split(self, x: Tensor, y: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Branches of a batch at network size under two classes.

        They are the mean of what the image and its mirror images say, so that a mirrored image has mirrored branches;
        they still sum up.

        Args:
            x: (B, C, S, S) in [-1, 1].
            y, other: (B,) class indices.

        Returns:
            Twice (B, N, C, S, S), in float32.
        """
        count = max(1, CHUNK // (len(self.mirrors) * x.shape[-1] * x.shape[-2]))
        parts = zip(x.split(count), y.split(count), other.split(count), strict=True)
        own, swapped = zip(*[self._split_part(*part) for part in parts], strict=True)
        return torch.cat(own), torch.cat(swapped)

    def _split_part(self, x: Tensor, y: Tensor, other: Tensor) -> tuple[Tensor, ...]:
        copies = len(self.mirrors)
        views = torch.cat([x.flip(axes) for axes in self.mirrors])
        out = []
        for psi in self._branches_of(views, y.repeat(copies), other.repeat(copies)):
            turned_back = [view.flip(axes) for view, axes in zip(psi.cpu().chunk(copies), self.mirrors, strict=True)]
            out.append(torch.stack(turned_back).mean(dim=0) if copies > 1 else turned_back[0])
        return tuple(out)

    def _branches_of(self, x: Tensor, y: Tensor, other: Tensor) -> tuple[Tensor, ...]:
        device = next(self.branches.parameters()).device
        x = channels_last(x.to(device))
        with autocast(device, self.precision):
            psi: tuple[Tensor, ...] = self.branches(x, y.to(device), other.to(device))
        return psi

    def decompose(self, image: Array | Path | str, label: str | None = None) -> Decomposition:
        """Take one image apart, at its own size.

        Args:
            image: a file, or (C, H, W) in [-1, 1].
            label: its class; None lets the judge decide.

        Raises:
            DataError: for a class that does not exist, or an image of other channels.
        """
        if isinstance(image, (str, Path)):
            return self.take_apart(read_picture(Path(image), self.reading), label, image)
        return self.take_apart(Picture(image, None, None), label)

    def take_apart(self, picture: Picture, label: str | None, name: Path | str = "image") -> Decomposition:
        """The same for an image that was read already; `name` is for messages."""
        pixels = picture.pixels
        self.insist_channels(pixels, name)
        frame = Frame.of(pixels.shape, self.size)
        square = frame.enter(torch.from_numpy(pixels))[None]  # (1, C, S, S)
        y = self.classify(square)[0] if label is None else self.index(label)
        other = (y + 1) % len(self.classes)
        psi, psi_other = (p[0] for p in self.split(square, torch.tensor([y]), torch.tensor([other])))
        negative = psi if y == 0 else psi_other
        residual = square[0] - compose(negative[None])[0]
        return Decomposition(
            frame.leave(square)[0],
            frame.leave(psi),
            frame.leave(psi_other),
            frame.leave(residual),
            self.classes[y],
            self.classes[other],
            y == 1,
            self.calibration,
            picture.valid,
            picture.grid,
        )

    def insist_channels(self, pixels: Array, name: Path | str) -> None:
        """Raises DataError, naming the image, when it has other channels than the run was trained on."""
        if len(pixels) != self.branches.channels:
            raise DataError(f"{name}: has {len(pixels)} channels, this run was trained on {self.branches.channels}")

    def insist_finished(self) -> None:
        """Raises RunError when the run was stopped before it was calibrated."""
        if not self.calibration:
            raise RunError("this run has no calibration yet; finish it with 'acdm train … --resume'")

    def classify(self, x: Tensor) -> list[int]:
        """The judge's class of each image (B, C, S, S).

        Raises:
            DataError: when the run has no judge.
        """
        if self.judge is None:
            raise DataError("this run has no judge to tell classes apart; name the class with --label")
        return [int(k) for k in self.judge.probabilities(x).argmax(dim=1)]

    def attribute(self, x: Tensor, target: int) -> Tensor:
        """Contrast of a batch at network size, the shape Captum and Quantus expect: (B, C, S, S) in and out."""
        y = torch.full((len(x),), target)
        own, other = self.split(x, y, (y + 1) % len(self.classes))
        return distinction(own) - distinction(other)

    def index(self, label: str) -> int:
        """y of a class name; DataError where there is none."""
        if label not in self.classes:
            raise DataError(f"'{label}' is no class of this run; its classes are {', '.join(self.classes)}")
        return self.classes.index(label)


def load(path: Path | str) -> Decomposer:
    """A run's averaged networks, on a GPU where there is one, and its judge.

    Raises:
        RunError, CheckpointError: when the folder or its checkpoints are not what they should be.
    """
    flush_denormals()
    run = Run.open(Path(path))
    config, data = run.config(), run.read_json("data.json")
    classes = tuple(data["classes"])
    branches = Branches(config.network, int(data["channels"]), len(classes))
    checkpoint, complaints = newest(run.checkpoints)
    for complaint in complaints:
        warnings.warn(f"passed over: {complaint}", stacklevel=2)
    tensors, _ = read_tensors(checkpoint, "training")
    prefix = "average.module."
    own = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
    load_module(branches, own, checkpoint)
    branches.to(device=automatic_device(), memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    judge = load_judge(run.judge, branches.channels, len(classes)) if run.judge.exists() else None
    precision = "fp32" if config.precision == "fp32" else "auto"  # where it was trained says nothing of this machine
    calibration = load_calibration(run) if run.calibration.exists() else {}
    side = int(data.get("side", 0))
    mirrors = _mirrors(config)
    return Decomposer(branches, judge, classes, config.size, mirrors, precision, calibration, config.images, side)


def _mirrors(config: Config) -> tuple[tuple[int, ...], ...]:
    """The image itself, and one mirror image where training makes such; three bring no more than one."""
    flips = ((-1, config.augment.flip_horizontal), (-2, config.augment.flip_vertical))
    first = next((axis for axis, on in flips if on), None)
    return ((),) if first is None or not config.mirror else ((), (first,))


def squares(images: list[Array], size: int) -> Tensor:
    """Images of any size as the squares the network sees: (n, C, size, size)."""
    return torch.stack([square(image, size) for image in images])


def square(image: Array, size: int) -> Tensor:
    """One image as the square the network sees: (C, size, size)."""
    return Frame.of(image.shape, size).enter(torch.from_numpy(image))
