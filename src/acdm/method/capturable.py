"""The step of both players without a word to the host, as CUDA graphs want it.

Nothing here asks a device for a value: limits are applied to every gradient, learning rates and the moving average's
memory are tensors, and where a loss or gradient is not finite the optimisers move nothing and say so afterwards.
`acdm.method.step` does the same, and asks; it is what processors use.
"""

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import Adam

from acdm.core.config import Config
from acdm.method.players import Players
from acdm.method.step import GRADIENT_LIMIT, Draw, find_gradients

GRADIENTS = ("discriminator gradient", "total gradient")  # their norms, told beside the losses; loss first


def make_capturable(players: Players) -> None:
    """Have both optimisers and the moving average read what changes from step to step from their device."""
    device = next(players.branches.parameters()).device
    players.average.n_averaged = players.average.n_averaged.to(device)
    for optimiser in (players.discriminator_optimiser, players.generator_optimiser):
        for group in optimiser.param_groups:
            group["capturable"] = True
            group["lr"] = torch.tensor(float(group["lr"]), device=device)


def make_eager(players: Players) -> None:
    """Undo `make_capturable`."""
    players.average.n_averaged = players.average.n_averaged.cpu()
    for optimiser in (players.discriminator_optimiser, players.generator_optimiser):
        optimiser.found_inf = None  # type: ignore[attr-defined]
        for group in optimiser.param_groups:
            group["capturable"] = False
            group["lr"] = float(group["lr"])


def capturable_step(players: Players, draw: Draw, config: Config) -> dict[str, Tensor]:
    """Train both players on one batch, as `acdm.method.step.step` does.

    Args:
        players: those of `make_capturable`; changed in place.
        draw: what the step is done on.
        config: as there.

    Returns:
        Each loss as a scalar, and both gradients' norms under the names of `GRADIENTS`.  Where one of them is not
        finite, no weight has moved.
    """
    terms = find_gradients(players, draw, config)
    both = (players.discriminator_optimiser, players.generator_optimiser)
    for optimiser, name in zip(both, GRADIENTS, strict=True):
        parameters = _with_gradients(optimiser)
        norm = get_total_norm([p.grad for p in parameters if p.grad is not None])
        clip_grads_with_norm_(parameters, GRADIENT_LIMIT, norm)
        terms[name] = norm
    bad = (~torch.isfinite(torch.stack([term.float() for term in terms.values()]))).any().float()
    for optimiser in both:
        optimiser.found_inf = bad  # type: ignore[attr-defined]  # fused Adam then moves nothing
        optimiser.step()
    _average(players, config.optimiser.ema)
    return terms


def _with_gradients(optimiser: Adam) -> list[torch.nn.Parameter]:
    return [p for group in optimiser.param_groups for p in group["params"] if p.grad is not None]


@torch.no_grad()
def _average(players: Players, decay: float) -> None:
    """Move the average as `acdm.method.players.moving_average` does; its count stays on the device."""
    average = players.average
    n = average.n_averaged
    memory = torch.where(n == 0, 0.0, ((1 + n) / (10 + n)).clamp(max=decay))
    averages: list[Tensor] = list(average.module.parameters())
    currents: list[Tensor] = list(players.branches.parameters())
    moves = list(torch._foreach_sub(currents, averages))
    torch._foreach_mul_(moves, 1 - memory)
    torch._foreach_add_(averages, moves)
    n += 1
