"""Teaching the segmenter by the maps of the training images; no mask is seen.

Targets are scores of a map over twice its threshold, at most 1, so that one half stands at the threshold; where the map
is unsure, between `UNSURE` of it and the threshold, a pixel weighs less.  Images of the negative class hold nothing.

Source of the loss terms: cross-entropy and soft Dice (Milletari et al. 2016); the mean of the loudest pixels against
the image's class is multiple-instance learning.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf

import numpy as np
import torch
import torch.nn.functional as F
from kornia.augmentation import AugmentationSequential
from skimage.filters import threshold_otsu
from sklearn.metrics import roc_auc_score
from torch import Tensor

from acdm.core.config import DEFAULT_MAP, TAUGHT, Config, MapName
from acdm.core.device import resident
from acdm.data.augmentation import moves
from acdm.data.batches import FindingBatches, balance, member, mix, some_of_each
from acdm.data.images.arrays import Floats
from acdm.errors import DataError
from acdm.maps.backbone import AnyFeatures, Backbone
from acdm.maps.calibration import calibrate_like_residual
from acdm.maps.decomposer import TOGETHER, Decomposer
from acdm.maps.evidence import attribution
from acdm.maps.features import Features
from acdm.maps.kinds import MARKED
from acdm.maps.probe import Probe, fit_probe
from acdm.maps.segmenter import Segmenter, UNet
from acdm.method.inference import network_maps

MAP: MapName = "evidence"  # that teaches
WORTH = 0.01  # of AUROC, that the probe's weight has to gain
SURE = 0.9  # AUROC from which attributions may teach
LOOKED_AT = 64  # validation images of each class that a choice looks at
ASKED, FEWEST_ASKED = 150, 40  # of each class, that attributions are calibrated on and asked of
WIDER = 5  # times as wide as residual attributions may be smoothed
MOST_IMAGES = 600  # of each class
CHOICE_SHARE, DRAWING_SHARE = 1 / 4, 1 / 3  # of what is left of --minutes
MOST, STEP_SHARE = 600, 1 / 5  # steps, and share of the branches' steps where no clock decides
MOST_OF_FINDINGS = 1200  # by labels, and as many by maps
MOST_UNWEIGHED = 240  # steps of evidence alone, with features: later ones learn its mistakes (docs/results/choices.md)
TRIED = 3  # steps whose speed is measured
TIME_SHARE = 0.9  # of what is left of --minutes; the rest is for calibration
EACH, EACH_CORRECTED = 6, 3  # images of each class in a batch, and of those with masks, where there are any
RATE, DECAY = 2e-3, 1e-2  # AdamW, one cycle
UNSURE = 0.4  # share of the threshold
UNSURE_WEIGHT = 0.2
DICE_WEIGHT, CLASS_WEIGHT = 0.3, 0.1
STATE_WEIGHT = 0.3  # of findings
RARE = -3.0  # logit that findings begin with: few images have one, and few pixels
LOUDEST, LOUDEST_OF_FINDING = 0.01, 0.003  # share of an image's pixels whose mean stands for its class, its state
FEWEST_OF_FINDING = 10  # pixels
GAIN, OFFSET, NOISE = 0.2, 0.2, 0.05  # largest change of contrast and brightness, and deviation, of pixels in [-1, 1]


NO_FEATURES = (
    ": what photographs have in common is unknown to it, as the package of its features is not installed"
    " (pip install 'acdm[features]')"
)


@dataclass(frozen=True)
class Teacher:
    """What the segmenter is taught by.

    Attributes:
        name: as the log calls it.
        scores: from positive images (n, C, S, S) to one number a pixel, (n, S, S); higher means more of the object.
        threshold: of the scores; None takes Otsu's over those of the lessons.
        most: steps that it teaches.
    """

    name: str
    scores: Callable[[Tensor], Floats]
    threshold: float | None
    most: int = MOST

    def scores_of(self, x: Tensor, after_each: Callable[[], None] = lambda: None) -> Floats:
        """Scores of many images, a few at a time."""
        drawn = []
        for part in x.split(TOGETHER):
            drawn.append(self.scores(part))
            after_each()
        return np.concatenate(drawn)


@dataclass(frozen=True)
class Lessons:
    """What a segmenter is taught by.

    Attributes:
        x: (n, C, S, S), images.
        y: (n,) classes; 1 is positive.  Of several findings (n, K) states.
        targets: (n, 1, S, S), as of `targets_of`, or true masks where `corrected`.  Of several findings it says where
            any of them is, or, as (n, K, S, S), where each is; NaN leaves a finding to its states, None all of them.
        corrected: (n,) whether a person's mask is the target; None where there are none.
        most: steps that they are worth.
        places: (n,) of the images among the training images, by which masks find them; None where none will come.
    """

    x: Tensor
    y: Tensor
    targets: Tensor | None
    corrected: Tensor | None = None
    most: int = MOST
    places: Tensor | None = None


def features_of(config: Config, backbone: Backbone | None, say: Callable[[str], None]) -> AnyFeatures | None:
    """What the segmenter sees beside pixels, on the device; None, and a word on it, where that is nothing."""
    features = Features.installed() if config.features == "auto" else backbone
    if features is None:
        say(f"the segmenter sees pixels alone{'' if config.features == 'off' else NO_FEATURES}")
        return None
    return features.to(config.device)


def choose_teacher(
    decomposer: Decomposer,
    features: AnyFeatures | None,
    training: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    seed: int,
    after_each: Callable[[], None] = lambda: None,
    end: float = inf,
) -> tuple[Teacher, float]:
    """Decide what teaches: evidence, evidence weighed by a probe of the features, or attributions.

    Attributions teach where the mean of their loudest pixels tells validation images of the classes apart better than
    evidence's, and well (`SURE`).  The weight is worth it where it gains `WORTH`, as it does where evidence is faint;
    where that is sure, it marks more of the object without (docs/results/choices.md).

    Args:
        decomposer: what draws the maps.
        features: frozen; None leaves the probe out.
        training, validation: images (n, C, S, S) and classes (n,); some of them are looked at.
        seed: of the probe.
        after_each: called now and then; what it raises ends the choice.
        end: when the minutes are over, on the clock of `time.perf_counter`; attributions are drawn of as many images
            as `CHOICE_SHARE` of them holds, and not asked where these are few.

    Returns:
        The teacher, and how well evidence's highest score tells validation images apart (AUROC).
    """
    until, began = part_until(end, CHOICE_SHARE), time.perf_counter()
    evidence = _evidence(decomposer, MOST_UNWEIGHED if features else MOST)
    x, y = _some(validation, LOOKED_AT)
    drawn = evidence.scores_of(x, after_each)
    alone = image_auroc(drawn, y)
    seconds = (time.perf_counter() - began) / len(x)
    each = int(min(ASKED, (until - time.perf_counter()) / seconds / 6))  # two maps of both classes, one of lessons
    if decomposer.judge and each >= FEWEST_ASKED:
        attributions = _attributions(decomposer, *_some(training, each))
        more, classes = _some(validation, each)
        known = drawn if len(more) == len(x) else evidence.scores_of(more, after_each)
        told = [image_auroc(scores, classes, LOUDEST) for scores in (known, attributions.scores_of(more, after_each))]
        if told[1] > max(told[0], SURE):
            return attributions, alone
    if features is not None and time.perf_counter() < until:
        probe = fit_probe(features, *training, seed)
        if image_auroc(drawn * _weight(probe, x), y) >= alone + WORTH:
            name = f"{MAP}, weighed by a probe of the features,"
            return Teacher(name, lambda images: evidence.scores(images) * _weight(probe, images), None), alone
    return evidence, alone


def _evidence(decomposer: Decomposer, most: int) -> Teacher:
    known = decomposer.calibration[MAP]

    def scores(images: Tensor) -> Floats:
        return known.scores(decomposer.draw(images, torch.ones(len(images), dtype=torch.long)).maps[MAP])

    return Teacher(MAP, scores, known.threshold, most)


def _attributions(decomposer: Decomposer, x: Tensor, y: Tensor) -> Teacher:
    """What the residual adds to the judge's decision, calibrated on images (n, C, S, S) of classes (n,)."""
    judge = decomposer.judge
    assert judge is not None

    def attributions(images: Tensor) -> Tensor:
        positive = torch.ones(len(images), dtype=torch.long)
        drawn = network_maps(images, positive, *decomposer.split(images, positive, 1 - positive))
        return attribution(judge, images, drawn["residual"])

    signed = torch.cat([attributions(part) for part in x.split(TOGETHER)])
    known = calibrate_like_residual(signed, y, most=WIDER * decomposer.calibration["residual"].scale)
    return Teacher("attributions", lambda images: known.scores(attributions(images)), known.threshold)


