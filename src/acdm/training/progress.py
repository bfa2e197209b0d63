"""What training says of itself while it runs."""

from dataclasses import dataclass

READING, CHECK, STEPS = "reading images", "check classifier", "step"  # names of phases, in their order
LESSONS = "the discriminator's lessons"  # with several findings
CALIBRATION, LABELLING, DRAWING, SEGMENTER = "calibration", "segmenter, by labels", "maps to teach by", "segmenter"


@dataclass(frozen=True)
class TrainingStatus:
    """The state of a training.

    Attributes:
        rate: steps a second.
        psnr: of validation images in dB, at the latest look.
        convinced: share of their counterfactuals that fool the check classifier, at the latest look.
    """

    rate: float
    psnr: float | None
    convinced: float | None

    @property
    def facts(self) -> str:
        """A few words for a progress bar."""
        seen = [] if self.psnr is None else [f"{self.psnr:.1f} dB"]
        seen += [] if self.convinced is None else [f"{self.convinced:.0%} convince"]
        return " · ".join(seen or [f"{self.rate:.1f} steps/s"])
