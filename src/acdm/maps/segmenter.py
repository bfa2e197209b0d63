"""The segmenter: a small U-Net that the maps of the training images teach, on pixels and frozen features.

A map shows what the classes differ by in one image.  The segmenter sees what all of them have in common, and that
images of the other class hold nothing of it.

Axes: B images, C channels, S rows and columns of the network's square; pixels in [-1, 1].
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from acdm.core.config import DEFAULT_MAP
from acdm.core.tensors import load_module, read_tensors, write_tensors
from acdm.errors import CheckpointError
from acdm.maps.backbone import AnyFeatures, Backbone
from acdm.maps.features import PACKAGE, Features, Origin

TRUSTED, TIE = 0.95, 0.02  # of AUROC; chosen on dev halves: docs/results/choices.md
USEFUL, BETTER = 0.7, 0.05
QUIET = 0.1  # share of the pixels of negative images; who marks more was taught too little
WIDTHS = (24, 48, 72, 96)  # from the finest to the coarsest level
TOGETHER = 16  # images
BLOCK = 2  # side in pixels of the blocks that enter as one
MULTIPLE = BLOCK * 2 ** (len(WIDTHS) - 1)  # of the sides of what enters


class UNet(nn.Module):
    """Logits a pixel from an image and its features.

    Args:
        channels: C, of the images.
        seen: channels of the features, from the finest to the coarsest level; none for pixels alone.
        findings: K, with an output each; 1 where there are classes.
    """

    def __init__(self, channels: int, seen: Sequence[int] = (), findings: int = 1) -> None:
        super().__init__()
        finest = WIDTHS[0]
        self.stem = nn.Conv2d(channels * BLOCK**2, finest, 3, padding=1)
        self.downs = nn.ModuleList(_convolutions(a, b) for a, b in pairwise((finest, *WIDTHS)))
        self.norms = nn.ModuleList(nn.BatchNorm2d(c, affine=False) for c in seen)
        self.seen = nn.ModuleList(nn.Conv2d(c, w, 1) for c, w in zip(seen, WIDTHS, strict=bool(seen)))
        self.ups = nn.ModuleList(_convolutions(b + a, a) for a, b in reversed(list(pairwise(WIDTHS))))
        self.head = nn.Conv2d(finest, findings * BLOCK**2, 3, padding=1)

    def forward(self, x: Tensor, seen: list[Tensor]) -> Tensor:
        """Logits (B, K, H, W) of images (B, C, H, W); `seen` are the features of four levels, or empty."""
        height, width = x.shape[-2:]
        pads = (0, -width % MULTIPLE, 0, -height % MULTIPLE)
        h = self.stem(F.pixel_unshuffle(F.pad(x, pads, mode="replicate"), BLOCK))
        levels: list[Tensor] = []
        for level, down in enumerate(self.downs):
            h = down(F.max_pool2d(h, 2) if level else h)
            if seen:
                told = self.seen[level](self.norms[level](seen[level]))
                h = h + F.interpolate(told, h.shape[-2:], mode="bilinear")
            levels.append(h)
        for up, finer in zip(self.ups, reversed(levels[:-1]), strict=True):
            h = up(torch.cat([F.interpolate(h, scale_factor=2), finer], dim=1))
        return F.pixel_shuffle(self.head(h), BLOCK)[..., :height, :width]


@dataclass(frozen=True)
class Segmenter:
    """A taught network with the features it was taught on.

    Attributes:
        network: in evaluation mode; one that was read from a file draws and learns no more (`for_drawing`).
        features: frozen; None where it sees pixels alone.
        auroc: how well its highest probability tells the classes of validation images apart, which taught it nothing.
        evidence_auroc: how well the highest score of evidence does.
        masks: how many training images' masks taught it, too.
        mistaken: share of the pixels of negative validation images that it marks.
        taught_by: the map that did, as the log calls it; empty where that is not known.
    """

    network: UNet
    features: AnyFeatures | None
    auroc: float = 0.0
    evidence_auroc: float = 1.0
    masks: int = 0
    mistaken: float = 0.0
    taught_by: str = ""

    @property
    def trusted(self) -> bool:
        """Whether masks are cut from what it draws.

        Either it tells unseen images apart well (`TRUSTED`), and as well as evidence, which errs somewhere, or a person
        has shown it the object; or usefully (`USEFUL`), and much better than evidence.  And it marks little of images
        that hold nothing (`QUIET`).  What evidence taught on pixels alone has to be much better, however well it tells
        images apart: it knows nothing that evidence does not (docs/results/choices.md).
        """
        if self.mistaken > QUIET:
            return False
        no_more = self.features is None and self.taught_by == DEFAULT_MAP
        as_evidence = self.evidence_auroc < 1 and self.auroc >= self.evidence_auroc - TIE and not no_more
        as_well = self.auroc >= TRUSTED and (as_evidence or self.masks > 0)
        return as_well or (self.auroc >= USEFUL and self.auroc >= self.evidence_auroc + BETTER)

    def logits(self, x: Tensor) -> Tensor:
        """(B, K, S, S) of images (B, C, S, S), on the networks' device."""
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=x.is_cuda):
            with torch.no_grad():
                seen = self.features(x) if self.features else []
            logits: Tensor = self.network(x, seen)
        return logits.float()

    @torch.no_grad()
    def probabilities(self, x: Tensor) -> Tensor:
        """Probability of each object at every pixel of images (B, C, S, S): (B, K, S, S), on the images' device."""
        device = next(self.network.parameters()).device
        return self.logits(x.to(device)).sigmoid().to(x.device)


