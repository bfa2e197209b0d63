"""Inference (fig. 2): branches of several views made one, and the maps that they draw.

Axes: n images, N branches, C channels, S rows and columns; pixels in [-1, 1].
"""

import torch
from torch import Tensor

from acdm.core.config import MapName
from acdm.method.compose import compose, distinction


def of_all_views(y: Tensor, views: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Branches of images under their own and the other class, from those of the images and of their mirror images.

    They are the mean over the views.  But to enter the positive class an object has to be put somewhere, in a mirror
    image elsewhere, and the mean would hold halves of both: there the change is the image's alone, upon the mean.

    Args:
        y: (n,) own classes.
        views: branches of the image, then of each mirror image, turned back: own and other, (2, n, N, C, S, S).

    Returns:
        Twice (n, N, C, S, S).
    """
    alone, alone_other = views[0]
    if len(views) == 1:
        return alone, alone_other
    own, other = torch.stack(views).mean(dim=0)
    return own, torch.where((y == 0)[:, None, None, None, None], own + alone_other - alone, other)


def network_maps(x: Tensor, y: Tensor, own: Tensor, other: Tensor) -> dict[MapName, Tensor]:
    """The maps that the networks draw of a batch at network size, (n, C, S, S) each.

    Args:
        x: (n, C, S, S).
        y: (n,) classes, 0 or 1.
        own, other: branches under them and under the other class, (n, N, C, S, S).
    """
    negative = torch.where((y == 0)[:, None, None, None], compose(own), compose(other))
    return {
        "psi1": distinction(own),
        "contrast": distinction(own) - distinction(other),
        "residual": x - negative,
    }
