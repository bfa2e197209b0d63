"""One step of both players.

Axes: B images, N branches, C channels, H rows, W columns; pixels in [-1, 1].
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.func import functional_call
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from acdm.core.config import Config, Judged, Weights
from acdm.core.device import autocast, channels_last
from acdm.core.processes import ALONE, ProcessGroup
from acdm.errors import DivergedError
from acdm.method import losses
from acdm.method.compose import blend, distinction
from acdm.method.discriminator import Discriminator
from acdm.method.players import Players

GRADIENT_LIMIT = 10.0  # a norm far above what healthy steps show; it only tames rare spikes


@dataclass(frozen=True)
class Batch:
    """Images with two classes each.

    Attributes:
        x: (B, C, H, W), channels last.
        y: (B,), their own classes.
        other: (B,), for each a class unlike its own.
        states: (B, K), 1 where a finding is present, else 0; None where there are two classes.
        k: (B,), which finding `y` and `other` are states of; None where there are two classes.
    """

    x: Tensor
    y: Tensor
    other: Tensor
    states: Tensor | None = None
    k: Tensor | None = None

    def split(self, count: int) -> tuple["Batch", "Batch"]:
        """The first `count` images, and the rest."""
        first, rest = self._cut([count])
        return first, rest

    def chunk(self, parts: int) -> list["Batch"]:
        """The images in `parts` parts."""
        return self._cut(parts)

    def as_judged(self) -> "Batch":
        """Count classes as the discriminator does: absent and present of each finding; two classes stay."""
        return self if self.k is None else replace(self, y=2 * self.k + self.y, other=2 * self.k + self.other)

    def _cut(self, where: int | list[int]) -> list["Batch"]:
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        pieces = zip(*(torch.tensor_split(t, where) for t in tensors.values()), strict=True)
        return [replace(self, **dict(zip(tensors, piece, strict=True))) for piece in pieces]


@dataclass(frozen=True)
class Draw:
    """All that a step is done on.

    Attributes:
        batch: images to decompose, and the classes of their counterfactuals.
        lesson: real images, and the classes that the discriminator shall not take them for; possibly none.
        real: (B,), which images count as genuine as they are (`real_ones`).
        alpha: (N-1,) of eq. (4).
        regularise: whether R1 is added (`regularises`).
    """

    batch: Batch
    lesson: Batch
    real: Tensor
    alpha: Tensor
    regularise: bool

    def chunk(self, parts: int) -> list["Draw"]:
        """The images in `parts` parts, all else the same."""
        pieces = zip(self.batch.chunk(parts), self.lesson.chunk(parts), self.real.tensor_split(parts), strict=True)
        return [Draw(*piece, self.alpha, self.regularise) for piece in pieces]


@dataclass(frozen=True)
class Compared:
    """What the discriminator compares: images that count as genuine, and generated ones, each with its class."""

    genuine: Tensor
    genuine_class: Tensor
    generated: Tensor
    generated_class: Tensor


def compare_paired(batch: Batch, x_hat: Tensor, x_st: Tensor, real: Tensor) -> Compared:
    """Counterfactuals against reconstructions: what both have in common teaches nothing (ours); some are real."""
    genuine = torch.where(real[:, None, None, None], batch.x, x_hat)
    return Compared(genuine, batch.y, x_st, batch.other)


def compare_swapped(batch: Batch, x_hat: Tensor, x_st: Tensor, real: Tensor) -> Compared:
    """Counterfactuals against real images."""
    return Compared(batch.x, batch.y, x_st, batch.other)


def compare_both(batch: Batch, x_hat: Tensor, x_st: Tensor, real: Tensor) -> Compared:
    """Counterfactuals and reconstructions against real images (the paper)."""
    return Compared(batch.x, batch.y, torch.cat([x_st, x_hat]), torch.cat([batch.other, batch.y]))


COMPARISONS: dict[Judged, Callable[[Batch, Tensor, Tensor, Tensor], Compared]] = {
    "paired": compare_paired,
    "swapped": compare_swapped,
    "both": compare_both,
}


def step(
    players: Players,
    batch: Batch,
    lesson: Batch,
    alpha: Tensor,
    index: int,
    config: Config,
    group: ProcessGroup = ALONE,
) -> dict[str, Tensor]:
    """Train both players on one batch; one pass there and back through branches and discriminator serves both.

    Both gradients are taken at the same weights, then both players move.

    Args:
        players: changed in place.
        batch: images to decompose, and the classes of their counterfactuals.
        lesson: real images, and the classes that the discriminator shall not take them for; possibly none.
        alpha: (N-1,) of eq. (4).
        index: number of the step, from 0.
        config: weights, what the discriminator compares, and in how many parts the batch is computed.
        group: processes that share the batch; each computes its parts of it.

    Returns:
        Each loss as a scalar, unweighted, without a graph.

    Raises:
        DivergedError: when a loss or gradient is not finite, before it reaches any weight.
    """
    real = real_ones(config.real, index, len(batch.x)).to(batch.x.device)
    draw = Draw(batch, lesson, real, alpha, regularises(index, config))
    terms = find_gradients(players, draw, config, group)
    _sum_over_processes(players, terms, group)
    _require_finite(terms)
    for optimiser, name in ((players.discriminator_optimiser, "discriminator"), (players.generator_optimiser, "total")):
        for parameters in optimiser.param_groups:
            _clip([p for p in parameters["params"] if p.grad is not None], name)
    players.discriminator_optimiser.step()
    players.generator_optimiser.step()
    players.average.update_parameters(players.branches)
    return terms


def teach_discriminator(players: Players, lesson: Batch, config: Config) -> float:
    """Train the discriminator alone: real images, and the classes that it shall not take them for.

    Returns:
        What it paid for these images, as in a step's lesson.

    Raises:
        DivergedError: as `step`.
    """
    players.discriminator_optimiser.zero_grad(set_to_none=True)
    shown, lesson = channels_last(lesson.x), lesson.as_judged()
    with autocast(shown.device, config.precision):
        with torch.no_grad():
            seen = players.see(shown) if players.see else []
        terms = _lesson_loss(players.discriminator(shown, seen), lesson)
    terms["mismatch"].backward()
    _require_finite(terms)
    _clip([p for p in players.discriminator.parameters() if p.grad is not None], "discriminator")
    players.discriminator_optimiser.step()
    return terms["mismatch"].item()


def regularises(index: int, config: Config) -> bool:
    """Whether the discriminator's gradient is penalised at a step: on every `r1_every`-th (lazily, StyleGAN 2)."""
    return index % config.optimiser.r1_every == 0


