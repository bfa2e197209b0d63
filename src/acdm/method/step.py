"""One step of both players.

Axes: B images, N branches, C channels, H rows, W columns; pixels in [-1, 1].
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from acdm.core.config import Config, Judged
from acdm.core.device import autocast, channels_last
from acdm.core.processes import ALONE, World
from acdm.errors import DivergedError
from acdm.method import losses
from acdm.method.compose import blend, distinction
from acdm.method.players import Players

GRADIENT_LIMIT = 10.0  # norm; far above what healthy steps show, it only tames rare spikes


@dataclass(frozen=True)
class Images:
    """Images with two classes each.

    Attributes:
        x: (B, C, H, W), channels last.
        y: (B,), their own classes.
        other: (B,), for each a class unlike its own.
    """

    x: Tensor
    y: Tensor
    other: Tensor

    def split(self, count: int) -> tuple["Images", "Images"]:
        """The first `count` of them, and the rest."""
        first, rest = zip(*((t[:count], t[count:]) for t in vars(self).values()), strict=True)
        return Images(*first), Images(*rest)

    def chunk(self, parts: int) -> list["Images"]:
        return [Images(*piece) for piece in zip(*(t.tensor_split(parts) for t in vars(self).values()), strict=True)]


def step(
    players: Players, batch: Images, lesson: Images, alpha: Tensor, index: int, config: Config, world: World = ALONE
) -> dict[str, Tensor]:
    """Train both players on one batch; one pass there and back through branches and discriminator serves both.

    Both gradients are taken at the same weights, then both players move.

    Args:
        players: changed in place.
        batch: to take apart, and the classes to swap to.
        lesson: real images, and the classes that the discriminator shall not take them for; possibly none.
        alpha: (N-1,) of eq. (4).
        index: of the step, from 0.
        config: weights, what the discriminator compares, and in how many parts the batch is computed.
        world: processes that share the batch; each computes its parts of it.

    Returns:
        Each loss as a scalar, unweighted, without a graph.

    Raises:
        DivergedError: when a loss or gradient is not finite, before it reaches any weight.
    """
    for optimiser in (players.critic_optimiser, players.generator_optimiser):
        optimiser.zero_grad(set_to_none=True)
    parts = config.parts * world.size
    own = slice(world.rank * config.parts, (world.rank + 1) * config.parts)
    terms: dict[str, Tensor] = {}
    for piece in zip(batch.chunk(parts)[own], lesson.chunk(parts)[own], strict=True):
        for name, term in _accumulate(players, *piece, alpha, index, config, parts).items():
            terms[name] = terms.get(name, 0) + term.detach() / parts
    _share(players, terms, world)
    _insist_finite(terms)
    for optimiser, name in ((players.critic_optimiser, "critic"), (players.generator_optimiser, "total")):
        for group in optimiser.param_groups:
            norm = get_total_norm([p.grad for p in group["params"] if p.grad is not None])
            if not torch.isfinite(norm):
                raise DivergedError(f"the gradient of loss '{name}' is not finite")
            if norm > GRADIENT_LIMIT:  # rare, and multiplying all by 1 takes time
                clip_grads_with_norm_(group["params"], GRADIENT_LIMIT, norm)
    players.critic_optimiser.step()
    players.generator_optimiser.step()
    players.average.update_parameters(players.branches)
    return terms


def _share(players: Players, terms: dict[str, Tensor], world: World) -> None:
    """Sum gradients and losses over all processes."""
    both = (*players.branches.parameters(), *players.discriminator.parameters())
    names = sorted(terms)
    values = [terms[name].reshape(1).clone() for name in names]
    world.add([*(p.grad for p in both if p.grad is not None), *values])
    terms.update({name: value[0] for name, value in zip(names, values, strict=True)})


def _accumulate(
    players: Players, batch: Images, lesson: Images, alpha: Tensor, index: int, config: Config, parts: int
) -> dict[str, Tensor]:
    """Add both players' gradients of one of the `parts` of a batch.

    R1 comes on every `r1_every`-th step, as many times as strong (lazy regularisation, StyleGAN 2).
    """
    x, y, other, weights = batch.x, batch.y, batch.other, config.loss
    with autocast(x.device, config.precision):
        psi, psi_st = players.branches(x, y, other)  # (B, N, C, H, W) each
        x_hat, x_st = blend(psi, psi_st, alpha), blend(psi_st, psi, alpha)
        genuine = x_hat if config.judged == "paired" else x
        fake, fake_class = x_st, other
        if config.judged == "both":
            fake, fake_class = torch.cat([x_st, x_hat]), torch.cat([other, y])
        turn = torch.empty(len(fake), 1, 1, 1, device=x.device)
        kept = torch.full((len(y), 1, 1, 1), weights.keep, device=x.device)
        believed = _Turned.apply(genuine, kept) if weights.keep else genuine.detach()
        shown = channels_last(torch.cat([believed, _Turned.apply(fake, turn), lesson.x]))
        genuine_logit, fake_logit, taught = players.discriminator(shown).split([len(y), len(fake), len(lesson.x)])

    critic_loss, adversarial = _contest(_in_turn(genuine_logit, y), _in_turn(fake_logit, fake_class), config.judged)
    turn.copy_(weights.adv * _turn(critic_loss, adversarial, fake_logit)[:, None, None, None])
    critic = {"critic": critic_loss}
    if len(lesson.x):
        critic["mismatch"] = losses.l_paired(_in_turn(taught, lesson.y), _in_turn(taught, lesson.other))
    if index % config.optimiser.r1_every == 0:
        real = channels_last(genuine.detach()).requires_grad_(True)
        with autocast(x.device, config.precision):
            logit = _in_turn(players.discriminator(real), y)
        critic["r1"] = losses.r1(logit, real) * config.optimiser.r1_every
    critic_total = critic_loss + weights.mismatch * critic.get("mismatch", 0) + weights.r1 * critic.get("r1", 0)

    terms = _terms(x, x_hat, psi, psi_st)
    plain = losses.objective(terms, weights)  # gradients of the adversarial and the keeping term come from the critic's
    of_both = [*players.branches.parameters(), *players.discriminator.parameters()]
    ((plain + critic_total) / parts).backward(inputs=of_both)
    kept_loss = critic_loss if config.judged == "paired" else 0.0
    total = plain + weights.adv * adversarial + weights.keep * kept_loss
    return {**terms, "adv": adversarial, **critic, "total": total}


def _terms(x: Tensor, x_hat: Tensor, psi: Tensor, psi_st: Tensor) -> dict[str, Tensor]:
    """Eqs. (5)-(9), equal energies and the shared part: all of eq. (10) but the adversarial term."""
    both = torch.cat([psi, psi_st])
    return {
        "rec": losses.l_rec(x, x_hat),
        "grad_rec": losses.l_grad_rec(x, x_hat),
        "dis_rec": losses.l_dis_rec(x, x_hat, distinction(psi)),
        "sqc": losses.l_sqc(both),
        "energy": losses.l_energy(both),
        "sparse": losses.l_sparse(distinction(both)),
        "share": losses.l_share(psi, psi_st),
    }


class _Turned(torch.autograd.Function):
    """The identity, whose gradient is multiplied image by image: one pass back through the discriminator serves both.

    Gradient reversal (Ganin and Lempitsky 2015), scaled: what reaches a swapped image from the critic's loss is the
    derivative by its logit times the logit's gradient, and so is what should reach it from the adversarial term.  A
    reconstruction that is shown as genuine gets the critic's gradient as it is, times `keep`: it shall stay genuine.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, turn: Tensor) -> Tensor:
        ctx.turn = turn  # type: ignore[attr-defined]  # filled in before the backward pass
        return x.view_as(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:
        return grad * ctx.turn, None  # type: ignore[attr-defined]


def _turn(critic: Tensor, adversarial: Tensor, logits: Tensor) -> Tensor:
    """By what the critic's gradient of each image is to be multiplied to be the adversarial term's: (B,)."""
    of_critic, of_adversarial = (
        torch.autograd.grad(loss, logits, retain_graph=True)[0].sum(dim=1) for loss in (critic, adversarial)
    )
    return of_adversarial / of_critic.clamp(min=1e-9)


def _contest(genuine: Tensor, fake: Tensor, judged: Judged) -> tuple[Tensor, Tensor]:
    """What the discriminator and what the generators pay for logits of genuine and generated images."""
    if judged == "paired":
        return losses.l_paired(genuine, fake), losses.l_paired(fake, genuine)
    return losses.l_critic(genuine, fake), losses.l_adv(fake)


def _in_turn(logits: Tensor, y: Tensor) -> Tensor:
    """Of logits (B, K) those of classes y (B,), class by class: two such rows pair within a class."""
    return logits.gather(1, y[:, None])[:, 0][y.argsort(stable=True)]


def _insist_finite(terms: dict[str, Tensor]) -> None:
    finite = torch.isfinite(torch.stack(list(terms.values())))
    if not finite.all():
        raise DivergedError(f"loss '{list(terms)[int((~finite).nonzero()[0])]}' is not finite")
