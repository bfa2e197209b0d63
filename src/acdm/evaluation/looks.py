"""Test images decomposed a few at a time; what the figures need of each image is kept, and no branch.

Axes: n images, N branches, C channels, S rows and columns of the network's square; pixels in [-1, 1].
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, label
from torch import Tensor

from acdm.core.config import TAUGHT, MapName
from acdm.core.progress import QUIET, Progress
from acdm.data.images.arrays import Array, Floats, Mask
from acdm.data.images.frame import Frame, squares
from acdm.data.images.statistics import psnr, ssim
from acdm.evaluation.truth import Truth
from acdm.maps.calibration import score
from acdm.maps.decomposer import Decomposer, Drawn
from acdm.maps.doubt import doubts
from acdm.maps.findings import FindingsDecomposer
from acdm.maps.judge import Judge
from acdm.method.compose import common, compose

TOGETHER = 16  # images
RING = (3, 8)  # pixels from a part of the truth, between which its surroundings lie


@dataclass
class Columns:
    """A table with a row an image, in the order of the test images; its columns are tensors (n, ...)."""

    parts: dict[str, list[Tensor]] = field(default_factory=dict)

    def add(self, rows: Mapping[str, Tensor]) -> None:
        """Add rows of some of the columns."""
        for name, values in rows.items():
            self.parts.setdefault(name, []).append(values)

    def __getitem__(self, name: str) -> Tensor:
        return torch.cat(self.parts[name])


@dataclass(frozen=True)
class Seen:
    """What was seen of all test images.

    Attributes:
        columns: a row an image.
        scores: each map of each image as one unsmoothed number a pixel, (H, W) at the image's own size.
        seconds: that decomposing took.
    """

    columns: Columns
    scores: Mapping[MapName, list[Floats]]
    seconds: float


def look_at_all(decomposer: Decomposer, truth: Truth, progress: Progress = QUIET) -> Seen:
    """Decompose every test image, once, under its true class; memory grows with what is kept of an image alone."""

    def draw(x: Tensor, y: Mapping[str, Tensor]) -> dict[str, Drawn]:
        return {"": decomposer.draw(x, y[""])}

    return _look({"": decomposer}, draw, {"": truth}, progress)[""]


def look_at_findings(
    whole: FindingsDecomposer, truths: Mapping[str, Truth], progress: Progress = QUIET
) -> dict[str, Seen]:
    """Decompose every test image for all findings at once, each under its true state, as `look_at_all` does for one.

    Args:
        whole: the run.
        truths: by finding, the same test images in the same order.
        progress: told of the images.
    """
    return _look(whole.of_each, whole.draw_each, truths, progress)


def _look(
    decomposers: Mapping[str, Decomposer],
    draw: Callable[[Tensor, Mapping[str, Tensor]], Mapping[str, Drawn]],
    truths: Mapping[str, Truth],
    progress: Progress,
) -> dict[str, Seen]:
    """By finding, what was seen of all test images; `draw` takes images and, by finding, their classes."""
    first, size = next(iter(truths.values())), next(iter(decomposers.values())).size
    progress.begin("maps of test images", len(first.items))
    columns = {name: Columns() for name in decomposers}
    scores = {name: {map_name: list[Floats]() for map_name in one.names} for name, one in decomposers.items()}
    seconds = 0.0
    for start in range(0, len(first.items), TOGETHER):
        some = range(start, min(start + TOGETHER, len(first.items)))
        images = [first.pictures[i].pixels for i in some]
        x = squares(images, size)
        y = {
            name: torch.tensor([one.index(truths[name].items[i].label) for i in some])
            for name, one in decomposers.items()
        }
        began = time.perf_counter()
        drawn = draw(x, y)
        seconds += time.perf_counter() - began
        for name, one in decomposers.items():
            masks = [truths[name].masks[i] if truths[name].items[i].mask else None for i in some]
            columns[name].add(_rows(one, images, masks, x, drawn[name]))
            for map_name, kept in _scores(one, images, drawn[name]).items():
                scores[name][map_name] += kept
        del drawn
        progress.advance(done=some.stop, total=len(first.items))
    return {name: Seen(columns[name], scores[name], seconds) for name in decomposers}


def _rows(
    decomposer: Decomposer, images: list[Array], masks: list[Mask | None], x: Tensor, drawn: Drawn
) -> dict[str, Tensor]:
    """Rows of some test images, x (n, C, S, S) at network size, with their true masks where there are any."""
    assert decomposer.judge is not None  # the run is ready
    return {
        **reconstructions(x, drawn, images),
        **branches(drawn.own, drawn.other),
        **classes(decomposer.judge, x, drawn),
        "label": torch.tensor(decomposer.classify(x, drawn.maps.get(TAUGHT))),
        **unsure(drawn),
        **objects(drawn, images, masks),
    }


def _scores(decomposer: Decomposer, images: list[Array], drawn: Drawn) -> dict[MapName, list[Floats]]:
    """Each map of some test images as one unsmoothed number a pixel."""
    known = decomposer.calibration
    return {
        name: [score(m, known[name].polarity) for m in own_size(drawn.maps[name], images)] for name in decomposer.names
    }


def own_size(squares: Tensor, images: list[Array]) -> list[Floats]:
    """Squares (n, C, S, S) as (C, H, W) each, at the sizes of their images."""
    return [Frame.of(i.shape, s.shape[-1]).leave(s).numpy() for i, s in zip(images, squares, strict=True)]


def reconstructions(x: Tensor, drawn: Drawn, images: list[Array]) -> dict[str, Tensor]:
    """How well images are rebuilt, at network size and at their own."""
    x_hat = compose(drawn.own)
    originals = [torch.from_numpy(image)[None] for image in images]

    def at_own_size(squares: Tensor) -> Tensor:
        pairs = zip(originals, own_size(squares, images), strict=True)
        return torch.cat([psnr(original, torch.from_numpy(back)[None]) for original, back in pairs])

    return {
        "psnr": psnr(x, x_hat),
        "ssim": ssim(x, x_hat),
        "psnr_own_size": at_own_size(x_hat),
        "psnr_resize_ceiling": at_own_size(x),
    }


def branches(own: Tensor, other: Tensor) -> dict[str, Tensor]:
    """How branches (n, N, C, S, S) under both classes share the energy, and what 2 to N differ by."""
    return {
        "energy": own.square().mean(dim=(2, 3, 4)),
        "common_gap": (common(own) - common(other)).abs().mean(dim=(1, 2, 3, 4)),  # NaN where there is one branch
        "loudest": own.abs().amax(dim=1).sum(dim=(1, 2, 3)),
        "loudness": own.abs().sum(dim=(1, 2, 3, 4)),
    }


def classes(judge: Judge, x: Tensor, drawn: Drawn) -> dict[str, Tensor]:
    """The check classifier's probabilities of real images, reconstructions and counterfactuals, and their distances."""
    x_hat, x_st = (compose(psi).clamp(-1, 1) for psi in (drawn.own, drawn.other))
    return {
        "y": drawn.y,
        "real": judge.probabilities(x),
        "kept": judge.probabilities(x_hat),
        "swapped": judge.probabilities(x_st),
        "swap_distance": (x_st - x).abs().mean(dim=(1, 2, 3)),
        "reconstruction_distance": (x_hat - x).abs().mean(dim=(1, 2, 3)),
    }