def find_gradients(players: Players, draw: Draw, config: Config, group: ProcessGroup = ALONE) -> dict[str, Tensor]:
    """Leave both players' gradients of a batch in their weights, without a word to the host.

    Args:
        players, config, group: as for `step`.
        draw: what the step is done on.

    Returns:
        Each loss as a scalar, unweighted, without a graph; of this process's share of the batch.
    """
    for optimiser in (players.discriminator_optimiser, players.generator_optimiser):
        optimiser.zero_grad(set_to_none=True)
    parts = config.parts * group.size
    own = slice(group.rank * config.parts, (group.rank + 1) * config.parts)
    terms: dict[str, Tensor] = {}
    for piece in draw.chunk(parts)[own]:
        for name, term in _add_gradients(players, piece, config, parts).items():
            terms[name] = terms.get(name, 0) + term.detach() / parts
    return terms


def real_ones(share: float, index: int, count: int) -> Tensor:
    """Which of `count` images count as genuine as they are at a step, (count,): an even share of all images so far.

    >>> [real_ones(1 / 3, index, 4).int().tolist() for index in (0, 1, 2)]
    [[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 1]]
    """
    before = (index * count + torch.arange(count + 1, dtype=torch.float64)) * share
    return (before + 1e-9).floor().diff() > 0


