"""Inference (fig. 2): an image and a class in, branches and maps out.

Axes: B images, N branches, C channels, H rows, W columns; pixels in [-1, 1].
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from acdm.core.config import Config, Reading
from acdm.core.device import autocast, automatic_device, channels_last, flush_denormals
from acdm.core.run import Run
from acdm.core.tensors import MODULE, checksum, load_module, newest, read_tensors
from acdm.data.images.arrays import Array
from acdm.data.images.frame import Frame, squares
from acdm.data.images.read import AS_IS, Picture, read_picture
from acdm.errors import CheckpointError, DataError, RunError
from acdm.maps.calibration import Calibration, load_calibration
from acdm.maps.decomposition import Decomposition
from acdm.maps.evidence import evidence
from acdm.maps.judge import Judge, load_judge
from acdm.method.branches import Branches
from acdm.method.compose import distinction
from acdm.method.inference import network_maps, of_all_views

CHUNK = 32 * 64**2  # pixels of images and mirror images that the networks see at once; at least one image


@dataclass(frozen=True)
class Decomposer:
    """A trained run, ready to take images apart.

    Attributes:
        branches: the averaged networks.
        judge: the classifier trained apart, where the run has one.
        classes: names; class 1 is positive.
        size: side of the square the network sees.
        mirrors: axes of the mirror images that an image is taken apart together with; first (), the image itself.
        precision: of convolutions: bf16, fp32, or auto for what this machine is fast at.
        calibration: of each map, where the run has it already.
        reading: how files become arrays, as in training.
        side: median longer side of the training images in pixels; 0 where unknown.
        origin: checksum of all that maps and masks come from: weights, judge, calibration.
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
    origin: str = ""

    @torch.no_grad()
    def split(self, x: Tensor, y: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Branches of a batch at network size under two classes.

        They are the mean of what the image and its mirror images say, so that a mirrored image has mirrored branches;
        they still sum up.  What a negative image needs to become positive is its own (`of_all_views`).

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

    def _split_part(self, x: Tensor, y: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        copies = len(self.mirrors)
        views = torch.cat([x.flip(axes) for axes in self.mirrors])
        both = torch.stack(self._branches_of(views, y.repeat(copies), other.repeat(copies))).cpu()
        seen = both.chunk(copies, dim=1)
        return of_all_views(y, [psi.flip(axes) for psi, axes in zip(seen, self.mirrors, strict=True)])

    def _branches_of(self, x: Tensor, y: Tensor, other: Tensor) -> tuple[Tensor, ...]:
        device = next(self.branches.parameters()).device
        x = channels_last(x.to(device))
        with autocast(device, self.precision):
            psi: tuple[Tensor, ...] = self.branches(x, y.to(device), other.to(device))
        return psi

    def maps(self, x: Tensor, y: Tensor, own: Tensor, other: Tensor) -> dict[str, Tensor]:
        """All maps of a batch at network size, (n, C, S, S) each; without a judge, evidence is the residual.

        Args:
            x, y, own, other: as `acdm.maps.decomposition.network_maps`.
        """
        maps = network_maps(x, y, own, other)
        residual = maps["residual"]
        return {**maps, "evidence": evidence(self.judge, x, residual) if self.judge else residual}

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
        return self.take_all_apart([picture], label, name)[0]

    def take_all_apart(
        self, pictures: Sequence[Picture], label: str | None, name: Path | str = "image"
    ) -> list[Decomposition]:
        """The same for several images in one batch; at least one."""
        for picture in pictures:
            self.insist_channels(picture.pixels, name)
        x = squares([picture.pixels for picture in pictures], self.size)
        y = torch.tensor(self.classify(x) if label is None else [self.index(label)] * len(x))
        other = (y + 1) % len(self.classes)
        own, swapped = self.split(x, y, other)
        maps = self.maps(x, y, own, swapped)
        apart = []
        for i, picture in enumerate(pictures):
            frame = Frame.of(picture.pixels.shape, self.size)
            image = frame.leave(x[i][None])[0]
            psi, psi_other = frame.leave(own[i]), frame.leave(swapped[i])
            drawn = {name: frame.leave(maps[name][i]) for name in ("residual", "evidence")}
            names = self.classes[int(y[i])], self.classes[int(other[i])]
            positive = int(y[i]) == 1
            valid, grid = picture.valid, picture.grid
            apart.append(Decomposition(image, psi, psi_other, drawn, *names, positive, self.calibration, valid, grid))
        return apart

    def insist_channels(self, pixels: Array, name: Path | str) -> None:
        """Raises DataError, naming the image, when it has other channels than the run was trained on."""
        if len(pixels) != self.branches.channels:
            raise DataError(f"{name}: has {len(pixels)} channels, this run was trained on {self.branches.channels}")

    def insist_ready(self, label: str | None) -> None:
        """Raises RunError when the run is unfinished or an earlier version's, DataError when there is no such class."""
        if not self.calibration or self.judge is None:
            missing = "judge" if self.judge is None else "calibration of this version's maps"
            raise RunError(f"this run has no {missing} yet; finish it with 'acdm train … --resume'")
        if label is not None:
            self.index(label)

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
    checkpoint, own = _drawing(run)
    load_module(branches, own, checkpoint)
    branches.to(device=automatic_device(), memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    judge = load_judge(run.judge, branches.channels, len(classes)) if run.judge.exists() else None
    if judge:
        judge.network.to(automatic_device())
    precision = "fp32" if config.precision == "fp32" else "auto"  # where it was trained says nothing of this machine
    calibration = load_calibration(run)
    side = int(data.get("side", 0))
    return Decomposer(
        branches, judge, classes, config.size, mirrors(config), precision, calibration, config.images, side,
        _origin(own, judge, calibration),
    )  # fmt: skip


def _origin(own: dict[str, Tensor], judge: Judge | None, calibration: Mapping[str, Calibration]) -> str:
    asked = {f"judge.{name}": value.cpu() for name, value in judge.network.state_dict().items()} if judge else {}
    return checksum({**own, **asked}, {name: vars(known) for name, known in calibration.items()})


def _drawing(run: Run) -> tuple[Path, dict[str, Tensor]]:
    """The averaged networks that draw the maps, and the file they are in: the chosen ones, or the newest."""
    complaints = []
    if run.chosen.is_file():
        try:
            return run.chosen, read_tensors(run.chosen, "chosen")[0]
        except CheckpointError as error:
            complaints.append(str(error))
    checkpoint, others = newest(run.checkpoints)
    for complaint in (*complaints, *others):
        warnings.warn(f"passed over: {complaint}", stacklevel=3)
    tensors, _ = read_tensors(checkpoint, "training")
    prefix = f"average.{MODULE}"
    return checkpoint, {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def mirrors(config: Config) -> tuple[tuple[int, ...], ...]:
    """The image itself, and one mirror image where training makes such; three bring no more than one."""
    flips = ((-1, config.augment.flip_horizontal), (-2, config.augment.flip_vertical))
    first = next((axis for axis, on in flips if on), None)
    return ((),) if first is None or not config.mirror else ((), (first,))
