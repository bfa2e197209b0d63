"""What training says of itself while it runs."""

from dataclasses import dataclass

STEPS, DRAWING, SEGMENTER = "step", "maps to teach by", "segmenter"  # names of phases
SHOWN = ("rec", "sparse", "adv", "discriminator")  # losses


@dataclass(frozen=True)
class TrainingStatus:
    """The state of a training.

    Attributes:
        step: steps done.
        steps: steps there will be; None while the speed is being measured.
        rate: steps a second.
        losses: unweighted, by name.
        psnr: of validation images in dB, at the latest look.
    """

    step: int
    steps: int | None
    rate: float
    losses: dict[str, float]
    psnr: float | None

    @property
    def facts(self) -> str:
        """A few words for a progress bar."""
        losses = " ".join(f"{name} {self.losses[name]:.3g}" for name in SHOWN)
        psnr = f" · validation PSNR {self.psnr:.1f} dB" if self.psnr is not None else ""
        left = f" · {(self.steps - self.step) / self.rate / 60:.1f} min left" if self.steps else ""
        return f"{self.rate:.1f} steps/s · {losses}{psnr}{left}"
