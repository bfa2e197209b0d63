"""The objective: eqs. (5)-(10), the equal-energy term, and the adversarial loss with R1.

Axes: B images, N branches, C channels, H rows, W columns; pixels in [-1, 1].

Reading for all: the paper writes sums over pixels; these are means, so that weights carry across image sizes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from acdm.core.config import Weights
from acdm.method.compose import common


def l_rec(x: Tensor, x_hat: Tensor) -> Tensor:
    """Eq. (5): |x - x_hat| + (x - x_hat)^2.

    >>> l_rec(torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.0])).item()  # (.5 + .25) / 2
    0.375
    """
    return _fidelity(x, x_hat).mean()


def l_grad_rec(x: Tensor, x_hat: Tensor) -> Tensor:
    """Eq. (6): eq. (5) of the gradients.

    Reading: the operator is not named; forward differences, the two directions weighing the same.
    """
    return (l_rec(x.diff(dim=-1), x_hat.diff(dim=-1)) + l_rec(x.diff(dim=-2), x_hat.diff(dim=-2))) / 2


def l_dis_rec(x: Tensor, x_hat: Tensor, psi_1: Tensor) -> Tensor:
    """Eq. (7): eq. (5) where branch 1 speaks louder than its own mean.

    Reading: "the entire branch" is one image's; the indicator has no gradient.  Where |psi_1| is constant, as at zero
    initialisation, the indicator is empty and the term is 0, not 0/0.
    """
    loudness = psi_1.detach().abs()  # (B, C, H, W)
    indicator = loudness > loudness.mean(dim=(1, 2, 3), keepdim=True)
    return (_fidelity(x, x_hat) * indicator).sum() / indicator.sum().clamp(min=1)


def l_sqc(psi: Tensor) -> Tensor:
    """Eq. (8): penalise overlap of branches.  Eq. (10) prints it as L_sqr.

    Zero where one branch speaks alone, but also where cross terms cancel: (2, 2, -1).

    >>> [l_sqc(torch.tensor(psi).view(1, -1, 1, 1, 1)).item() for psi in ([3.0, 0.0], [1.0, 1.0], [2.0, 2.0, -1.0])]
    [0.0, 4.0, 0.0]
    """
    overlap = psi.square().sum(dim=1) - psi.sum(dim=1).square()  # (B, C, H, W)
    return overlap.square().mean()


def l_energy(psi: Tensor) -> Tensor:
    """Equal energies of branches 2..N (section 3.4.3; words only).

    Reading: squared deviation of each branch's share of the energy from 1/(N-1), summed; an image at a time.
    0 when all are equal, and for N < 3, where nothing can be unequal.
    """
    energy = common(psi).square().mean(dim=(2, 3, 4))  # (B, N-1)
    n = energy.shape[1]
    if n < 2:
        return psi.new_zeros(())
    share = energy / energy.sum(dim=1, keepdim=True).clamp(min=1e-8)
    return (share - 1 / n).square().sum(dim=1).mean()


def l_sparse(psi_1: Tensor) -> Tensor:
    """Eq. (9): L1 norm of branch 1.

    >>> l_sparse(torch.tensor([-3.0, 1.0])).item()
    2.0
    """
    return psi_1.abs().mean()


def l_share(own: Tensor, other: Tensor) -> Tensor:
    """Mean difference of branches 2..N between the classes: what eq. (4) drives to zero, asked for outright.

    Ours, not the paper's: alpha-blending alone leaves the object's outline in the other branches for long.
    """
    if own.shape[1] < 2:
        return own.new_zeros(())
    return (common(own) - common(other)).abs().mean()


def l_adv(logit: Tensor) -> Tensor:
    """What the generators pay for images whose logit for their class is `logit` (B,): non-saturating softplus."""
    return F.softplus(-logit).mean()


def l_discriminator(genuine: Tensor, generated: Tensor) -> Tensor:
    """What the discriminator pays: genuine images of class y should score high, generated ones low."""
    return F.softplus(-genuine).mean() + F.softplus(generated).mean()


def l_paired(better: Tensor, worse: Tensor) -> Tensor:
    """What a player pays for logits `worse` (B,) that are not below their partners `better` (B,): softplus.

    The relativistic pairing loss (Jolicoeur-Martineau 2019; Huang et al. 2024); only differences count, so that nothing
    is learned of what both sides of a pair have.  Between real images of a class and real images of other classes it
    is the matching-aware discriminator (Reed et al. 2016).
    """
    return F.softplus(worse - better).mean()


def r1(logit: Tensor, x: Tensor) -> Tensor:
    """R1 (Mescheder et al. 2018): half the squared gradient of genuine logits by the image, summed over pixels."""
    (gradient,) = torch.autograd.grad(logit.sum(), x, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean() / 2


def objective(terms: dict[str, Tensor], weights: Weights) -> Tensor:
    """Eq. (10): the weighted sum.  A term finds its weight by name."""
    return torch.stack([getattr(weights, name) * term for name, term in terms.items()]).sum()


def _fidelity(x: Tensor, x_hat: Tensor) -> Tensor:
    error = x - x_hat
    return error.abs() + error.square()
