"""The one schema of training's options: the command line, YAML files and Python arguments are all this.

A field's description is what `--help` and the reference page say of it.
"""

from math import isfinite
from typing import Annotated, Any, Literal, Self, get_args

from cyclopts import Group, Parameter
from pydantic import Field, ValidationError, field_validator

from acdm.core.options import Layer, Options, overlay, sentence, with_new_names
from acdm.errors import ConfigError

Weight = Annotated[float, Field(ge=0, le=1e4, allow_inf_nan=False)]
Preset = Literal["64", "128", "256", "paper", "tiny", "small"]
Split = Literal["all", "dev", "final"]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "bf16", "fp32"]
GIVEN = "given"  # features of a file, which is named anew wherever they are needed
Judged = Literal["paired", "swapped", "both"]
MapName = Literal["psi1", "contrast", "residual", "evidence", "object"]
MAPS: tuple[MapName, ...] = get_args(MapName)
LEAST_SIDE = 8  # of what the discriminator's first block sees
DEFAULT_MAP: MapName = "evidence"  # where there is no segmenter; chosen on dev halves: docs/results/choices.md
SEGMENTER_SHARE, MOST_SEGMENTER_SHARE = 1 / 5, 0.3  # of the minutes; of few minutes
SEGMENTER_MINUTES = 2.5  # that the segmenter gets of few minutes, if that is not too large a share
MOST_SHARE_OF_FINDINGS, FINDING_MINUTES = 0.4, 4  # of what comes after the branches, with several findings; a finding
BEGINNING_SHARE, LESSONS_SHARE = 1 / 3, 1 / 10  # of the branches' minutes, with several findings that begin as one
MOST_LESSONS = 1500  # steps: docs/results/choices.md
TAUGHT: MapName = "object"  # what a segmenter draws, where a run has one


Share = Annotated[float, Field(ge=0, lt=1)]


class Weights(Options):
    """The lambdas of eq. (10).  The paper prints none; these are ours, chosen in docs/results/choices.md."""

    rec: Weight = Field(10.0, description="Weight of the reconstruction, eq. 5. Raise it if images come back blurred.")
    grad_rec: Weight = Field(
        10.0, description="Weight of the reconstruction of edges, eq. 6. Raise it if outlines come back soft."
    )
    dis_rec: Weight = Field(
        5.0, description="Weight of the reconstruction where branch 1 is loud, eq. 7. Rarely worth a change."
    )
    sqc: Weight = Field(
        1.0, description="Weight against branches that overlap, eq. 8. Lower it if images come back with holes."
    )
    energy: Weight = Field(
        1.0, description="Weight of equal energies in branches 2 to N. It does nothing with fewer than three branches."
    )
    sparse: Weight = Field(
        10.0,
        description="Weight of a sparse branch 1, eq. 9. Raise it if maps are noisy; halve it if they stay empty.",
    )
    share: Weight = Field(  # ours
        5.0,
        description="Weight of branches 2 to N being the same for both classes. Raise it if they keep outlines.",
    )
    adv: Weight = Field(
        2.0, description="Weight of the adversarial term. Raise it if counterfactuals do not change their class."
    )
    invention: Weight = Field(  # ours
        0.25,
        description="Share of the adversarial term for images that are to get the object. Below 1, removing it counts"
        " more than inventing it; raise it to 1 if both counterfactuals matter alike.",
    )
    keep: Weight = Field(  # ours
        0.0,
        description="Weight of reconstructions staying genuine, with --judged paired alone. Try 1 if branch 1 died.",
    )
    mismatch: Weight = Field(  # ours
        1.0,
        description="Weight of lessons: real images that teach the discriminator the classes. 0 leaves them out.",
    )
    r1: Weight = Field(  # StarGAN v2
        1.0, description="Weight of R1, which keeps the discriminator smooth. Raise it if training becomes unstable."
    )