def _add_gradients(players: Players, draw: Draw, config: Config, parts: int) -> dict[str, Tensor]:
    """Add both players' gradients of one of the `parts` of a batch; returns every loss."""
    weights, batch = config.loss, draw.batch
    judged, lesson = batch.as_judged(), draw.lesson.as_judged()
    with autocast(batch.x.device, config.precision):
        psi, psi_st = players.seen(batch.states, batch.k)(batch.x, batch.y, batch.other)  # (B, N, C, H, W) each
        x_hat, x_st = blend(psi, psi_st, draw.alpha), blend(psi_st, psi, draw.alpha)
        compared = COMPARISONS[config.judged](judged, x_hat, x_st, draw.real)
        scale = torch.empty(len(compared.generated), 1, 1, 1, device=batch.x.device)  # known once the losses are
        seen = players.see(channels_last(compared.generated)) if players.see else []
        genuine, generated, taught = _logits(players, compared, lesson, scale, seen, weights.keep)
        kept = torch.zeros((), device=batch.x.device)
        if batch.states is not None:
            own = [level[: len(x_st)] for level in seen]
            kept = _other_findings_loss(_logits_alone(players.discriminator, x_st, own), batch)

    loss, adversarial = adversarial_losses(
        logits_by_class(genuine, compared.genuine_class),
        logits_by_class(generated, compared.generated_class),
        config.judged,
    )
    of_each = weights.adv * gradient_scale(loss, adversarial, generated)
    of_each[: len(batch.y)] *= torch.where(batch.y == 0, weights.invention, 1.0)
    scale.copy_(of_each[:, None, None, None])
    of_discriminator = {
        "discriminator": loss,
        **_lesson_loss(taught, lesson),
        **(_r1_loss(players.discriminator, compared, config) if draw.regularise else {}),
    }
    of_branches = _terms(batch.x, x_hat, psi, psi_st, players.findings)
    # without the adversarial and the keeping term: `scale` adds those
    plain = losses.objective(of_branches, weights) + weights.adv * kept
    both = [*players.branches.parameters(), *players.discriminator.parameters()]
    ((plain + _discriminator_objective(of_discriminator, weights)) / parts).backward(inputs=both)
    keeping = loss if config.judged == "paired" else 0.0
    total = plain + weights.adv * adversarial + weights.keep * keeping
    return {**of_branches, "adv": adversarial, **of_discriminator, "total": total}