def _some(images: tuple[Tensor, Tensor], each: int) -> tuple[Tensor, Tensor]:
    """Choose so many of the images of each class; returns them and their classes."""
    chosen = some_of_each(images[1], classes=2, each=each)
    return images[0][chosen], images[1][chosen]


def what_it_drew(decomposer: Decomposer) -> Teacher:
    """Let a segmenter's own map teach the next one, beside masks that have come since."""
    return Teacher(
        "what it drew before",
        lambda images: decomposer.objects(images)[:, 0].numpy(),
        decomposer.calibration[TAUGHT].threshold,
    )


def _weight(probe: Probe, x: Tensor) -> Floats:
    """The square root of a probe's probabilities, (n, S, S), of images (n, C, S, S)."""
    return np.asarray(probe.probabilities(x)[:, 0].sqrt())


def image_auroc(scores: Floats, y: Tensor, share: float = 0) -> float:
    """How well the mean of this share of the scores (n, H, W) of each image, the highest or that alone, tells the
    classes (n,) apart.
    """
    loudest = max(1, int(share * scores[0].size))
    highest = np.partition(scores.reshape(len(scores), -1), -loudest, axis=1)[:, -loudest:].mean(axis=1)
    return float(roc_auc_score(y.numpy() == 1, highest))


def mistaken(probabilities: Tensor, y: Tensor) -> float:
    """Share of the pixels that are marked in images of the negative class, by (n, S, S) of images of classes (n,)."""
    return float((probabilities[y == 0] >= MARKED).float().mean())