class Network(Options):
    """Widths and depths; all widths are those of one branch."""

    branches: Annotated[int, Parameter(name=["--branches", "--network.branches"])] = Field(
        2,  # by measurement: docs/results/choices.md
        ge=1,
        le=64,
        description="N, the number of branches; the first one holds the class. The paper takes 5; time grows with N.",
    )
    width: int = Field(
        32,
        ge=1,
        le=1024,
        description="Channels of a branch at the finest level; they double below. Wider is slower and finer.",
    )
    max_width: int = Field(64, ge=1, le=4096, description="Most channels of a branch at any level.")
    downs: int = Field(
        2, ge=1, le=8, description="How often the network halves the image. One more lets it see larger objects."
    )
    stem: int = Field(
        2,
        ge=1,
        le=4,
        description="Side in pixels (1, 2 or 4) of the blocks that enter as one. 1 is finest and slowest.",
    )
    bottleneck: int = Field(1, ge=0, le=8, description="Residual blocks at the coarsest level, in each half.")
    style_dim: int = Field(64, ge=1, le=1024, description="Length of a class's style vector.")  # StarGAN v2
    mapping_hidden: int = Field(
        128, ge=1, le=4096, description="Width of the mapping network, from a class to its style."
    )
    discriminator_width: int = Field(
        32, ge=1, le=1024, description="Channels of the discriminator at its finest level; they double below."
    )
    discriminator_max_width: int = Field(128, ge=1, le=4096, description="Most channels of the discriminator.")
    recompute: bool = Field(
        False, description="Compute features again on the way back: half the memory for a third more time."
    )

    @field_validator("stem")
    @classmethod
    def _stem_is_a_power_of_two(cls, value: int) -> int:
        if value == 3:
            raise ValueError("must be 1, 2 or 4, got 3")
        return value

    @property
    def widths(self) -> list[int]:
        """Channels of one branch, from the finest to the coarsest resolution."""
        return [min(self.width * 2**level, self.max_width) for level in range(self.downs + 1)]

    @property
    def multiple(self) -> int:
        """What the sides of an image must be divisible by."""
        return int(self.stem * 2**self.downs)


class Optimiser(Options):
    """Adam for both players."""

    lr: float = Field(
        1e-3, gt=0, le=1, description="Learning rate of the branches. Halve it if training becomes unstable."
    )
    discriminator_lr: float = Field(
        3e-4, gt=0, le=1, description="Learning rate of the discriminator. Halve it if the discriminator wins."
    )
    betas: tuple[Share, Share] = Field((0.0, 0.99), description="Adam's two decay rates.")  # StarGAN v2
    weight_decay: float = Field(1e-4, ge=0, le=1, description="Weight decay of both players.")  # StarGAN v2
    warmup: int = Field(100, ge=0, description="Steps over which the learning rate rises from zero.")
    decay: float = Field(0.5, ge=0, le=1, description="Last share of the steps, over which the rate falls to zero.")
    ema: float = Field(  # StarGAN v2
        0.999, ge=0, lt=1, description="Memory of the moving average of the weights, which draws the maps."
    )
    r1_every: int = Field(4, ge=1, le=64, description="R1 comes on every n-th step, n times as strong.")


class Augment(Options):
    """Small changes that leave the class alone; all of them drawn anew at every step."""

    flip_horizontal: bool | None = Field(
        None,
        description="Mirror images left to right. By default on where a simple model can't tell mirrored images apart.",
    )
    flip_vertical: bool | None = Field(None, description="Mirror images upside down; the default is found likewise.")
    degrees: float = Field(10.0, ge=0, le=180, description="Largest rotation, in degrees.")
    translate: float = Field(0.05, ge=0, le=0.5, description="Largest shift, as a share of the side.")
    scale: float = Field(0.1, ge=0, le=0.5, description="Largest change of size: .1 means 90 % to 110 %.")
    intensity: float | None = Field(
        None,
        ge=0,
        le=0.5,
        description="Largest change of brightness and gamma. By default .2 for colour pictures, else 0.",
    )
    cast: float | None = Field(
        None,
        ge=0,
        le=0.5,
        description="Largest change of one channel's brightness. By default .1 for colour pictures, else 0.",
    )


class Reading(Options):
    """How files become arrays; kept with the run and applied the same way ever after."""

    range: tuple[tuple[float, float], ...] | None = Field(
        None,
        description="LOW HIGH: values that become -1 and 1, for all channels or a pair each. By default the whole range"
        " of 8 bits; of deeper images what 99.8 % of the training values lie between.",
    )
    bands: tuple[int, ...] | None = Field(
        None, description="Channels to use, counted from 1; by default all. For satellite images of many bands."
    )
    pages: Literal["refuse", "channels"] = Field(
        "refuse", description="What to make of a TIFF of several pages: refuse it, or take its pages for channels."
    )

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


class Ablation(Options):
    """Parts of the method that can be left out, to show what they are good for."""

    blend: bool = Field(True, description="Blend branches 2 to N of both classes, eq. 4.")
    skips: bool = Field(True, description="U-Net connections at every resolution.")
    choose: bool = Field(
        True,
        description="Draw maps with the networks of the step that validation images choose; else of the last step.",
    )
    mirror: bool = Field(
        True, description="Decompose an image together with its mirror image, where training makes mirror images."
    )