def of_finding(segmenter: Segmenter, k: int) -> Segmenter:
    """Keep all layers, and of the outputs that of one finding."""
    own = slice(BLOCK**2 * k, BLOCK**2 * (k + 1))
    head = {name: value[own] for name, value in segmenter.network.head.state_dict().items()}
    return replace(segmenter, network=_with_head(segmenter.network, head))


def joined(segmenters: Sequence[Segmenter]) -> list[Segmenter]:
    """Make one segmenter of those that differ in their last layer alone, with the outputs of all, in their order.

    So it is with those of several findings (`of_finding`), until one of them is taught on its own: then they stay as
    they are.  The one that is made knows nothing of its quality.
    """
    networks = [segmenter.network for segmenter in segmenters]
    bodies = [{k: v for k, v in n.state_dict().items() if not k.startswith("head.")} for n in networks]
    alike = all(
        one.keys() == bodies[0].keys() and all(torch.equal(value, one[name]) for name, value in bodies[0].items())
        for one in bodies[1:]
    )
    if len(segmenters) < 2 or not alike:
        return list(segmenters)
    heads = [n.head.state_dict() for n in networks]
    head = {name: torch.cat([own[name] for own in heads]) for name in heads[0]}
    return [Segmenter(_with_head(networks[0], head), segmenters[0].features)]


def _with_head(network: UNet, head: Mapping[str, Tensor]) -> UNet:
    """Copy a network, with these weights in place of its last layer's."""
    copy = deepcopy(network)
    copy.head = nn.Conv2d(WIDTHS[0], len(head["bias"]), 3, padding=1, device=head["bias"].device)
    copy.head.load_state_dict(head)
    return copy


def for_drawing(network: UNet) -> UNet:
    """Copy a network that is to learn no more: each batch norm becomes part of the convolution before it.

    It draws the same, a twentieth faster.
    """
    copy = deepcopy(network).eval()
    for stage in (*copy.downs, *copy.ups):
        assert isinstance(stage, nn.Sequential)
        for place in range(0, len(stage), 3):  # convolution, batch norm, ReLU
            convolution, norm = stage[place], stage[place + 1]
            assert isinstance(convolution, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            stage[place], stage[place + 1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    return copy


def mirrored(segmenter: Segmenter, x: Tensor, mirrors: tuple[tuple[int, ...], ...]) -> Tensor:
    """Mean probability (B, K, S, S) over images (B, C, S, S) and their mirror images; `mirrors` are axes of each."""
    drawn = []
    for part in x.split(TOGETHER):
        views = [segmenter.probabilities(part.flip(axes)).flip(axes) for axes in mirrors]
        drawn.append(torch.stack(views).mean(dim=0))
    return torch.cat(drawn)


def save_segmenter(path: Path, segmenter: Segmenter, run: str = "") -> None:
    """Write segmenter.safetensors of the run with this id: weights, and which features they want, never these."""
    seen = segmenter.features
    origin = {"features": {**vars(seen.origin), "channels": seen.channels}} if seen else {}
    owner = {"run": run} if run else {}
    quality = {name: getattr(segmenter, name) for name in ("auroc", "evidence_auroc", "masks", "mistaken", "taught_by")}
    about = {"kind": "segmenter", **quality, **origin, **owner}
    write_tensors(path, dict(segmenter.network.state_dict()), about)


def is_segmenter(path: Path) -> bool:
    """Whether a file is there and holds a segmenter, as a damaged one does not."""
    try:
        return path.is_file() and bool(read_tensors(path, "segmenter")[0])
    except CheckpointError:
        return False


def masks_that_taught(path: Path) -> int:
    """How many masks taught the segmenter of this file; 0 where there is none, or it is damaged."""
    try:
        return int(read_tensors(path, "segmenter")[1].get("masks", 0)) if path.is_file() else 0
    except (CheckpointError, ValueError):
        return 0


def load_segmenter(
    path: Path, channels: int, device: str = "cpu", run: str = "", given: Backbone | None = None
) -> Segmenter | None:
    """Read a segmenter of images with so many channels; None where its features are not there.

    Args:
        path: of the file.
        channels: C, of the images.
        device: where to compute.
        run: id of the run that it must belong to.
        given: features of a file, where it was taught on such.

    Raises:
        CheckpointError: when the file is not one, or wants other features than those that are there.
    """
    tensors, about = read_tensors(path, "segmenter", run)
    asked = about.get("features")
    features: AnyFeatures | None = None
    if asked:
        features = Features.installed() if asked.get("name") == PACKAGE else given
        if features is None:
            return None
        if Origin(**{key: str(asked.get(key)) for key in ("name", "version", "sha256")}) != features.origin:
            raise CheckpointError(f"{path}: was taught on other features than {features.origin.name} as it is here")
    try:
        quality = {name: float(about[name]) for name in ("auroc", "evidence_auroc")}
        masks, mistaken = int(about.get("masks", 0)), float(about.get("mistaken", 0))
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(f"{path}: says nothing of its quality; the file is damaged") from None
    network = UNet(channels, features.channels if features else ())
    load_module(network, tensors, path)
    network = for_drawing(network)
    network.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    return Segmenter(
        network,
        features.to(device) if features else None,
        **quality,
        masks=masks,
        mistaken=mistaken,
        taught_by=str(about.get("taught_by", "")),
    )


def _convolutions(width_in: int, width_out: int) -> nn.Sequential:
    """Two convolutions, each with batch norm and ReLU."""
    layers: list[nn.Module] = []
    for a in (width_in, width_out):
        layers += [nn.Conv2d(a, width_out, 3, padding=1, bias=False), nn.BatchNorm2d(width_out), nn.ReLU()]
    return nn.Sequential(*layers)
