"""The one schema of options: what may be set, between which bounds, and where each default comes from."""

from math import isfinite
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from acdm.core.options import overlay, sentence
from acdm.errors import ConfigError

Weight = Annotated[float, Field(ge=0, le=1e4, allow_inf_nan=False)]
Preset = Literal["tiny", "small", "paper"]
MapName = Literal["psi1", "contrast", "residual", "evidence"]
MAPS: tuple[str, ...] = get_args(MapName)
DEFAULT_MAP: MapName = "evidence"  # chosen on the dev halves of five sets: docs/results/choices.md
Judged = Literal["paired", "swapped", "both"]
"""What the discriminator compares: swapped images with reconstructions ("paired"), with real images ("swapped"), or
swapped images and reconstructions with real images ("both", the paper)."""


class Options(BaseModel):
    """Values that are checked once and never change; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Weights(Options):
    """The lambdas of eq. (10).  The paper prints none; these are ours, chosen in docs/results/choices.md."""

    rec: Weight = 10.0
    grad_rec: Weight = 10.0
    dis_rec: Weight = 5.0
    sqc: Weight = 1.0
    energy: Weight = 1.0
    sparse: Weight = 10.0
    share: Weight = 5.0  # ours
    adv: Weight = 2.0
    keep: Weight = 0.0  # ours; in pairs alone
    mismatch: Weight = 1.0  # ours; of the discriminator alone
    r1: Weight = 1.0  # StarGAN v2


class Network(Options):
    """Widths and depths; all widths are those of one branch."""

    branches: int = Field(2, ge=1, le=64)  # N; the paper takes five: docs/results/choices.md
    width: int = Field(32, ge=1, le=1024)  # at the finest resolution, doubling on the way down
    max_width: int = Field(64, ge=1, le=4096)
    downs: int = Field(2, ge=1, le=8)
    stem: int = Field(2, ge=1, le=4)  # 1, 2 or 4: side of the pixel blocks that the first convolution sees as channels
    bottleneck: int = Field(1, ge=0, le=8)
    skips: bool = True  # U-Net connections at every resolution; off only to show what they are good for
    style_dim: int = Field(64, ge=1, le=1024)  # StarGAN v2
    mapping_hidden: int = Field(128, ge=1, le=4096)
    critic_width: int = Field(32, ge=1, le=1024)
    critic_max_width: int = Field(128, ge=1, le=4096)
    recompute: bool = False  # gradient checkpointing: half the memory or less for a third more time

    @field_validator("stem")
    @classmethod
    def _stem_is_a_power_of_two(cls, value: int) -> int:
        if value == 3:
            raise ValueError("must be 1, 2 or 4, got 3")
        return value

    @property
    def widths(self) -> list[int]:
        """Of one branch, from the finest to the coarsest resolution."""
        return [min(self.width * 2**level, self.max_width) for level in range(self.downs + 1)]

    @property
    def multiple(self) -> int:
        """What the sides of an image must be divisible by."""
        return int(self.stem * 2**self.downs)


class Optimiser(Options):
    """Adam for both players."""

    lr: float = Field(1e-3, gt=0, le=1)
    critic_lr: float = Field(3e-4, gt=0, le=1)
    betas: tuple[float, float] = (0.0, 0.99)  # StarGAN v2
    weight_decay: float = Field(1e-4, ge=0, le=1)  # StarGAN v2
    warmup: int = Field(100, ge=0)  # steps from no learning rate to the whole
    decay: float = Field(0.5, ge=0, le=1)  # the last share of the steps, over which the rate falls to zero
    ema: float = Field(0.999, ge=0, lt=1)  # StarGAN v2
    r1_every: int = Field(4, ge=1, le=64)  # R1 on every n-th step, n times as strong


class Augment(Options):
    """Small changes that leave the class alone; all of them drawn anew at every step."""

    # None: where a simple model cannot tell training images from such mirror images (`acdm.data.orientation`)
    flip_horizontal: bool | None = None
    flip_vertical: bool | None = None
    degrees: float = Field(10.0, ge=0, le=180)
    translate: float = Field(0.05, ge=0, le=0.5)  # share of the side
    scale: float = Field(0.1, ge=0, le=0.5)  # 1 - scale to 1 + scale
    # gamma and gain of values in [0, 1], each 1 - this to 1 + this; None: .2 for colour pictures, else 0
    intensity: float | None = Field(None, ge=0, le=0.5)
    # gain of each channel, 1 - this to 1 + this; None: .1 for colour pictures, else 0
    cast: float | None = Field(None, ge=0, le=0.5)


class Reading(Options):
    """How files become arrays; kept with the run and applied the same way ever after."""

    # of all channels or of each; None: 8 bits are taken whole, else what 99.8 % of the training values lie between
    range: tuple[tuple[float, float], ...] | None = None
    bands: tuple[int, ...] | None = None  # channels to take, from 1; None takes all
    pages: Literal["refuse", "channels"] = "refuse"  # what to make of a TIFF of several pages

    @field_validator("range", mode="before")
    @classmethod
    def _one_pair(cls, value: Any) -> Any:
        """LOW HIGH, as it is typed, is one pair."""
        if isinstance(value, (list, tuple)) and value and not isinstance(value[0], (list, tuple)):
            if len(value) % 2:
                raise ValueError(f"needs a lowest and a highest value, or such a pair a channel, got {list(value)}")
            return tuple(zip(value[::2], value[1::2], strict=True))
        return value

    @field_validator("range")
    @classmethod
    def _rises(cls, value: tuple[tuple[float, float], ...] | None) -> tuple[tuple[float, float], ...] | None:
        for low, high in value or ():
            if not (low < high and isfinite(low) and isfinite(high)):
                raise ValueError(f"the lowest value must lie below the highest, got {low} and {high}")
        return value

    @field_validator("bands")
    @classmethod
    def _counted_from_one(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and (not value or min(value) < 1):
            raise ValueError(f"bands count from 1, got {list(value)}")
        return value


class Config(Options):
    """Everything that decides what a training does."""

    size: int = Field(64, ge=16, le=2048)  # side of the square the network sees, in pixels
    batch: int = Field(4, ge=2, le=1024)
    accumulate: int | None = Field(None, ge=1)  # parts a batch is computed in, one after the other, to save memory
    steps: int | None = Field(None, ge=1, le=100_000_000)
    minutes: float | None = Field(None, gt=0, le=100_000)
    seed: int = Field(0, ge=0, lt=2**31)
    judged: Judged = "paired"
    blend: bool = True  # eq. (4); off only to show what it is good for
    lessons: int = Field(4, ge=1, le=64)  # real images whose class the discriminator is taught, for each of the batch
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    choose: bool = True  # maps are drawn as of a step that `acdm.training.choice` takes; else of the last one
    mirror: bool = True  # take images apart together with a mirror image, where training makes such
    save_every: int = Field(500, ge=1)
    sample_every: int = Field(500, ge=1)
    validate_every: int = Field(250, ge=1)
    images: Reading = Reading()
    loss: Weights = Weights()
    network: Network = Network()
    optimiser: Optimiser = Optimiser()
    augment: Augment = Augment()

    @property
    def drawn(self) -> int:
        """Images drawn at every step: the batch, and what the discriminator is taught by."""
        return self.batch * (1 + (self.lessons if self.loss.mismatch else 0))

    @property
    def parts(self) -> int:
        """Of a batch; all at once where nothing was decided."""
        return self.accumulate or 1

    @model_validator(mode="after")
    def _batch_falls_into_parts(self) -> Self:
        if self.batch % self.parts:
            raise ValueError(f"batch must be divisible by accumulate, got {self.batch} and {self.accumulate}")
        return self

    @model_validator(mode="after")
    def _size_fits_the_network(self) -> Self:
        multiple = self.network.multiple
        if self.size % multiple or self.size < 2 * multiple:
            raise ValueError(f"size must be a multiple of {multiple} and at least {2 * multiple}, got {self.size}")
        if self.size // self.network.stem < 8 or (self.size & (self.size - 1)):
            raise ValueError(f"size must be a power of two of at least 16, got {self.size}")
        return self


PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {"size": 64},
    "small": {"size": 128, "network": {"downs": 3, "max_width": 128, "critic_max_width": 256}},
    # N of section 4.5; StarGAN v2 at 256 px: width 64 doubling to 512, four down-steps, two bottleneck blocks, batch 8
    "paper": {
        "size": 256,
        "batch": 8,
        "network": {
            "branches": 5, "width": 64, "max_width": 512, "downs": 4, "stem": 1, "bottleneck": 2,
            "mapping_hidden": 512, "critic_width": 64, "critic_max_width": 512,
        },
        "optimiser": {"lr": 1e-4, "critic_lr": 1e-4},
    },
}  # fmt: skip


def build(preset: str, *layers: dict[str, Any]) -> Config:
    """A preset with options laid over it, later layers winning.

    Args:
        preset: a name in `PRESETS`.
        layers: nested dictionaries; `None` means "not given".

    Raises:
        ConfigError: naming the key and the range, for every option that does not fit.
    """
    values: dict[str, Any] = {}
    for layer in (PRESETS[preset], *layers):
        values = overlay(values, layer)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(sentence(error)) from None
