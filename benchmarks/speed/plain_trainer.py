"""A plain reference: the same method as straightforwardly as it can be written, frozen.

One module a branch in a Python loop, float32, contiguous memory, the generators run anew for each player and each
class, R1 on every step, Adam and the moving average one tensor at a time.  Settings are those of the `tiny` preset with
pairs, lessons and batches of 4; they stay when acdm's change, so that `speed.py` says how far acdm has come.  The class
`Reference` takes over an engine's weights; `tests/benchmarks/test_reference.py` holds its first losses to the engine's.

Axes: B images, N branches, C channels, H rows, W columns; pixels in [-1, 1].
"""

import copy
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BATCH, LESSONS = 4, 4  # images of 64 px, and real images taught for each
WIDTHS, STYLE, HIDDEN, STEM = (32, 64, 64), 64, 128, 2
CRITIC_WIDTHS = (32, 64, 128, 128)
NETWORK = {  # the same as options of acdm
    "width": 32, "max_width": 64, "downs": 2, "stem": STEM, "bottleneck": 1, "style_dim": STYLE,
    "mapping_hidden": HIDDEN, "discriminator_width": 32, "discriminator_max_width": 128,
}  # fmt: skip
WEIGHTS = {"rec": 10, "grad_rec": 10, "dis_rec": 5, "sqc": 1, "energy": 1, "sparse": 10, "share": 5, "adv": 2}
LR, CRITIC_LR, BETAS, DECAY, EMA, WARMUP = 1e-3, 3e-4, (0.0, 0.99), 1e-4, 0.999, 100
MISMATCH_WEIGHT, R1_WEIGHT = 1.0, 1.0


