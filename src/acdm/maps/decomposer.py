"""Inference (fig. 2): an image and a class in, branches and maps out.

Axes: B images, N branches, C channels, H rows, W columns; pixels in [-1, 1].
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from acdm.core.config import DEFAULT_MAP, MAPS, TAUGHT, MapName, Reading
from acdm.core.device import autocast, channels_last
from acdm.data.images.arrays import Array
from acdm.data.images.frame import Frame, squares
from acdm.data.images.memory import AnyImage, from_memory
from acdm.data.images.raw import EIGHT_BITS
from acdm.data.images.read import AS_IS, Picture, read_picture
from acdm.errors import DataError, RunError
from acdm.maps.calibration import Calibration
from acdm.maps.decomposition import NO_SEGMENTER, OF_BRANCHES, Decomposition
from acdm.maps.evidence import evidence
from acdm.maps.judge import Judge
from acdm.maps.kinds import MARKED
from acdm.maps.segmenter import Segmenter, mirrored
from acdm.method.branches import Branches
from acdm.method.compose import distinction, sparsest
from acdm.method.findings import OneFinding
from acdm.method.inference import network_maps, of_all_views

TOGETHER = 16  # images whose maps are drawn at once, where maps alone are kept
ASKED = 0.8  # AUROC on validation images, from which on a network is asked for the class of an image
CHUNK = 32 * 64**2  # pixels of images and mirror images that the networks see at once; at least one image


@dataclass(frozen=True)
class Drawn:
    """What the networks make of a batch at network size.

    Attributes:
        y: (B,), classes of the images.
        own, other: branches under the images' own class and under the other, (B, N, C, S, S).
        maps: (B, C, S, S) each.
    """

    y: Tensor
    own: Tensor
    other: Tensor
    maps: Mapping[MapName, Tensor]


@dataclass(frozen=True, kw_only=True)
class Decomposer:
    """A trained run, ready to decompose images.

    Attributes:
        branches: the averaged networks.
        judge: the check classifier, trained apart; None where the run has none yet.
        segmenter: what draws the map `object`; None where the run has none, or its features are not here.
        classes: names; class 1 is positive.
        size: side of the square that the network sees.
        mirrors: axes of the mirror images that an image is decomposed together with; first (), the image itself.
        precision: what convolutions compute in, as in training: bf16 or fp32; auto takes what this machine is fast at.
        calibration: of each map; empty where the run has none yet.
        reading: how files become arrays, as in training.
        side: median longer side of the training images in pixels; 0 where unknown.
        depths: highest values that the training images' formats can hold; empty where unknown.
        origin: checksum of all that maps and masks come from: weights, check classifier, calibration.
        findings: names of all findings that the branches know, in their order; empty with two classes.
        alone: whether the segmenter works without the branches, and `object` is the only map.
    """

    branches: Branches | OneFinding
    judge: Judge | None
    segmenter: Segmenter | None = None
    classes: tuple[str, ...]
    size: int
    mirrors: tuple[tuple[int, ...], ...] = ((),)
    precision: str = "auto"
    calibration: Mapping[MapName, Calibration] = field(default_factory=dict)
    reading: Reading = AS_IS
    side: int = 0
    depths: tuple[float | None, ...] = ()
    origin: str = ""
    findings: tuple[str, ...] = ()
    alone: bool = False

    @property
    def names(self) -> tuple[MapName, ...]:
        """The maps that this run draws."""
        if self.alone:
            return (TAUGHT,)
        return MAPS if self.segmenter else tuple(name for name in MAPS if name != TAUGHT)

    @property
    def default_map(self) -> MapName:
        """The map that masks are cut from where nothing else is asked for."""
        return TAUGHT if self.alone or (self.segmenter and self.segmenter.trusted) else DEFAULT_MAP

    def require_map(self, name: MapName | None) -> MapName:
        """The map of that name, None for the default one; raises RunError where this run does not draw it."""
        if name is not None and name not in self.names:
            raise RunError(NO_SEGMENTER)
        return name or self.default_map

    def with_the_segmenter_alone(self) -> "Decomposer":
        """This run without its branches: it draws `object` alone, in a part of the time.

        Raises:
            RunError: when it has no segmenter, or the features of it are not installed.
        """
        self.require_map(TAUGHT)
        return replace(self, alone=True)

    @torch.no_grad()
    def split(self, x: Tensor, y: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Branches of a batch at network size under two classes.

        They are the mean over the image and its mirror images, so that a mirrored image has mirrored branches; they
        still sum up.  What a negative image needs to become positive is its own (`of_all_views`).  What branch 1 has
        under both classes alike is the other branches', view by view (`sparsest`).

        Args:
            x: (B, C, S, S) in [-1, 1].
            y, other: (B,) class indices, on the same device.

        Returns:
            Twice (B, N, C, S, S), in float32, on that device.
        """
        count = self.at_once(x)
        parts = zip(x.split(count), y.split(count), other.split(count), strict=True)
        own, swapped = zip(*[self._split_part(*part) for part in parts], strict=True)
        return torch.cat(own), torch.cat(swapped)

    def at_once(self, x: Tensor) -> int:
        """How many of such images (B, C, S, S) the networks see at once."""
        return max(1, CHUNK // (len(self.mirrors) * x.shape[-1] * x.shape[-2]))

    def _split_part(self, x: Tensor, y: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        device, copies = next(self.branches.parameters()).device, len(self.mirrors)
        with autocast(device, self.precision):
            both = self.branches(self.views(x), y.repeat(copies).to(device), other.repeat(copies).to(device))
        return self.of_views(y, *both)

    def views(self, x: Tensor) -> Tensor:
        """Images (B, C, S, S) and their mirror images, one kind after the other, on the branches' device."""
        seen = torch.cat([x.flip(axes) for axes in self.mirrors])
        return channels_last(seen.to(next(self.branches.parameters()).device))

    def of_views(self, y: Tensor, own: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Branches of images of classes (B,) from those of their `views`; both as of `split`."""
        seen = torch.stack(sparsest(own, other)).to(y.device).chunk(len(self.mirrors), dim=1)
        return of_all_views(y, [psi.flip(axes) for psi, axes in zip(seen, self.mirrors, strict=True)])

    def draw(self, x: Tensor, y: Tensor) -> Drawn:
        """Branches and maps of a batch (B, C, S, S) of classes (B,); without a judge, evidence is the residual."""
        if self.alone:
            none = x[:, None, ...][:, :0]
            return Drawn(y, none, none, {TAUGHT: self.objects(x)})
        return self.drawn(x, y, *self.split(x, y, (y + 1) % len(self.classes)))

    def drawn(self, x: Tensor, y: Tensor, own: Tensor, other: Tensor, found: Tensor | None = None) -> Drawn:
        """As `draw`, from branches that are known, as of `split`, and `object`, where it is known, as of `objects`."""
        maps = network_maps(x, y, own, other)
        residual = maps["residual"]
        maps["evidence"] = evidence(self.judge, x, residual) if self.judge else residual
        if self.segmenter:
            maps[TAUGHT] = self.objects(x) if found is None else found
        return Drawn(y, own, other, maps)

    def objects(self, x: Tensor) -> Tensor:
        """The segmenter's mean probability (B, 1, S, S) over images (B, C, S, S) and their mirror images."""
        assert self.segmenter is not None  # the run draws this map
        return mirrored(self.segmenter, x, self.mirrors)

    def maps(self, x: Tensor, y: Tensor, after_each: Callable[[], None] = lambda: None) -> Mapping[MapName, Tensor]:
        """Every map of images (B, C, S, S) of classes (B,), of one value a pixel or C; no branch is kept."""
        drawn = []
        for images, classes in zip(x.split(TOGETHER), y.split(TOGETHER), strict=True):
            drawn.append(self.draw(images, classes).maps)
            for _ in images:
                after_each()
        return {name: torch.cat([maps[name] for maps in drawn]) for name in self.names}

    def decompose(
        self, image: AnyImage | Path | str | Picture, label: str | None = None, name: Path | str = "image"
    ) -> Decomposition:
        """Decompose one image, at its own size.

        Args:
            image: a file; a Pillow image; an array or tensor (H, W), (C, H, W) or (H, W, C) of 8 or 16 bits, or of
                floats in [-1, 1].
            label: name of its class; None lets the check classifier decide.
            name: what messages call the image, where it is no file.

        Raises:
            DataError: for a class that does not exist, an image of other channels, or values that are none of these.
        """
        return self.decompose_all([self.pictured(image, name)], label)[0]

    def pictured(self, image: AnyImage | Path | str | Picture, name: Path | str = "image") -> Picture:
        """An image as the run reads it; arguments and errors as for `decompose`."""
        if isinstance(image, (str, Path)):
            picture, name = read_picture(Path(image), self.reading), image
            self.require_depth(picture.depth, image)
        elif isinstance(image, Picture):
            picture = image
        else:
            picture = from_memory(image, self.branches.channels, self.reading, name)
        self.require_channels(picture.pixels, name)
        return picture

    def decompose_all(
        self, pictures: Sequence[Picture], label: str | None, name: Path | str = "image"
    ) -> list[Decomposition]:
        """Decompose several images in one batch; arguments as for `decompose`."""
        for picture in pictures:
            self.require_channels(picture.pixels, name)
        x = squares([picture.pixels for picture in pictures], self.size)
        y = torch.tensor(self.classify(x) if label is None else [self.index(label)] * len(x))
        drawn = self.draw(x, y)
        return [self.decomposition(picture, x[i], drawn, i) for i, picture in enumerate(pictures)]

    def decomposition(self, picture: Picture, x: Tensor, drawn: Drawn, i: int) -> Decomposition:
        """The i-th image of a drawn batch at its own size; `x` (C, S, S) is the square that the network saw."""
        frame, y = Frame.of(picture.pixels.shape, self.size), int(drawn.y[i])
        return Decomposition(
            image=frame.leave(x[None])[0],
            psi=frame.leave(drawn.own[i]),
            psi_other=frame.leave(drawn.other[i]),
            drawn={name: frame.leave(drawn.maps[name][i]) for name in self.names if name not in OF_BRANCHES},
            label=self.classes[y],
            other=self.classes[(y + 1) % len(self.classes)],
            positive=y == 1,
            default_map=self.default_map,
            calibration=self.calibration,
            valid=picture.valid,
            grid=picture.grid,
        )

    def require_channels(self, pixels: Array, name: Path | str) -> None:
        """Raise DataError, naming the image, when it has other channels than the run was trained on."""
        if len(pixels) != self.branches.channels:
            raise DataError(f"{name}: has {len(pixels)} channels, this run was trained on {self.branches.channels}")

    def require_depth(self, depth: float | None, name: Path | str) -> None:
        """Raise DataError, naming the image, when it holds less than all training images: it would be next to black."""
        deep = [d for d in self.depths if d is None or d > 255]
        if self.reading.range and depth in EIGHT_BITS and self.depths and len(deep) == len(self.depths):
            raise DataError(f"{name}: has 8 bits, the training images have more; save it as they are")

    def require_ready(self, label: str | None) -> None:
        """Raise RunError when the run is unfinished or an earlier version's, DataError when there is no such class."""
        if not set(self.names) <= set(self.calibration) or self.judge is None:
            missing = "judge" if self.judge is None else "calibration of this version's maps"
            raise RunError(f"this run has no {missing} yet; finish it with 'acdm train DATA -o RUN --resume'")
        if label is not None:
            self.index(label)

    def classify(self, x: Tensor, found: Tensor | None = None) -> list[int]:
        """The class of each image (B, C, S, S): what the check classifier says of it.

        Where that knows too little (`ASKED`), as of several findings that look alike, and the segmenter knows more,
        an image has the object if `object` marks a pixel of it.

        Args:
            x: the images.
            found: their map `object`, as of `objects`, where it is known.

        Raises:
            DataError: when the run has no check classifier.
        """
        if self.judge is None:
            raise DataError("this run has no judge to tell classes apart; name the class with --label")
        if asks_object(self.judge, self.segmenter):
            return [int(there) for there in marked(self.objects(x) if found is None else found)[:, 0]]
        return [int(k) for k in self.judge.probabilities(x).argmax(dim=1)]

    def attribute(self, x: Tensor, target: int | Tensor) -> Tensor:
        """Contrast of a batch at network size, the shape Captum and Quantus expect: (B, C, S, S) in and out.

        `target` is the class of all images, or a tensor (B,) with the class of each.
        """
        y = torch.as_tensor(target).long().to(x.device).expand(len(x))
        own, other = self.split(x, y, (y + 1) % len(self.classes))
        return distinction(own) - distinction(other)

    def index(self, label: str) -> int:
        """y of a class name; raises DataError where there is none."""
        if label not in self.classes:
            raise DataError(f"'{label}' is no class of this run; its classes are {', '.join(self.classes)}")
        return self.classes.index(label)


def asks_object(judge: Judge | None, segmenter: Segmenter | None) -> bool:
    """Whether `object` tells the class of an image: the check classifier knows too little, and the segmenter more."""
    return judge is not None and segmenter is not None and judge.auroc < ASKED <= segmenter.auroc


def marked(found: Tensor) -> Tensor:
    """Whether a pixel of probabilities (B, K, S, S) is marked: (B, K)."""
    return (found >= MARKED).flatten(2).any(dim=2)
