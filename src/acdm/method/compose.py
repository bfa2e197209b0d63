"""How branches become images: eqs. (1)-(4).  The only file that indexes branches.

Axes: B images, N branches, C channels, H rows, W columns.  The paper counts branches from 1, arrays from 0.
"""

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
