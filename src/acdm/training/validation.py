"""Signs that a training has collapsed, as they come; what is done about them is the caller's.

branch 1 is dead     |psi_1| has a mean below `SILENT` for `PATIENCE` steps, after the first `PATIENCE`
discriminator won    its loss stays below `WON` for as long
quality fell         validation PSNR is `FALL` dB below its best
outputs identical    reconstructions of different images differ by less than `ALIKE` of what the images do
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from acdm.core.config import Config
from acdm.core.device import autocast, channels_last
from acdm.data.images.statistics import psnr
from acdm.method.compose import compose
from acdm.method.players import Players

CONVINCED = 0.5  # probability of the other class, from which on a look counts at all
AS_WELL = 0.9  # of the best conviction so far, below which a look counts no more
NEAR = 0.95  # of the best quotient so far: the latest look that reaches this is taken


SILENT = 1e-4
WON = 0.01
PATIENCE = 500  # steps
FALL = 6.0  # dB
ALIKE = 0.01


@dataclass(frozen=True)
class Look:
    """What validation images say.

    Attributes:
        psnr: mean, in dB.
        variety: deviation of reconstructions from image to image, as a share of that of the images.
        change: mean |x_st - x_hat|, by which the swap changes images.
    """

    psnr: float
    variety: float
    change: float


@dataclass
class Health:
    """What has been seen of a training; each sign is told once, and again only after it has gone."""

    silent: int = 0  # steps in a row
    won: int = 0
    best: float = -float("inf")
    told: set[str] = field(default_factory=set)

    def step(self, step: int, losses: dict[str, float]) -> list[str]:
        """Sentences about signs that a step brings."""
        self.silent = self.silent + 1 if losses["sparse"] < SILENT and step > PATIENCE else 0
        self.won = self.won + 1 if losses["critic"] < WON else 0
        return self._news(
            {
                f"branch 1 is silent (mean |psi_1| under {SILENT:g}) for {PATIENCE} steps: maps will be empty; try"
                " --loss.sparse at half": self.silent >= PATIENCE,
                f"the discriminator has won (its loss is under {WON:g}) for {PATIENCE} steps: the swap learns no more;"
                " try --optimiser.critic-lr at half, or more images": self.won >= PATIENCE,
            }
        )

    def look(self, step: int, look: Look) -> list[str]:
        """Sentences about signs that a look at validation images brings."""
        fallen = self.best - look.psnr
        self.best = max(self.best, look.psnr)
        return self._news(
            {
                f"validation PSNR fell {FALL:g} dB or more below its best: training has become unstable; try"
                " --optimiser.lr at half": fallen >= FALL,
                "all images are rebuilt alike: training has collapsed; begin again with --optimiser.lr at half": (
                    look.variety < ALIKE and step > PATIENCE
                ),
            }
        )

    def _news(self, signs: dict[str, bool]) -> list[str]:
        news = [sentence for sentence, there in signs.items() if there and sentence not in self.told]
        self.told -= {sentence for sentence, there in signs.items() if not there}
        self.told |= set(news)
        return news


@torch.no_grad()
def look(players: Players, x: Tensor, y: Tensor, config: Config) -> tuple[Look, Tensor]:
    """What the averaged branches make of images (n, C, S, S) they never trained on, and the swapped images."""
    device = next(players.branches.parameters()).device
    parts, swapped = [], []
    for images, labels in zip(x.split(32), y.split(32), strict=True):
        labels = labels.to(device)
        with autocast(device, config.precision):
            psi, psi_st = players.average(channels_last(images.to(device)), labels, (labels + 1) % players.classes)
        parts.append(compose(psi).cpu())
        swapped.append(compose(psi_st).cpu())
    x_hat, x_st = torch.cat(parts), torch.cat(swapped)
    spread = [float(of.std(dim=0).mean()) if len(of) > 1 else 1.0 for of in (x_hat, x)]
    change = float((x_st - x_hat).abs().mean())
    return Look(float(psnr(x, x_hat).mean()), spread[0] / max(spread[1], 1e-9), change), x_st


@dataclass
class Choice:
    """What has been seen so far.

    Attributes:
        most: the best conviction.
        best: the best conviction per change, among looks that count.
        taken: conviction of the look that is taken; 0 where none is.
    """

    most: float = 0.0
    best: float = 0.0
    taken: float = 0.0

    def take(self, convinced: float, change: float) -> bool:
        """Whether this look's networks are to be kept in place of earlier ones.

        Args:
            convinced: mean probability, by the judge, that swapped images are of the other class.
            change: mean |x_st - x_hat|.
        """
        self.most = max(self.most, convinced)
        if self.taken < AS_WELL * self.most:
            self.best = self.taken = 0.0
        if convinced < max(CONVINCED, AS_WELL * self.most):
            return False
        quotient = convinced / max(change, 1e-9)
        if quotient < NEAR * self.best:
            return False
        self.best, self.taken = max(self.best, quotient), convinced
        return True