PRESET_DECIDES = "Defaults are those of 64 px; 128 and 256 px have others. config.yaml of a run has what was taken."


def _section(name: str, order: int, words: str = "") -> Parameter:
    """Options of a section stand together in the help, below training's own."""
    return Parameter(group=Group(name, sort_key=order, help=words))


def segmenter_share(minutes: float | None, findings: int = 1) -> float:
    """Share of the time that the segmenter gets: `SEGMENTER_SHARE`, and more of few minutes, to get anywhere.

    With several findings it is that of all that comes after the branches, and more, for labels teach it, too.

    >>> [round(segmenter_share(minutes), 2) for minutes in (None, 60, 10, 3)]
    [0.2, 0.2, 0.25, 0.3]
    >>> [round(segmenter_share(minutes, findings=6), 2) for minutes in (60, 90, 240)]
    [0.4, 0.27, 0.2]
    """
    wanted = SEGMENTER_MINUTES if findings == 1 else findings * FINDING_MINUTES
    most = MOST_SEGMENTER_SHARE if findings == 1 else MOST_SHARE_OF_FINDINGS
    return min(most, max(SEGMENTER_SHARE, wanted / minutes if minutes else 0))


class Config(Options):
    """Everything that decides what a training does."""

    size: Annotated[int, Parameter(show_default=False)] = Field(
        64,
        ge=16,
        le=2048,
        description="Side in pixels of the square that the network sees. By default the images' own, as far as it lies"
        " between 64 and 128 on a CPU, between 64 and 256 on a GPU, and less where few steps fit into the minutes.",
    )
    steps: int | None = Field(
        None,
        ge=1,
        le=100_000_000,
        description="How many steps to train; by default 6000. Set it where trainings are to be compared.",
    )
    minutes: float | None = Field(
        None,
        gt=0,
        le=100_000,
        description="Bound on training's wall clock, in place of --steps: the measured speed becomes a step count.",
    )
    half_size_steps: Annotated[int, Parameter(show_default=False)] = Field(
        0,
        ge=0,
        description="First steps, done with images of half the size and a branch 1 that need not be sparse: what is"
        " large is learned first; at most half of all steps, and none where --network.stem is 1."
        " By default 500 at 256 px, else none.",
    )
    batch: int = Field(4, ge=2, le=1024, description="Images in a step. 8 is calmer and takes twice as long a step.")
    accumulate: int | None = Field(
        None,
        ge=1,
        description="Parts that a batch is computed in, to save memory. By default found where memory is short.",
    )
    lessons: int = Field(
        4,
        ge=1,
        le=64,
        description="Real images that teach the discriminator, for each image of the batch. Fewer are faster.",
    )
    judged: Judged = Field(
        "paired",
        description="What the discriminator compares: counterfactuals with reconstructions (paired), with real images"
        " (swapped), or both of these with real images (both, as in the paper).",
    )
    real: float = Field(
        1 / 3,
        ge=0,
        le=1,
        description="With --judged paired, share of the images that count as genuine as they are, in place of their"
        " reconstructions. 0 leaves the discriminator blind to what reconstructions lack.",
    )
    seed: int = Field(
        0, ge=0, lt=2**31, description="Seed of splits, weights and batches: the same seed, the same run."
    )
    device: Device = Field("auto", description="Where to compute; auto takes a GPU where there is one.")
    precision: Precision = Field(
        "auto", description="Numbers that networks compute in; auto takes bf16 where the processor is fast at it."
    )
    segmenter: bool = Field(
        True,
        description="Teach a segmenter by the maps of the training images, in at most the last fifth of the minutes;"
        " of less than 12.5 minutes, or with several findings, it may take more.",
    )
    features: str = Field(
        "auto",
        description="What the segmenter sees beside pixels: auto takes EfficientNet-Lite0, trained on ImageNet, where"
        " its package is installed; off takes pixels alone; a path takes a TorchScript or ONNX file of your own.",
    )
    discriminator_features: bool | None = Field(
        None,
        description="Let the discriminator see the features of auto beside pixels: small things are found much sooner,"
        " maps of large ones are worse, and a step takes 1.4 times as long. If not given: where several findings begin"
        " as one, and pixels alone do not tell any of them from none.",
    )
    begin_as_one: bool = Field(
        True,
        description="With several findings: train one branch for any of them first, in a third of the branches'"
        " minutes, and copy it for each.",
    )
    save_every: int = Field(500, ge=1, description="Steps between two checkpoints.")
    sample_every: int = Field(500, ge=1, description="Steps between two sheets of sample pictures.")
    validate_every: int = Field(
        250, ge=1, description="Steps between two looks at validation images, which choose the networks for the maps."
    )
    images: Annotated[Reading, _section("Reading images", 2)] = Reading()
    loss: Annotated[Weights, _section("Loss weights", 3)] = Weights()
    network: Annotated[Network, _section("Network", 4, PRESET_DECIDES)] = Network()
    optimiser: Annotated[Optimiser, _section("Optimiser", 5)] = Optimiser()
    augment: Annotated[Augment, _section("Augmentation", 6)] = Augment()
    ablation: Annotated[Ablation, _section("Ablations: parts of the method to leave out", 7)] = Ablation()

    @classmethod
    def of(cls, *layers: Layer) -> Self:
        """A configuration from layers laid over the defaults, later ones winning.

        Args:
            layers: nested dictionaries, such as a preset, a file and what was typed; `None` means "not given".

        Raises:
            ConfigError: naming the key and the range, for every option that does not fit.
        """
        values: Layer = {}
        for layer in layers:
            values = overlay(values, with_new_names(layer))
        try:
            config = cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(sentence(error)) from None
        config._require_that_options_fit_together()
        if config.network.stem == 1:  # where no pixels can be one
            return config.model_copy(update={"half_size_steps": 0})
        return config

    def with_(self, **changes: Any) -> Self:
        """This configuration with some options changed; a section is given as a dictionary of its changes.

        Raises:
            ConfigError: as `of`.
        """
        return self.of(self.model_dump(), changes)

    @property
    def drawn(self) -> int:
        """Images drawn at every step: the batch, and what the discriminator is taught by."""
        return self.batch * (1 + (self.lessons if self.loss.mismatch else 0))

    def all_branches(self, findings: int) -> int:
        """Branches in all: with several findings each has one, beside those that are common."""
        return self.network.branches + max(1, findings) - 1

    def branch_minutes(self, findings: int = 1) -> float | None:
        """What the branches get of --minutes; the segmenters get the rest."""
        return self.minutes and self.minutes * (1 - self.segmenter_share(findings))

    def begins_as_one(self, findings: int) -> bool:
        """Whether there are several findings, which begin with one branch for any of them."""
        return findings > 1 and self.begin_as_one

    def steps_at_half_size(self, findings: int) -> int:
        """First steps, done at half the size; several findings that begin as one have them in that beginning."""
        return 0 if self.begins_as_one(findings) else self.half_size_steps

    def segmenter_share(self, findings: int = 1) -> float:
        """Share of the time that the segmenters get."""
        return segmenter_share(self.minutes, findings) if self.segmenter else 0.0

    @property
    def parts(self) -> int:
        """Parts that a batch is computed in; one where nothing was decided."""
        return self.accumulate or 1

    def _require_that_options_fit_together(self) -> None:
        """Checks between options, which hold only once all layers are laid."""
        multiple = self.network.multiple
        if self.batch % self.parts:
            raise ConfigError(f"options: batch must be divisible by accumulate, got {self.batch} and {self.accumulate}")
        if self.size % multiple or self.size < 2 * multiple:
            raise ConfigError(
                f"options: size must be a multiple of {multiple} and at least {2 * multiple}, got {self.size}"
            )
        if self.size // self.network.stem < LEAST_SIDE:
            raise ConfigError(
                f"options: size must be at least {LEAST_SIDE * self.network.stem}, {LEAST_SIDE} times network.stem, got"
                f" {self.size}"
            )


LEAN = {"width": 16, "downs": 3, "max_width": 64, "discriminator_width": 16}  # half the width for twice the side
PRESETS: dict[Preset, Layer] = {
    "64": {"size": 64},
    "128": {"size": 128, "network": LEAN},
    "256": {"size": 256, "half_size_steps": 500, "network": {**LEAN, "stem": 4}},
    # two of earlier versions, whose networks stay
    "tiny": {"size": 64},
    "small": {"size": 128, "network": {"downs": 3, "max_width": 128, "discriminator_max_width": 256}},
    # N of section 4.5; StarGAN v2 at 256 px: width 64 doubling to 512, four down-steps, two bottleneck blocks, batch 8
    "paper": {
        "size": 256,
        "batch": 8,
        "network": {
            "branches": 5, "width": 64, "max_width": 512, "downs": 4, "stem": 1, "bottleneck": 2,
            "mapping_hidden": 512, "discriminator_width": 64, "discriminator_max_width": 512,
        },
        "optimiser": {"lr": 1e-4, "discriminator_lr": 1e-4},
    },
}  # fmt: skip
