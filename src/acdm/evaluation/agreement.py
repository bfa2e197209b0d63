"""What can be known of a map without a mask: whether an image and its mirror image get the same mask."""

import math
from dataclasses import replace

import numpy as np
import torch

from acdm.data.images.frame import squares
from acdm.evaluation import metrics
from acdm.evaluation.looks import own_size
from acdm.evaluation.truth import Truth
from acdm.maps.calibration import score, smoothed
from acdm.maps.decomposer import Decomposer
from acdm.maps.segmentation import cut

IMAGES = 32  # of the positive class, at most


def mirror_dice(decomposer: Decomposer, truth: Truth) -> float:
    """Mean Dice of the default map's masks of an image and of its mirror image, turned back; each drawn alone.

    Over the first `IMAGES` test images of the positive class in which either finds something; NaN where there is none,
    or where the run makes no mirror images.
    """
    if len(decomposer.mirrors) == 1:
        return math.nan
    alone, axes = replace(decomposer, mirrors=((),)), decomposer.mirrors[1]
    name = decomposer.default_map
    known = decomposer.calibration[name]
    chosen = truth.only(decomposer.classes[1])[:IMAGES]
    images = [truth.pictures[i].pixels for i in chosen]
    x, y = squares(images, decomposer.size), torch.ones(len(images), dtype=torch.long)
    views = alone.maps(x, y)[name], alone.maps(x.flip(axes), y)[name].flip(axes)
    pairs = zip(*(own_size(view, images) for view in views), strict=True)
    masks = [[cut(smoothed(score(m, known.polarity), known.scale), known).mask for m in pair] for pair in pairs]
    dices = [metrics.dice(one, other) for one, other in masks if one.any() or other.any()]
    return float(np.mean(dices)) if dices else math.nan