def lessons(
    teacher: Teacher,
    x: Tensor,
    y: Tensor,
    after_each: Callable[[], None] = lambda: None,
    end: float = inf,
    most: int = MOST_IMAGES,
) -> Lessons:
    """Lessons of training images (n, C, S, S) of classes (n,), or in states (n, K), of at most `most` of each class.

    Maps are drawn of the positive ones alone, which have some finding, a few at a time in an order drawn once and for
    all, and of fewer where `DRAWING_SHARE` of the time until `end`, on the clock of `time.perf_counter`, is over, but
    every finding is there.
    """
    found = y.view(len(y), -1).any(dim=1).long()
    some = some_of_each(found, classes=2, each=most)
    negative, positive = some[found[some] == 0], some[found[some] == 1]
    order = positive[torch.randperm(len(positive), generator=torch.Generator().manual_seed(0))]
    drawn = np.concatenate([teacher.scores(x[places]) for places in drawn_in_time(order, y, end, after_each)])
    positive, by_name = order[: len(drawn)].sort()
    drawn = drawn[by_name.numpy()]
    threshold = float(threshold_otsu(drawn)) if teacher.threshold is None else teacher.threshold
    chosen = torch.cat([negative, positive])
    taught = torch.from_numpy(np.concatenate([np.zeros((len(negative), *drawn.shape[1:])), drawn])).float()
    return Lessons(x[chosen], y[chosen], targets_of(taught, found[chosen], threshold), most=teacher.most, places=chosen)


def drawn_in_time(places: Tensor, y: Tensor, end: float, after_each: Callable[[], None]) -> Iterator[Tensor]:
    """Places (m,) of images to draw maps of, a few at a time, until `DRAWING_SHARE` of the time until `end` is over.

    They go on until each finding is there.

    Args:
        places: of images that have some finding.
        y: (n,) classes or (n, K) states of all images.
        end: on the clock of `time.perf_counter`.
        after_each: called after every image.
    """
    until, seen = part_until(end, DRAWING_SHARE), 0
    for part in places.split(TOGETHER):
        yield part
        for _ in part:
            after_each()
        seen += len(part)
        if time.perf_counter() > until and y[places[:seen]].view(seen, -1).any(dim=0).all():
            return


def with_masks(learned: Lessons, x: Tensor, masks: Mapping[int, Tensor]) -> Lessons:
    """Lessons where masks (1, S, S) of images at their places in x (n, C, S, S) stand for these images' maps.

    Images with a mask are all among them; their class is what the mask says, however small its object is.  Without
    masks they are what was learned.

    Raises:
        DataError: where after the masks no image is left with the object, or none without.
    """
    if not masks:
        return learned
    assert learned.targets is not None
    assert learned.places is not None
    corrected = torch.tensor(sorted(masks))
    others = ~torch.isin(learned.places, corrected)
    drawn = torch.stack([masks[int(index)] for index in corrected])
    y = torch.cat([learned.y[others], (drawn > 0).flatten(1).any(dim=1).long()])
    if len(y.unique()) < 2:
        raise DataError(
            "--masks: with these masks every training image has the object, or none has; a mask is all zero where there"
            " is nothing, and nonzero where the object is"
        )
    return Lessons(
        torch.cat([learned.x[others], x[corrected]]),
        y,
        torch.cat([learned.targets[others], drawn]),
        torch.arange(int(others.sum()) + len(corrected)) >= int(others.sum()),
    )


