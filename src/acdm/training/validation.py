"""Looks at validation images: signs of collapse, and which step's networks shall draw the maps.

What is done about a sign is the caller's: a training halves the weight of sparsity while branch 1 is silent, and tells
of the others.

branch 1 is silent   it holds less than `SILENT` of the energy of positive images, after the first `PATIENCE` steps
discriminator won    its loss stays below `WON` for `PATIENCE` steps
quality fell         validation PSNR is `FALL` dB below its best
outputs identical    reconstructions of different images differ by less than `ALIKE` of what the images do

Networks are chosen without a mask: those that convince most for the least change and error.  Trained for long on few
images, counterfactuals change more and more that has nothing to do with the class, and convince no better
(docs/results/choices.md).  Each look knows how surely the check classifier takes counterfactuals for the other class,
by how much they changed, and how well images are rebuilt.  While the class and the images are learned, the share of
the first to the sum of the others rises.  It falls when only the change still grows.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from acdm.core.device import autocast, channels_last
from acdm.data.images.statistics import psnr
from acdm.method.compose import compose, sparsest
from acdm.method.players import Players

SILENT = 1e-4  # share of the energy; trainings that end well hold a hundred times as much
WON = 0.01  # the discriminator's loss
PATIENCE = 500  # steps
FALL = 6.0  # dB
ALIKE = 0.01  # share of the images' own variety
CONVINCED = 0.5  # probability of the other class, from which on a look counts at all
CONVINCED_SHARE = 0.9  # looks count no more below this share of the best conviction so far
TOGETHER = 32  # images


@dataclass(frozen=True)
class Look:
    """What validation images say.

    Attributes:
        psnr: mean, in dB.
        variety: deviation of reconstructions from image to image, as a share of that of the images.
        change: mean |x_st - x_hat|, by which counterfactuals differ from reconstructions.
        share: of the energy of positive images' branches, what branch 1 holds.
    """

    psnr: float
    variety: float
    change: float
    share: float


@torch.no_grad()
def look(
    players: Players, x: Tensor, y: Tensor, precision: str, states: Tensor | None = None, k: int = 0
) -> tuple[Look, Tensor]:
    """Decompose images (n, C, S, S) that were never trained on, with the averaged branches.

    Args:
        players: whose branches are looked at.
        x, y: images and their classes (n,).
        precision: what convolutions compute in.
        states: with several findings, those of the images, (n, K).
        k: the finding that `y` is about.

    Returns:
        What they say, and their counterfactuals (n, C, S, S).
    """
    device = next(players.branches.parameters()).device
    reconstructions, counterfactuals, energy = [], [], torch.zeros(players.branches.branches)
    for at in torch.arange(len(x)).split(TOGETHER):
        images, labels = x[at], y[at].to(device)
        branches = players.averaged(None if states is None else states[at].to(device), k)
        with autocast(device, precision):
            both = branches(channels_last(images.to(device)), labels, (labels + 1) % players.classes)
        psi, psi_st = sparsest(*both)  # as maps are drawn
        reconstructions.append(compose(psi).cpu())
        counterfactuals.append(compose(psi_st).cpu())
        energy += psi[labels == 1].square().sum(dim=(0, 2, 3, 4)).cpu()
    x_hat, x_st = torch.cat(reconstructions), torch.cat(counterfactuals)
    spread = [float(of.std(dim=0).mean()) if len(of) > 1 else 1.0 for of in (x_hat, x)]
    change = float((x_st - x_hat).abs().mean())
    share = float(energy[0] / energy.sum().clamp(min=1e-9))
    return Look(float(psnr(x, x_hat).mean()), spread[0] / max(spread[1], 1e-9), change, share), x_st


@dataclass
class Health:
    """What has been seen of a training; each sign is told once, and again only after it has gone.

    Attributes:
        won: steps in a row that the discriminator's loss was next to nothing.
        best: highest PSNR so far, in dB.
        silent: whether branch 1 was, at the latest look.
        told: signs that are there and were told.
    """

    won: int = 0
    best: float = -float("inf")
    silent: bool = False
    told: set[str] = field(default_factory=set)

    def step(self, losses: dict[str, float], count: int = 1) -> list[str]:
        """Sentences about signs that a step brings, or several that were looked at together."""
        self.won = self.won + count if losses["discriminator"] < WON else 0
        return self._news(
            {
                f"the discriminator has won (its loss is under {WON:g}) for {PATIENCE} steps: counterfactuals get no"
                " better; try --optimiser.discriminator-lr at half, or more images": self.won >= PATIENCE,
            }
        )

    def look(self, step: int, look: Look) -> list[str]:
        """Sentences about signs that a look at validation images brings."""
        fallen = self.best - look.psnr
        self.best = max(self.best, look.psnr)
        self.silent = look.share < SILENT and step > PATIENCE
        return self._news(
            {
                f"branch 1 is silent: it holds under {SILENT:.2%} of the energy of positive validation images, and maps"
                " are empty while it is": self.silent,
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


@dataclass
class Choice:
    """Which look's networks draw the maps.

    Attributes:
        most: the best conviction.
        worth: conviction of the look that is taken, over its change and error.
        taken: conviction of the look that is taken; 0 where none is.
    """

    most: float = 0.0
    worth: float = 0.0
    taken: float = 0.0

    def offer(self, convinced: float, change: float, psnr: float) -> bool:
        """Whether this look's networks are to be kept in place of earlier ones.

        Args:
            convinced: mean probability, by the check classifier, that counterfactuals are of the other class.
            change: mean |x_st - x_hat|.
            psnr: mean, in dB; pixels are in [-1, 1].
        """
        self.most = max(self.most, convinced)
        if self.taken < CONVINCED_SHARE * self.most:
            self.worth = self.taken = 0.0
        error = 2 * 10 ** (-psnr / 20)  # root mean square
        worth = convinced / (change + error)
        if convinced < max(CONVINCED, CONVINCED_SHARE * self.most) or worth <= self.worth:
            return False
        self.worth, self.taken = worth, convinced
        return True
