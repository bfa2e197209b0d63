"""How branches become images: eqs. (1)-(4).  The only file that indexes branches.

Axes: B images, N branches, C channels, H rows, W columns.  The paper counts branches from 1, arrays from 0.
"""

import torch
from torch import Tensor


def distinction(psi: Tensor) -> Tensor:
    """Take psi_1, the branch that holds the class: (B, N, C, H, W) -> (B, C, H, W)."""
    return psi[:, 0]


def common(psi: Tensor) -> Tensor:
    """Take psi_2..psi_N, what the classes share: (B, N, C, H, W) -> (B, N-1, C, H, W); empty for N = 1."""
    return psi[:, 1:]


def compose(psi: Tensor) -> Tensor:
    """Sum all branches to x_hat, eqs. (2) and (3).  (B, N, C, H, W) -> (B, C, H, W)."""
    return psi.sum(dim=1)


def blend(own: Tensor, other: Tensor, alpha: Tensor) -> Tensor:
    """One line of eq. (4): branch 1 stays, branches 2..N mix with the other class.

    Args:
        own: psi under the class of the result, (B, N, C, H, W).
        other: psi under another class, same shape.
        alpha: (N-1,) in [0, 1], one vector a batch.

    Returns:
        (B, C, H, W).

    >>> import torch
    >>> own, other = (torch.tensor(psi).view(1, 3, 1, 1, 1) for psi in ([5.0, 1.0, 2.0], [9.0, 3.0, 6.0]))
    >>> blend(own, other, torch.tensor([1.0, 0.5])).item()  # 5 + 1 + (2 + 6) / 2
    10.0
    """
    a = alpha[:, None, None, None]  # (N-1, 1, 1, 1)
    mixed = a * common(own) + (1 - a) * common(other)  # (B, N-1, C, H, W)
    return distinction(own) + mixed.sum(dim=1)


def sparsest(own: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Take out of branch 1 what it holds under both classes alike, and share it out among the other branches.

    That changes no image, for each sum stays what it is (eqs. 2 and 3), and no blend of eq. (4), for branches 2..N get
    the same under both classes.  Among all that can be moved so, it leaves the least |psi_1| (eq. 9), and of those that
    leave the least it moves the least.  With one branch nothing can be moved.

    Args:
        own, other: psi under two classes, (B, N, C, H, W) each.

    Returns:
        Twice (B, N, C, H, W).

    >>> import torch
    >>> own, other = torch.tensor([[3.0, 2.0], [0.0, 0.0]]), torch.tensor([[1.0, -1.0], [5.0, 5.0]])
    >>> moved = sparsest(own.view(1, 2, 1, 1, 2), other.view(1, 2, 1, 1, 2))
    >>> [psi.flatten().tolist() for psi in moved]  # 1 is moved of 3 and 1, nothing of 2 and -1
    [[2.0, 2.0, 1.0, 0.0], [0.0, -1.0, 6.0, 5.0]]
    """
    branches = own.shape[1]
    if branches == 1:
        return own, other
    pair = distinction(own), distinction(other)
    alike = torch.minimum(*pair).clamp(min=0) + torch.maximum(*pair).clamp(max=0)  # (B, C, H, W)
    moved = torch.stack([-alike, *[alike / (branches - 1)] * (branches - 1)], dim=1)
    return own + moved, other + moved