def part_until(end: float, share: float) -> float:
    """When a share of the time from now to `end` is over, on the clock of `time.perf_counter`; infinity stays."""
    return time.perf_counter() + share * (end - time.perf_counter())


def in_words(segmenter: Segmenter) -> str:
    """Say how well a segmenter tells validation images apart, and which map is the default with it."""
    return (
        f"tells validation images apart with an AUROC of {segmenter.auroc:.3f}, evidence with"
        f" {segmenter.evidence_auroc:.3f}: the default map is {TAUGHT if segmenter.trusted else DEFAULT_MAP}"
    )


def steps_within_reach(taught: Lessons, config: Config, features: AnyFeatures | None, end: float) -> int:
    """How many steps to teach, at most what the lessons are worth: what the time until `end` holds, or a share of the
    branches' own.

    `end` is on the clock of `time.perf_counter`; infinity asks for no clock, and then nothing depends on the machine.
    """
    if end == inf:
        return max(1, min(taught.most, round((config.steps or 0) * STEP_SHARE)))
    began = time.perf_counter()
    teach(taught, config, features, TRIED)
    seconds = (time.perf_counter() - began) / TRIED
    return max(1, min(taught.most, int((end - time.perf_counter()) * TIME_SHARE / seconds)))


def targets_of(scores: Tensor, y: Tensor, threshold: float) -> Tensor:
    """What is taught by scores (n, S, S) of images of classes (n,): (n, 1, S, S) in [0, 1], a half at the threshold.

    >>> targets_of(torch.tensor([[[0.0, 1.0, 3.0]]] * 2), torch.tensor([1, 0]), threshold=1.0).squeeze().tolist()
    [[0.0, 0.5, 1.0], [0.0, 0.0, 0.0]]
    """
    return ((scores / (2 * max(threshold, 1e-9))).clamp(0, 1) * (y == 1)[:, None, None])[:, None]


def loss_of(logits: Tensor, targets: Tensor, y: Tensor, sure: Tensor | None = None) -> Tensor:
    """What the segmenter pays for logits (B, K, S, S) of images of classes (B,), or in states (B, K).

    Where `sure` (B,), of classes, the target is a person's mask, and no pixel of it weighs less.
    """
    if y.ndim == 1:
        images = F.binary_cross_entropy(_loudest(logits.sigmoid(), LOUDEST, 1)[:, 0], y.float())
        return _pixel_loss(logits, targets, sure) + CLASS_WEIGHT * images
    if targets.shape[1] < y.shape[1]:
        absent = F.softplus(logits)[y == 0].mean()
        return _pixel_loss(any_of(logits, y), targets) + absent + STATE_WEIGHT * state_loss(logits, y)
    located = ~targets.isnan().flatten(2).any(dim=2).any(dim=0)  # (K,)
    return _pixel_loss(logits[:, located], targets[:, located]) + STATE_WEIGHT * state_loss(logits, y)


def any_of(logits: Tensor, states: Tensor) -> Tensor:
    """Logit (B, 1, S, S) of any of the findings that images in states (B, K) have, of logits (B, K, S, S).

    Its probability is 1 less the product of (1 - p) over these, a noisy-or (Pearl 1988).

    >>> even, unlikely = torch.zeros(1, 2, 1, 1), torch.full((1, 1, 1, 1), -40.0)
    >>> round(any_of(torch.cat([even, unlikely], dim=1), torch.tensor([[1, 1, 1]])).sigmoid().item(), 4)
    0.75
    """
    none = (F.softplus(logits) * states[:, :, None, None]).sum(dim=1, keepdim=True).clamp_min(1e-6)  # its -log
    return none + torch.log(-torch.expm1(-none))


def _pixel_loss(logits: Tensor, targets: Tensor, sure: Tensor | None = None) -> Tensor:
    unsure = (targets > UNSURE / 2) & (targets < 0.5)
    if sure is not None:
        unsure &= ~sure[:, None, None, None]
    weight = torch.where(unsure, UNSURE_WEIGHT, 1.0)
    pixels = F.binary_cross_entropy_with_logits(logits, targets, weight)
    found = logits.sigmoid()
    both, either = ((found * targets).sum(dim=(0, 2, 3)), (found + targets).sum(dim=(0, 2, 3)))
    return pixels + DICE_WEIGHT * (1 - (2 * both + 1) / (either + 1)).mean()


