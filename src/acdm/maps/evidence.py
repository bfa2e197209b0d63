"""The evidence map: the residual, weighed by how much the judge's decision hangs on a place.

The residual holds all that the swap changes, beside the object also what merely comes along: light, grain, background.
The judge, trained apart, looks at what tells the classes apart and little else, but coarsely; together they see better
than either (docs/results/choices.md).

Source: integrated gradients (Sundararajan, Taly, Yan 2017) on the straight path from a counterfactual, of which only
where they are large is used.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from acdm.maps.judge import Judge

POINTS = 2  # of the path
WINDOW = 1 / 8  # share of the side that gradients are averaged over
TOGETHER = 32 * 64**2  # pixels that the judge sees at once; at least one image


def evidence(judge: Judge, x: Tensor, residual: Tensor) -> Tensor:
    """The residual times the square root of S times the judge's mean |gradient| near each place; its sign is kept.

    S, the side, keeps factors comparable between sizes, for the more pixels, the less hangs on each.

    Args:
        judge: of the classes; class 1 is positive.
        x: (n, C, S, S) in [-1, 1].
        residual: (n, C, S, S), x less its reconstruction under the negative class.

    Returns:
        (n, C, S, S).
    """
    weights = gradients(judge, x, residual).abs().mean(dim=1, keepdim=True)
    return residual * (x.shape[-1] * nearby(weights, WINDOW)).sqrt()


def attribution(judge: Judge, x: Tensor, residual: Tensor) -> Tensor:
    """What each pixel of the residual adds to the judge's decision: integrated gradients from the counterfactual.

    Over all pixels and channels they add up to the logits' difference at x less that at x - residual, as nearly as
    `POINTS` points of the path allow.

    Args and returns as for `evidence`, but positive is what speaks for class 1.
    """
    return residual * gradients(judge, x, residual)


def nearby(weights: Tensor, share: float) -> Tensor:
    """The mean of (n, 1, S, S) over a window of a share of the side, an odd number of pixels, about each place."""
    window = round(share * weights.shape[-1]) // 2 * 2 + 1
    return F.avg_pool2d(weights, window, 1, window // 2, count_include_pad=False)


def gradients(judge: Judge, x: Tensor, residual: Tensor) -> Tensor:
    """d (positive logit - negative logit) / d pixel, averaged over the path from x - residual to x, (n, C, S, S)."""
    count = max(1, TOGETHER // (x.shape[-1] * x.shape[-2]))
    parts = []
    judge.network.eval()
    with torch.inference_mode(False), torch.enable_grad():  # wherever it is called from
        for image, left in zip(x.split(count), residual.split(count), strict=True):
            total = torch.zeros_like(image)
            for k in range(POINTS):
                point = (image - (k + 0.5) / POINTS * left).clone().requires_grad_(True)
                logits = judge.network(point.to(judge.device))
                total += torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), point)[0]
            parts.append(total / POINTS)
    return torch.cat(parts)
