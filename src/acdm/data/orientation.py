"""Do images have an up and a left?

Where a simple model cannot tell them from their mirror images, training may flip them.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from acdm.data.images.arrays import Floats

FOLDS = 5
MAX_IMAGES = 2000  # more say nothing new
FLIP_BELOW = 0.85  # accuracy below which images may be flipped; heads have .95, aerial views up to .6
REGRESSION_C = 0.01  # a strong penalty, for there are as many numbers as images


def mirror_accuracy(thumbnails: Floats, groups: list[str], axis: int, seed: int = 0) -> float:
    """Share of images that a logistic regression tells from their mirror images; .5 is chance, 1 always.

    Each image makes a pair with its mirror image, and the regression sees their difference.  Groups stay whole.

    Args:
        thumbnails: (n, G, G), brightness.
        groups: each image's group; with fewer than two groups the answer is 1, for nothing is known.
        axis: 1 turns images upside down, 2 swaps left and right.
        seed: decides the folds, and which images are looked at where there are very many.
    """
    chosen = np.random.default_rng(seed).permutation(len(thumbnails))[:MAX_IMAGES]
    group = np.asarray(groups)[chosen]
    folds = min(FOLDS, len(set(group)))
    if folds < 2:
        return 1.0
    difference = (thumbnails - np.flip(thumbnails, axis))[chosen].reshape(len(chosen), -1)
    difference = difference / np.maximum(np.sqrt((difference**2).mean(axis=0)), 1e-9)
    right = np.zeros(len(chosen))
    for fit, held in GroupKFold(folds, shuffle=True, random_state=seed).split(difference, groups=group):
        both, which = np.concatenate([difference[fit], -difference[fit]]), np.repeat([1, 0], len(fit))
        scores = (
            LogisticRegression(C=REGRESSION_C, fit_intercept=False).fit(both, which).decision_function(difference[held])
        )
        right[held] = np.where(scores == 0, 0.5, scores > 0)
    return float(right.mean())
