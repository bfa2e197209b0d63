"""Do images have an up and a left?

Where a simple model cannot tell them from their mirror images, training may flip them.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

Floats = NDArray[np.floating]

FOLDS = 5
ENOUGH = 2000  # images; more say nothing new
ALIKE = 0.85  # share of pairs told right, below which images may be flipped; heads have .95, aerial views up to .6
STRENGTH = 0.01  # of the regression: weak, for there are as many numbers as images


def told_from_mirror(thumbnails: Floats, groups: list[str], axis: int, seed: int = 0) -> float:
    """Share of images that a logistic regression tells from their mirror image; .5 is chance, 1 always.

    Each image makes a pair with its mirror image, and of both their difference is seen.  Groups stay whole.

    Args:
        thumbnails: (n, G, G), brightness.
        groups: of each image; with fewer than two of them, 1 is returned: nothing is known.
        axis: 1 turns upside down, 2 swaps left and right.
        seed: of the folds, and of the images chosen where there are very many.
    """
    chosen = np.random.default_rng(seed).permutation(len(thumbnails))[:ENOUGH]
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
            LogisticRegression(C=STRENGTH, fit_intercept=False).fit(both, which).decision_function(difference[held])
        )
        right[held] = np.where(scores == 0, 0.5, scores > 0)
    return float(right.mean())
