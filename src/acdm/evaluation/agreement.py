"""What can be known of a map without a mask: whether an image and its mirror image get the same mask."""

import math
from dataclasses import replace

import numpy as np
import torch

from acdm.core.config import TAUGHT
from acdm.data.images.frame import squares
from acdm.evaluation import metrics
from acdm.evaluation.looks import own_size
from acdm.evaluation.truth import Truth
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
    name, axes = decomposer.default_map, decomposer.mirrors[1]
    alone = replace(decomposer, mirrors=((),), alone=name == TAUGHT)  # without the branches, where they draw nothing
    known = decomposer.calibration[name]
    dices = []
    for i in truth.only(decomposer.classes[1])[:IMAGES]:
        image = truth.pictures[i].pixels
        x, y = squares([image], decomposer.size), torch.ones(1, dtype=torch.long)
        views = alone.maps(x, y)[name], alone.maps(x.flip(axes), y)[name].flip(axes)
        one, other = (cut(known.scores(own_size(view, [image])[0]), known).mask for view in views)
        if one.any() or other.any():
            dices.append(metrics.dice(one, other))
    return float(np.mean(dices)) if dices else math.nan
