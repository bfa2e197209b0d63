"""Teaching the segmenter by the maps of the training images; no mask is seen.

Targets are scores of a map over twice its threshold, at most 1, so that one half stands at the threshold; where the map
is unsure, between `UNSURE` of it and the threshold, a pixel weighs less.  Images of the negative class hold nothing.

Source of the loss terms: cross-entropy and soft Dice (Milletari et al. 2016); the mean of the loudest pixels against
the image's class is multiple-instance learning.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np
import torch
import torch.nn.functional as F
from kornia.augmentation import AugmentationSequential
from sklearn.metrics import roc_auc_score
from torch import Tensor

from acdm.core.config import TAUGHT, Config, MapName
from acdm.data.batches import member, mix, moves
from acdm.maps.decomposer import TOGETHER, Decomposer
from acdm.maps.features import Features
from acdm.maps.segmenter import Segmenter, UNet

TEACHER: MapName = "evidence"
MOST_IMAGES = 600  # of each class
DRAWING_SHARE = 1 / 3  # of what is left of --minutes
MOST, STEP_SHARE = 600, 1 / 5  # steps, and share of the branches' steps
TRIED = 3  # steps whose speed is measured
TIME_SHARE = 0.9  # of what is left of --minutes; the rest is for calibration
EACH = 6  # images of each class in a batch
RATE, DECAY = 2e-3, 1e-2  # AdamW, one cycle
UNSURE = 0.4  # share of the threshold
UNSURE_WEIGHT = 0.2
DICE_WEIGHT, CLASS_WEIGHT = 0.3, 0.1
LOUDEST = 0.01  # share of an image's pixels whose mean stands for the image
GAIN, OFFSET, NOISE = 0.2, 0.2, 0.05  # largest change of contrast and brightness, and deviation, of pixels in [-1, 1]


@dataclass(frozen=True)
class Lessons:
    """What a segmenter is taught by.

    Attributes:
        x: (n, C, S, S), images.
        y: (n,) classes; 1 is positive.
        targets: (n, 1, S, S), as of `targets_of`.
    """

    x: Tensor
    y: Tensor
    targets: Tensor


def lessons(decomposer: Decomposer, x: Tensor, y: Tensor, after_each: Callable[[], None], end: float = inf) -> Lessons:
    """Lessons of training images (n, C, S, S) of classes (n,), of the first `MOST_IMAGES` of each class.

    Maps are drawn of the positive ones alone, a few at a time, and of fewer where `DRAWING_SHARE` of the time until
    `end`, on the clock of `time.perf_counter`, is over.
    """
    known = decomposer.calibration[TEACHER]
    negative, positive = (x[torch.nonzero(y == k).squeeze(1)[:MOST_IMAGES]] for k in (0, 1))
    until = end if end == inf else time.perf_counter() + DRAWING_SHARE * (end - time.perf_counter())
    scores = []
    for images in positive.split(TOGETHER):
        drawn = decomposer.draw(images, torch.ones(len(images), dtype=torch.long)).maps[TEACHER]
        scores.append(torch.from_numpy(known.scores(drawn)).float())
        for _ in images:
            after_each()
        if time.perf_counter() > until:
            break
    taught = torch.cat(scores)
    classes = torch.tensor([0] * len(negative) + [1] * len(taught))
    nothing = taught.new_zeros(len(negative), *taught.shape[1:])
    return Lessons(
        torch.cat([negative, positive[: len(taught)]]),
        classes,
        targets_of(torch.cat([nothing, taught]), classes, known.threshold),
    )


def aurocs(decomposer: Decomposer, x: Tensor, y: Tensor) -> tuple[float, float]:
    """How well the highest score of an image tells the classes (n,) of images (n, C, S, S) apart.

    Returns:
        The segmenter's AUROC, and its teacher's.
    """
    maps = decomposer.maps(x, y)
    highest = [decomposer.calibration[TEACHER].scores(maps[TEACHER]).max(axis=(1, 2)), maps[TAUGHT].amax(dim=(1, 2, 3))]
    teacher, own = (float(roc_auc_score(y.numpy() == 1, np.asarray(scores))) for scores in highest)
    return own, teacher


def steps_within_reach(taught: Lessons, config: Config, features: Features | None, end: float) -> int:
    """How many steps to teach: a share of the branches' own, at most `MOST`, and what the time until `end` holds.

    `end` is on the clock of `time.perf_counter`; infinity asks for no clock, and then nothing depends on the machine.
    """
    steps = max(1, min(MOST, round((config.steps or 0) * STEP_SHARE)))
    if end == inf:
        return steps
    began = time.perf_counter()
    teach(taught, config, features, TRIED)
    seconds = (time.perf_counter() - began) / TRIED
    return max(1, min(steps, int((end - time.perf_counter()) * TIME_SHARE / seconds)))


def targets_of(scores: Tensor, y: Tensor, threshold: float) -> Tensor:
    """What is taught by scores (n, S, S) of images of classes (n,): (n, 1, S, S) in [0, 1], a half at the threshold.

    >>> targets_of(torch.tensor([[[0.0, 1.0, 3.0]]] * 2), torch.tensor([1, 0]), threshold=1.0).squeeze().tolist()
    [[0.0, 0.5, 1.0], [0.0, 0.0, 0.0]]
    """
    return ((scores / (2 * max(threshold, 1e-9))).clamp(0, 1) * (y == 1)[:, None, None])[:, None]


def loss_of(logits: Tensor, targets: Tensor, y: Tensor) -> Tensor:
    """What the segmenter pays for logits (B, 1, S, S) of images of classes (B,)."""
    weight = torch.where((targets > UNSURE / 2) & (targets < 0.5), UNSURE_WEIGHT, 1.0)
    pixels = F.binary_cross_entropy_with_logits(logits, targets, weight)
    found = logits.sigmoid()
    dice = 1 - (2 * (found * targets).sum() + 1) / (found.sum() + targets.sum() + 1)
    loudest = found.flatten(1).topk(max(1, int(LOUDEST * found[0].numel())), dim=1).values.mean(dim=1)
    images = F.binary_cross_entropy(loudest.clamp(1e-4, 1 - 1e-4), y.float())
    return pixels + DICE_WEIGHT * dice + CLASS_WEIGHT * images


def teach(
    taught: Lessons,
    config: Config,
    features: Features | None,
    steps: int,
    after_each: Callable[[], None] = lambda: None,
) -> Segmenter:
    """Teach a segmenter.

    Args:
        taught: images and targets.
        config: how images may be moved, the seed of weights and batches, and the device.
        features: frozen; None teaches on pixels alone.
        steps: how many.
        after_each: called after every step; what it raises ends the teaching.
    """
    x, y, targets, seed, device = taught.x, taught.y, taught.targets, config.seed, config.device
    if features is not None:
        features.to(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(seed, 5))
        network = UNet(x.shape[1], features=features is not None)
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    segmenter = Segmenter(network, features)
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    moved = AugmentationSequential(*moves(config.augment), data_keys=["input", "mask"])
    members = [torch.nonzero(y == k).squeeze(1) for k in (0, 1)]
    for step in range(steps):
        chosen = torch.cat([_members(own, step, mix(seed, 6 + k)) for k, own in enumerate(members)])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mix(seed, 8, step))
            images, wanted = moved(x[chosen], targets[chosen])
            images = _roughened(images)
        loss = loss_of(segmenter.logits(images.to(device)), wanted.to(device), y[chosen].to(device))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        after_each()
    network.eval()
    return segmenter


def _members(own: Tensor, step: int, seed: int) -> Tensor:
    """The images of one class in a step's batch."""
    return torch.stack([member(own, position, seed) for position in range(step * EACH, (step + 1) * EACH)])


def _roughened(x: Tensor) -> Tensor:
    """Images in another contrast and brightness, with noise."""
    size = (len(x), 1, 1, 1)
    gain, offset = (1 + GAIN * (2 * torch.rand(size) - 1)), OFFSET * (2 * torch.rand(size) - 1)
    return x * gain + offset + NOISE * torch.rand(size) * torch.randn_like(x)