class InstanceNormAct(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, width, 1, 1))
        self.shift = nn.Parameter(torch.zeros(1, width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(F.instance_norm(x) * self.scale + self.shift, 0.2)


class AdaIN(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.affine = nn.Linear(STYLE, 2 * width)

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        gamma, beta = self.affine(s)[:, :, None, None].chunk(2, dim=1)
        return F.leaky_relu((1 + gamma) * F.instance_norm(x) + beta, 0.2)


class Down(nn.Module):
    def __init__(self, a: int, b: int, pool: bool) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(2) if pool else nn.Identity()
        self.norm1, self.conv1 = InstanceNormAct(a), nn.Conv2d(a, b, 3, padding=1)
        self.norm2, self.conv2 = InstanceNormAct(b), nn.Conv2d(b, b, 3, padding=1)
        self.shortcut = nn.Identity() if a == b else nn.Conv2d(a, b, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv2(self.norm2(self.pool(self.conv1(self.norm1(x)))))
        return (self.shortcut(self.pool(x)) + h) / 2**0.5


class Styled(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = AdaIN(width), nn.Conv2d(width, width, 3, padding=1)
        self.norm2, self.conv2 = AdaIN(width), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        return (x + self.conv2(self.norm2(self.conv1(self.norm1(x, s)), s))) / 2**0.5


class Encoder(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels * STEM**2, WIDTHS[0], 3, padding=1)
        self.downs = nn.ModuleList([Down(WIDTHS[0], WIDTHS[1], True), Down(WIDTHS[1], WIDTHS[2], True)])
        self.bottleneck = nn.ModuleList([Down(WIDTHS[2], WIDTHS[2], False)])

    def forward(self, x: Tensor) -> list[Tensor]:
        fine = self.stem(F.pixel_unshuffle(x, STEM))
        middle = self.downs[0](fine)
        return [fine, middle, self.bottleneck[0](self.downs[1](middle))]


class Decoder(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        finer = (WIDTHS[1], WIDTHS[0])
        self.bottleneck = nn.ModuleList([Styled(WIDTHS[2])])
        self.narrow = nn.ModuleList([nn.Conv2d(WIDTHS[2], WIDTHS[1], 1), nn.Conv2d(WIDTHS[1], WIDTHS[0], 1)])
        self.skips = nn.ModuleList([nn.Conv2d(w, w, 1) for w in finer])
        self.blocks = nn.ModuleList([Styled(w) for w in finer])
        self.norm = AdaIN(WIDTHS[0])
        self.head = nn.Conv2d(WIDTHS[0], channels * STEM**2, 3, padding=1)

    def forward(self, features: list[Tensor], s: Tensor) -> Tensor:
        fine, middle, coarse = features
        h = self.bottleneck[0](coarse, s)
        for level, feature in enumerate((middle, fine)):
            h = F.interpolate(self.narrow[level](h), scale_factor=2) + self.skips[level](feature)
            h = self.blocks[level](h, s)
        return F.pixel_shuffle(self.head(self.norm(h, s)), STEM)


class Generator(nn.Module):
    """G_i: one branch."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(channels), Decoder(channels)

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        return self.decoder(self.encoder(x), s)


class Mapping(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.identity = nn.Embedding(classes, HIDDEN)
        self.shared = nn.Sequential(
            nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, STYLE)
        )

    def forward(self, y: Tensor) -> Tensor:
        return self.shared(self.identity(y))


class Branches(nn.Module):
    """G_1..G_N and M: psi of images under one class each, (B, N, C, H, W)."""

    def __init__(self, n: int, channels: int, classes: int) -> None:
        super().__init__()
        self.mapping = Mapping(classes)
        self.generators = nn.ModuleList([Generator(channels) for _ in range(n)])

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        s = self.mapping(y)
        return torch.stack([generator(x, s) for generator in self.generators], dim=1)


class CriticBlock(nn.Module):
    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(a, a, 3, padding=1), nn.Conv2d(a, b, 3, padding=1)
        self.shortcut = nn.Identity() if a == b else nn.Conv2d(a, b, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = F.avg_pool2d(self.conv1(F.leaky_relu(x, 0.2)), 2)
        h = self.conv2(F.leaky_relu(h, 0.2))
        return (F.avg_pool2d(self.shortcut(x), 2) + h) / 2**0.5


class Discriminator(nn.Module):
    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        w = CRITIC_WIDTHS
        self.stem = nn.Conv2d(channels * STEM**2, w[0], 3, padding=1)
        self.blocks = nn.Sequential(*[CriticBlock(a, b) for a, b in pairwise(w)])
        self.collect, self.head = nn.Conv2d(w[-1], w[-1], 4), nn.Conv2d(w[-1], classes, 1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        h = self.collect(F.leaky_relu(self.blocks(self.stem(F.pixel_unshuffle(x, STEM))), 0.2))
        return self.head(F.leaky_relu(h, 0.2)).mean((2, 3))[torch.arange(len(y)), y]


class Reference:
    """The plain trainer.

    Args:
        engine_branches, engine_critic: state of acdm's networks, whose weights are taken over.
        n: N.
        channels: C.
        classes: K.
    """

    def __init__(
        self, engine_branches: dict[str, Tensor], engine_critic: dict[str, Tensor], n: int, channels: int, classes: int
    ) -> None:
        self.branches, self.critic = Branches(n, channels, classes), Discriminator(channels, classes)
        _take_over(self.branches, engine_branches, n)
        self.critic.load_state_dict({name: value.contiguous() for name, value in engine_critic.items()})
        self.average = copy.deepcopy(self.branches)
        plain = {"betas": BETAS, "weight_decay": DECAY, "foreach": False, "fused": False}
        self.generator_optimiser = torch.optim.Adam(self.branches.parameters(), LR, **plain)
        self.discriminator_optimiser = torch.optim.Adam(self.critic.parameters(), CRITIC_LR, **plain)

    def step(
        self,
        batch: tuple[Tensor, Tensor, Tensor],
        lesson: tuple[Tensor, Tensor, Tensor],
        alpha: Tensor,
        index: int,
        rate: float,
    ) -> dict[str, float]:
        """Train both players on one batch, each with its own passes; every loss, unweighted.

        Args:
            batch: images (B, C, H, W), their classes and those to swap to, (B,) each.
            lesson: real images that the discriminator learns the classes of, and two classes of each as in `batch`.
            alpha: (N-1,) of eq. (4).
            index: of the step, from 0.
            rate: share of the learning rates.
        """
        self.generator_optimiser.param_groups[0]["lr"] = LR * rate
        self.discriminator_optimiser.param_groups[0]["lr"] = CRITIC_LR * rate

        x, y, other = batch
        with torch.no_grad():
            own, swapped = self.branches(x, y), self.branches(x, other)
            genuine, fake = blend(own, swapped, alpha), blend(swapped, own, alpha)
        genuine.requires_grad_(True)
        genuine_logit = self.critic(genuine, y)
        better, worse = in_pairs(genuine_logit, y, self.critic(fake, other), other)
        critic = F.softplus(worse - better).mean()
        real, right, wrong = lesson
        better, worse = in_pairs(self.critic(real, right), right, self.critic(real, wrong), wrong)
        mismatch = F.softplus(worse - better).mean()
        (slope,) = torch.autograd.grad(genuine_logit.sum(), genuine, create_graph=True)
        r1 = slope.square().sum(dim=(1, 2, 3)).mean() / 2
        descend(self.discriminator_optimiser, self.critic, critic + MISMATCH_WEIGHT * mismatch + R1_WEIGHT * r1)

        own, swapped = self.branches(x, y), self.branches(x, other)
        x_hat, x_st = blend(own, swapped, alpha), blend(swapped, own, alpha)
        terms = generator_losses(x, x_hat, own, swapped)
        better, worse = in_pairs(self.critic(x_hat.detach(), y), y, self.critic(x_st, other), other)
        terms["adv"] = F.softplus(better - worse).mean()
        descend(self.generator_optimiser, self.branches, sum(WEIGHTS[name] * term for name, term in terms.items()))

        memory = min(EMA, (1 + index) / (10 + index)) if index else 0.0  # the first average is the weights themselves
        with torch.no_grad():
            for average, current in zip(self.average.parameters(), self.branches.parameters(), strict=True):
                average.mul_(memory).add_(current, alpha=1 - memory)
        told = {**terms, "discriminator": critic, "mismatch": mismatch, "r1": r1}
        return {name: float(term.detach()) for name, term in told.items()}


def blend(own: Tensor, other: Tensor, alpha: Tensor) -> Tensor:
    """Eq. (4), branch by branch."""
    out = own[:, 0]
    for i, a in enumerate(alpha, start=1):
        out = out + a * own[:, i] + (1 - a) * other[:, i]
    return out


def in_pairs(genuine: Tensor, y: Tensor, fake: Tensor, fake_class: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of genuine and of swapped images, side by side in pairs of one class."""
    return genuine[y.argsort(stable=True)], fake[fake_class.argsort(stable=True)]


def generator_losses(x: Tensor, x_hat: Tensor, own: Tensor, swapped: Tensor) -> dict[str, Tensor]:
    """Eqs. (5)-(9), the equal-energy term and the shared part, as means; but for the adversarial one."""

    def fidelity(a: Tensor, b: Tensor) -> Tensor:
        return (a - b).abs() + (a - b).square()

    loud = own[:, 0].detach().abs()
    loud = loud > loud.mean(dim=(1, 2, 3), keepdim=True)
    both = torch.cat([own, swapped])
    energy = both[:, 1:].square().mean(dim=(2, 3, 4))
    share = energy / energy.sum(dim=1, keepdim=True).clamp(min=1e-8)
    across = fidelity(x.diff(dim=-1), x_hat.diff(dim=-1)).mean()
    down = fidelity(x.diff(dim=-2), x_hat.diff(dim=-2)).mean()
    return {
        "rec": fidelity(x, x_hat).mean(),
        "grad_rec": (across + down) / 2,
        "dis_rec": (fidelity(x, x_hat) * loud).sum() / loud.sum().clamp(min=1),
        "sqc": (both.square().sum(dim=1) - both.sum(dim=1).square()).square().mean(),
        "energy": (share - 1 / share.shape[1]).square().sum(dim=1).mean(),
        "sparse": both[:, 0].abs().mean(),
        "share": (own[:, 1:] - swapped[:, 1:]).abs().mean(),
    }


def descend(optimiser: torch.optim.Optimizer, module: nn.Module, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward(inputs=list(module.parameters()))
    nn.utils.clip_grad_norm_(module.parameters(), 10.0, foreach=False)
    optimiser.step()


def _take_over(branches: Branches, engine: dict[str, Tensor], n: int) -> None:
    """The engine keeps N branches side by side in each tensor's channels: cut them apart."""
    own: dict[str, Tensor] = {}
    for name, value in engine.items():
        if name.startswith("mapping."):
            own[name] = value
            continue
        if ".affine." in name:  # scales of all branches, then shifts of all
            pieces = [torch.cat(pair) for pair in zip(*(half.chunk(n) for half in value.chunk(2)), strict=True)]
        else:
            pieces = list(value.chunk(n, dim=1 if name.endswith((".scale", ".shift")) else 0))
        own |= {f"generators.{i}.{name}": piece.contiguous() for i, piece in enumerate(pieces)}
    branches.load_state_dict(own)