def unsure(drawn: Drawn) -> dict[str, Tensor]:
    """How unsure the segmenter is of each image, where there is one."""
    return {"doubt": doubts(drawn.maps[TAUGHT], drawn.y == 1)} if TAUGHT in drawn.maps else {}


def objects(drawn: Drawn, images: list[Array], masks: list[Mask | None]) -> dict[str, Tensor]:
    """How much the true parts of each image differ from their surroundings, there and in its counterfactual.

    A part is 8-connected; its surroundings are the median, channel by channel, of the pixels outside every part that
    lie `RING` pixels around it.  Both are sums of |difference| over the parts' pixels and channels, at own size; 0 for
    images without a mask.
    """
    there, left = torch.zeros(len(images)), torch.zeros(len(images))
    for i, (image, swapped, mask) in enumerate(zip(images, own_size(compose(drawn.other), images), masks, strict=True)):
        if mask is None:
            continue
        parts, count = label(mask, np.ones((3, 3)))
        for number in range(1, count + 1):
            part = parts == number
            away = distance_transform_edt(~part)
            around = ~mask & (away >= RING[0]) & (away <= RING[1])
            if around.any():
                ring = np.median(image[:, around], axis=1)[:, None]
                there[i] += float(np.abs(image[:, part] - ring).sum())
                left[i] += float(np.abs(swapped[:, part] - ring).sum())
    return {"there": there, "left": left}
