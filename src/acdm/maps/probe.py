"""A linear probe of frozen features, fitted to the images' classes alone: multiple-instance learning.

A positive image holds something somewhere, a negative image nothing anywhere.  Logistic regression tells mean features
of the classes apart; then, `ROUNDS` times, the places of positive images that it takes most for the object against the
places of negative ones that it takes most for it, and some more.

Source: Andrews et al. 2002 (multiple-instance learning by turns of choosing and fitting).
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from acdm.data.batches import some_of_each
from acdm.maps.backbone import AnyFeatures
from acdm.maps.features import SIDE

GRID = SIDE // 8  # places a side
IMAGES, MOST_VALUES = 300, 200_000_000  # of each class; a large backbone has so many values in fewer images
ROUNDS = 6
LOUDEST = 0.02  # share of an image's places
INVERSE_PENALTY = 1e-2  # C of logistic regression
TOGETHER = 16  # images

Places = NDArray[np.float32]
"""(n, GRID * GRID, D), features of n images place by place."""


@dataclass(frozen=True)
class Probe:
    """A direction in the space of features.

    Attributes:
        features: frozen.
        weights: (D,).
        bias: of the logit.
    """

    features: AnyFeatures
    weights: Tensor
    bias: float

    def probabilities(self, x: Tensor) -> Tensor:
        """Probability of the object at every pixel of images (n, C, S, S): (n, 1, S, S)."""
        drawn = []
        for part in x.split(TOGETHER):
            logits = (_places(self.features, part) * self.weights[:, None, None]).sum(dim=1, keepdim=True) + self.bias
            drawn.append(F.interpolate(logits, part.shape[-2:], mode="bilinear").sigmoid())
        return torch.cat(drawn)


def fit_probe(features: AnyFeatures, x: Tensor, y: Tensor, seed: int) -> Probe:
    """Fit a probe to images (n, C, S, S) of classes (n,), at most `IMAGES` of each; 1 is positive."""
    each = min(IMAGES, max(TOGETHER, MOST_VALUES // (GRID**2 * sum(features.channels))))
    chosen = some_of_each(y, classes=2, each=each)
    negative, positive = (_all_places(features, x[chosen[y[chosen] == k]]) for k in (0, 1))
    mean = (negative.mean(axis=(0, 1)) + positive.mean(axis=(0, 1))) / 2
    deviation = negative.std(axis=(0, 1)) + 1e-3
    for places in (negative, positive):
        places -= mean
        places /= deviation
    weights = _fitted(positive.mean(axis=1), negative.mean(axis=1))[0]
    bias, rng = 0.0, np.random.default_rng(seed)
    for _ in range(ROUNDS):
        found, mistaken = (_loudest(places, weights) for places in (positive, negative))
        others = rng.integers(0, negative.shape[1], (len(negative), max(1, int(LOUDEST * negative.shape[1]))))
        anywhere = np.take_along_axis(negative, others[..., None], axis=1).reshape(-1, negative.shape[2])
        weights, bias = _fitted(found, np.concatenate([mistaken, anywhere]))
    scaled = weights / deviation
    return Probe(features, torch.from_numpy(scaled.astype(np.float32)), float(bias - mean @ scaled))


def _fitted(positive: Places, negative: Places) -> tuple[NDArray[np.float64], float]:
    """Weights and bias of the logistic regression that tells (n, D) and (m, D) apart."""
    y = np.concatenate([np.ones(len(positive)), np.zeros(len(negative))])
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=200, class_weight="balanced")
    model.fit(np.concatenate([positive, negative]), y)
    return model.coef_[0], float(model.intercept_[0])


def _loudest(places: Places, weights: NDArray[np.float64]) -> Places:
    """The places of each image that weigh most, (n * k, D)."""
    k = max(1, int(LOUDEST * places.shape[1]))
    chosen = np.argpartition(-(places @ weights.astype(np.float32)), k - 1, axis=1)[:, :k]
    return np.take_along_axis(places, chosen[..., None], axis=1).reshape(-1, places.shape[2])


def _all_places(features: AnyFeatures, x: Tensor) -> Places:
    parts = [_places(features, part).flatten(2).transpose(1, 2).numpy() for part in x.split(TOGETHER)]
    return np.concatenate(parts)


@torch.no_grad()
def _places(features: AnyFeatures, x: Tensor) -> Tensor:
    """Features of all levels on one grid, (n, D, GRID, GRID), of images (n, C, S, S), on the CPU."""
    device = next(iter((*features.parameters(), *features.buffers()))).device
    levels = [F.interpolate(level, (GRID, GRID), mode="bilinear", antialias=True) for level in features(x.to(device))]
    return torch.cat(levels, dim=1).float().cpu()
