"""How branches become images: eqs. (1)-(4).  The only file that indexes branches.

Axes: B images, N branches, C channels, H rows, W columns.  The paper counts branches from 1, arrays from 0.
"""

import torch
from torch import Tensor


def distinction(psi: Tensor) -> Tensor:
    """psi_1, the branch that holds the class: (B, N, C, H, W) -> (B, C, H, W)."""
    return psi[:, 0]


def common(psi: Tensor) -> Tensor:
    """psi_2..psi_N, what the classes share: (B, N, C, H, W) -> (B, N-1, C, H, W); empty for N = 1."""
    return psi[:, 1:]


def compose(psi: Tensor) -> Tensor:
    """Eqs. (2) and (3): x_hat, the sum of all branches.  (B, N, C, H, W) -> (B, C, H, W)."""
    return psi.sum(dim=1)


def blend(own: Tensor, other: Tensor, alpha: Tensor) -> Tensor:
    """One line of eq. (4): branch 1 stays, branches 2..N mix with the other class.

    Args:
        own: psi under the class of the result, (B, N, C, H, W).
        other: psi under another class, same shape.
        alpha: (N-1,) in [0, 1], one vector a batch.

    Returns:
        (B, C, H, W).
    """
    a = alpha[:, None, None, None]  # (N-1, 1, 1, 1)
    mixed = a * common(own) + (1 - a) * common(other)  # (B, N-1, C, H, W)
    return distinction(own) + mixed.sum(dim=1)


def unshare(own: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Take out of branch 1 what it says under both classes.

    Reading: the sum does not change when c(x) moves from branch 1 to the others, so eq. (9) leaves psi_1 free between
    the two classes' values.  Here c is the part of the same sign in both, min(|a|, |b|), and it is dropped: of all
    shifts with the least |a - c| + |b - c|, the smallest one.  What the classes share must then come from branches
    2..N, and contrast does not change.
    """
    a, b = distinction(own), distinction(other)
    shared = torch.clamp(torch.zeros_like(a), torch.minimum(a, b), torch.maximum(a, b))  # (B, C, H, W)
    return _replace_first(own, a - shared), _replace_first(other, b - shared)


def _replace_first(psi: Tensor, first: Tensor) -> Tensor:
    return torch.cat([first[:, None], common(psi)], dim=1)
