"""Several findings that begin as one: the branch of any finding, copied for each.

Branches of small and rare findings that begin apart stay silent.  One branch that learned any finding against none
finds each of them at once (ours; docs/results/choices.md, "Several findings that begin as one").
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from acdm.method.players import Players


@torch.no_grad()
def copy_to_each(one: Players, several: Players) -> None:
    """Let every finding begin as any finding ended: branches, logits, averages and the optimisers' moments.

    Common branches stay what they are, and "absent" and "present" of each finding are what "none" and "any" were.

    Args:
        one: of two classes, without and with any finding; it stays as it is.
        several: of K findings, with networks as wide; it is changed in place.
    """
    k, n = several.findings, one.branches.branches
    for begun, fresh in (
        (one.branches, several.branches),
        (one.discriminator, several.discriminator),
        (one.average.module, several.average.module),
    ):
        for name, weight, own in _pairs(begun, fresh):
            own.copy_(_of_each(name, weight, own.shape, k, n))
    several.average.n_averaged.copy_(one.average.n_averaged)
    _copy_moments((one.branches, one.generator_optimiser), (several.branches, several.generator_optimiser), k, n)
    _copy_moments(
        (one.discriminator, one.discriminator_optimiser), (several.discriminator, several.discriminator_optimiser), k, n
    )


def _copy_moments(begun: tuple[nn.Module, Optimizer], fresh: tuple[nn.Module, Optimizer], k: int, n: int) -> None:
    for name, weight, own in _pairs(begun[0], fresh[0]):
        state = {}
        for key, value in begun[1].state[weight].items():
            if value.dim():  # a moment; else the number of steps
                state[key] = torch.empty_like(own).copy_(_of_each(name, value, own.shape, k, n))
            else:
                state[key] = value.clone()
        fresh[1].state[own] = state


def _pairs(begun: nn.Module, fresh: nn.Module) -> Iterator[tuple[str, nn.Parameter, nn.Parameter]]:
    known = dict(begun.named_parameters())
    for name, own in fresh.named_parameters():
        yield name, known[name], own


def _of_each(name: str, weight: Tensor, shape: torch.Size, k: int, n: int) -> Tensor:
    """A tensor of `shape` for K findings out of one for two classes and n branches, the first of which holds them."""
    if weight.shape == shape:  # all branches share it
        return weight
    states, branches = [0, 1] * k, [0] * k + list(range(1, n))
    if name == "mapping.identity.weight":
        return weight[[*states, 0]]  # the last is the style of common branches, which see no state
    if name.startswith("by_features.head."):
        return weight[[0] * k]
    if name.startswith("head."):
        return weight[states]
    if ".affine." in name:  # scales of all branches, then shifts of all branches
        return weight.unflatten(0, (2, n, -1))[:, branches].flatten(0, 2)
    dim = next(at for at, (own, wanted) in enumerate(zip(weight.shape, shape, strict=True)) if own != wanted)
    every = torch.tensor(branches, device=weight.device)
    return weight.unflatten(dim, (n, -1)).index_select(dim, every).flatten(dim, dim + 1)
