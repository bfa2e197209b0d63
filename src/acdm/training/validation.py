"""Signs that a training has collapsed, as they come; what is done about them is the caller's.

branch 1 is dead     |psi_1| has a mean below `SILENT` for `PATIENCE` steps, after the first `PATIENCE`
discriminator won    its loss stays below `WON` for as long
quality fell         validation PSNR is `FALL` dB below its best
outputs identical    reconstructions of different images differ by less than `ALIKE` of what the images do
"""

from dataclasses import dataclass, field

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