def _logits(
    players: Players, compared: Compared, lesson: Batch, scale: Tensor, seen: list[Tensor], keep: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (B, K) of genuine, generated and lesson images, all shown at once.

    Generated images, and `seen`, which are their frozen features, get the gradient of the adversarial term by `scale`.
    Genuine ones get none, or, where they are reconstructions that shall stay genuine, the discriminator's own times
    `keep`, through pixels.
    """
    genuine = compared.genuine.detach()
    if keep:
        same = torch.full((len(genuine), 1, 1, 1), keep, device=genuine.device)
        genuine = ScaleGradient.apply(compared.genuine, same)
    generated = ScaleGradient.apply(compared.generated, scale)
    counts = [len(genuine), len(generated), len(lesson.x)]
    features: list[Tensor] = []
    if players.see:
        with torch.no_grad():
            still = players.see(channels_last(torch.cat([genuine, lesson.x])))
        for level, moved in zip(still, seen, strict=True):
            of_genuine, of_lesson = level.split([counts[0], counts[2]])
            features.append(torch.cat([of_genuine, ScaleGradient.apply(moved, scale), of_lesson]))
    shown = channels_last(torch.cat([genuine, generated, lesson.x]))
    of_genuine, of_generated, of_lesson = players.discriminator(shown, features).split(counts)
    return of_genuine, of_generated, of_lesson


def adversarial_losses(genuine: Tensor, generated: Tensor, judged: Judged) -> tuple[Tensor, Tensor]:
    """What the discriminator and what the generators pay for logits (B,) of genuine and generated images."""
    if judged == "paired":
        return losses.l_paired(genuine, generated), losses.l_paired(generated, genuine)
    return losses.l_discriminator(genuine, generated), losses.l_adv(generated)


def _lesson_loss(logits: Tensor, lesson: Batch) -> dict[str, Tensor]:
    """What the discriminator pays for taking real images for another class; nothing without a lesson."""
    if not len(logits):
        return {}
    own, other = logits_by_class(logits, lesson.y), logits_by_class(logits, lesson.other)
    mismatch = losses.l_paired(own, other)
    return {"mismatch": mismatch if lesson.states is None else mismatch + _other_findings_loss(logits, lesson)}


def _other_findings_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of the states of all findings but each image's own: the discriminator learns them from real
    images, and a counterfactual has to keep them; without it a branch also takes away what looks alike.

    Args:
        logits: (B, 2K), absent and present of each finding.
        batch: with states.
    """
    assert batch.states is not None
    assert batch.k is not None
    of_each = logits.unflatten(1, (-1, 2))  # (B, K, 2)
    others = torch.arange(of_each.shape[1], device=batch.k.device) != batch.k[:, None]
    return F.cross_entropy(of_each[others], batch.states[others])


def _logits_alone(discriminator: Discriminator, x: Tensor, seen: list[Tensor]) -> Tensor:
    """Logits (B, K) of images and their features, whose gradient reaches these and no weight of the discriminator."""
    weights = {name: weight.detach() for name, weight in discriminator.named_parameters()}
    logits: Tensor = functional_call(discriminator, weights, (channels_last(x), seen))
    return logits


def _r1_loss(discriminator: Discriminator, compared: Compared, config: Config) -> dict[str, Tensor]:
    """R1 of what pixels say, as many times as strong as the steps are without it."""
    genuine = channels_last(compared.genuine.detach()).requires_grad_(True)
    with autocast(genuine.device, config.precision):
        logits = logits_by_class(discriminator(genuine), compared.genuine_class)
    return {"r1": losses.r1(logits, genuine) * config.optimiser.r1_every}


def _discriminator_objective(terms: dict[str, Tensor], weights: Weights) -> Tensor:
    """The weighted sum that the discriminator pays."""
    return terms["discriminator"] + weights.mismatch * terms.get("mismatch", 0) + weights.r1 * terms.get("r1", 0)


def _terms(x: Tensor, x_hat: Tensor, psi: Tensor, psi_st: Tensor, findings: int) -> dict[str, Tensor]:
    """Eqs. (5)-(9), equal energies and the shared part: all of eq. (10) but the adversarial term.

    The first `findings` branches hold a finding each, and all of them are to be sparse.
    """
    both = torch.cat([psi, psi_st])
    return {
        "rec": losses.l_rec(x, x_hat),
        "grad_rec": losses.l_grad_rec(x, x_hat),
        "dis_rec": losses.l_dis_rec(x, x_hat, distinction(psi)),
        "sqc": losses.l_sqc(both),
        "energy": losses.l_energy(both[:, findings - 1 :]),
        "sparse": losses.l_sparse(both[:, :findings]),
        "share": losses.l_share(psi, psi_st),
    }


class ScaleGradient(torch.autograd.Function):
    """The identity, whose gradient is multiplied image by image: one pass back through the discriminator serves both.

    Gradient reversal (Ganin and Lempitsky 2015), scaled: what reaches a generated image from the discriminator's loss
    is the derivative by its logit times the logit's gradient, and so is what the adversarial term should send it.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, scale: Tensor) -> Tensor:
        ctx.scale = scale  # type: ignore[attr-defined]  # filled in before the backward pass
        return x.view_as(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:
        return grad * ctx.scale, None  # type: ignore[attr-defined]


def gradient_scale(discriminator_loss: Tensor, adversarial: Tensor, logits: Tensor) -> Tensor:
    """Per-image factor that turns the discriminator's gradient into the adversarial term's: logits (B, K) to (B,)."""
    of_discriminator, of_adversarial = (
        torch.autograd.grad(loss, logits, retain_graph=True)[0].sum(dim=1) for loss in (discriminator_loss, adversarial)
    )
    return of_adversarial / of_discriminator.clamp(min=1e-9)


def logits_by_class(logits: Tensor, y: Tensor) -> Tensor:
    """Logits (B, K) of the given classes, (B,), sorted by class, so that two such results pair up within a class.

    >>> import torch
    >>> logits_by_class(torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), torch.tensor([1, 0, 1])).tolist()
    [3.0, 2.0, 6.0]
    """
    return logits.gather(1, y[:, None])[:, 0][y.argsort(stable=True)]


def _sum_over_processes(players: Players, terms: dict[str, Tensor], group: ProcessGroup) -> None:
    """Sum gradients and losses over all processes."""
    both = (*players.branches.parameters(), *players.discriminator.parameters())
    names = sorted(terms)
    values = [terms[name].reshape(1).clone() for name in names]
    group.sum([*(p.grad for p in both if p.grad is not None), *values])
    terms.update({name: value[0] for name, value in zip(names, values, strict=True)})


def _require_finite(terms: dict[str, Tensor]) -> None:
    finite = torch.isfinite(torch.stack(list(terms.values())))
    if not finite.all():
        raise DivergedError(f"loss '{list(terms)[int((~finite).nonzero()[0])]}' is not finite")


def _clip(parameters: list[Tensor], loss: str) -> None:
    """Limit the norm of the gradients; raises DivergedError, naming the loss, when it is not finite."""
    norm = get_total_norm([p.grad for p in parameters if p.grad is not None])
    if not torch.isfinite(norm):
        raise DivergedError(f"the gradient of loss '{loss}' is not finite")
    if norm > GRADIENT_LIMIT:  # rare, and multiplying all by 1 takes time
        clip_grads_with_norm_(parameters, GRADIENT_LIMIT, norm)