def state_loss(logits: Tensor, states: Tensor) -> Tensor:
    """What the segmenter pays for the loudest pixels of logits (B, K, S, S) of images in states (B, K).

    Of each finding, images with it weigh as much as images without.
    """
    loudest = _loudest(logits.sigmoid(), LOUDEST_OF_FINDING, FEWEST_OF_FINDING)
    loss = F.binary_cross_entropy(loudest, states.float(), reduction="none")
    return (loss * balance(states)).mean()


def _loudest(found: Tensor, share: float, fewest: int) -> Tensor:
    """The mean of the loudest share of the pixels of probabilities (B, K, S, S), but of so many at least: (B, K)."""
    pixels = found.flatten(2)
    return pixels.topk(max(fewest, int(share * pixels.shape[2])), dim=2).values.mean(dim=2).clamp(1e-4, 1 - 1e-4)


def teach(
    taught: Lessons,
    config: Config,
    features: AnyFeatures | None,
    steps: int,
    after_each: Callable[[], None] = lambda: None,
    begun: UNet | None = None,
) -> Segmenter:
    """Teach a segmenter.

    Args:
        taught: images and targets.
        config: how images may be moved, the seed of weights and batches, and the device.
        features: frozen; None teaches on pixels alone.
        steps: how many.
        after_each: called after every step; what it raises ends the teaching.
        begun: a network that goes on learning, in place of a fresh one.
    """
    seed, device = config.seed, config.device
    x, y = (resident(tensor, device) for tensor in (taught.x, taught.y))
    targets = resident(taught.targets, device) if taught.targets is not None else None
    if features is not None:
        features.to(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(seed, 5))
        findings = y.shape[1] if y.ndim == 2 else 1
        network = begun or UNet(x.shape[1], features.channels if features else (), findings)
        if begun is None and y.ndim == 2:
            network.head.state_dict()["bias"].fill_(RARE)
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    segmenter = Segmenter(network, features)
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY, fused=x.is_cuda)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    moved = AugmentationSequential(*moves(config.augment), data_keys=["input", "mask"])
    drawn = _chooser(taught, config)
    for step in range(steps):
        chosen = drawn(step).to(x.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mix(seed, 8, step))
            images, wanted = moved(x[chosen], (x if targets is None else targets)[chosen])
            images = _roughened(images)
        logits = segmenter.logits(images.to(device))
        if targets is None:
            loss = state_loss(logits, y[chosen].to(device))
        else:
            sure = taught.corrected[chosen.cpu()].to(device) if taught.corrected is not None else None
            loss = loss_of(logits, wanted.to(device), y[chosen].to(device), sure)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        after_each()
    network.eval()
    return segmenter


def _chooser(taught: Lessons, config: Config) -> Callable[[int], Tensor]:
    """Make what finds the places of a step's images among the lessons."""
    if taught.y.ndim == 2:
        batches = FindingBatches(taught.x, taught.y, 2 * EACH, config.augment, config.seed)
        return lambda step: batches.drawn(step)[0]
    return lambda step: torch.cat([_members(taught, k, step, config.seed) for k in (0, 1)])


def _members(taught: Lessons, k: int, step: int, seed: int) -> Tensor:
    """Places of one class's images in a step's batch; `EACH_CORRECTED` are those with masks, where there are any."""
    corrected = torch.zeros_like(taught.y, dtype=torch.bool) if taught.corrected is None else taught.corrected
    by_map, by_mask = (torch.nonzero((taught.y == k) & (corrected == theirs)).squeeze(1) for theirs in (False, True))
    some = 0 if not len(by_mask) else EACH_CORRECTED if len(by_map) else EACH
    parts = ((by_map, EACH - some, mix(seed, 6 + k)), (by_mask, some, mix(seed, 10 + k)))
    return torch.stack(
        [
            member(own, position, known)
            for own, each, known in parts
            for position in range(step * each, (step + 1) * each)
        ]
    )


def _roughened(x: Tensor) -> Tensor:
    """Images in another contrast and brightness, with noise."""
    size = (len(x), 1, 1, 1)
    device = x.device
    gain = 1 + GAIN * (2 * torch.rand(size, device=device) - 1)
    offset = OFFSET * (2 * torch.rand(size, device=device) - 1)
    return x * gain + offset + NOISE * torch.rand(size, device=device) * torch.randn_like(x)
