"""What a file of `acdm bench` asks for: data × variants × seeds, each a cell with a folder of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator

from acdm.core.config import PRESETS, Config, Preset, Split
from acdm.core.options import Layer, Options, overlay, read_yaml, sentence
from acdm.core.run import Run
from acdm.data.sets.synthetic import Set
from acdm.errors import ConfigError


class Drawn(Options):
    """Synthetic images, as `acdm toy` draws them."""

    toy: Set
    size: int | None = Field(None, ge=16)
    train: int | None = Field(None, ge=8)
    test: int | None = Field(None, ge=8)
    seed: int = Field(0, ge=0)


class Variant(Options):
    """Options laid over the common ones, and which data and seeds it is run with; None takes all.

    `positive` is the class that carries the object, or one of several findings.
    """

    options: Layer = Field(default_factory=dict)
    positive: str | None = None
    data: list[str] | None = Field(None, min_length=1)
    seeds: list[int] | None = Field(None, min_length=1)


class Study(Options):
    """What a file of `acdm bench` holds; without a preset the images choose it."""

    title: str = ""
    data: dict[str, Path | Drawn] = Field(min_length=1)
    split: list[Split] = Field(["all"], min_length=1)
    seeds: list[int] = Field([0], min_length=1)
    preset: Preset | None = "tiny"
    common: Layer = Field(default_factory=dict)
    variants: dict[str, Variant] = Field(min_length=1)

    @field_validator("split", mode="before")
    @classmethod
    def _one_split(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("data", "variants")
    @classmethod
    def _names_are_folders(cls, named: dict[str, Any]) -> dict[str, Any]:
        for name in named:
            if not name or name.startswith(".") or any(c in '/\\:*?"<>|' for c in name):
                raise ValueError(f"'{name}' becomes a folder's name and must look like one")
        return named

    @model_validator(mode="after")
    def _variants_name_data_there_is(self) -> "Study":
        for name, variant in self.variants.items():
            if unknown := set(variant.data or ()) - set(self.data):
                raise ValueError(f"variants.{name}: there is no data '{min(unknown)}'")
        return self


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One training of a grid, in its folder.

    Attributes:
        data, variant, seed: its place in the grid.
        options, preset, positive: as for a training.
        source: the images: a folder, or how they are drawn.
        splits: the parts of the test images that it is measured on.
        folder: where the cell lies.
    """

    data: str
    variant: str
    seed: int
    options: Layer
    preset: str | None
    source: str
    splits: Sequence[Split]
    folder: Path
    positive: str | None = None

    @property
    def run(self) -> Run:
        """The run folder."""
        return Run(self.folder / "run")

    @property
    def finished(self) -> bool:
        """Whether it is trained and evaluated."""
        return all(self.results(split).is_file() for split in self.splits)

    def results(self, split: Split) -> Path:
        """Where the figures of a part of the test images are."""
        return self.folder / f"{split}.json"

    def asked(self) -> dict[str, Any]:
        """What the cell's folder remembers, so that nothing else is ever laid into it."""
        kept = {key: value for key, value in vars(self).items() if key not in ("folder", "positive")}
        return {**kept, **({"positive": self.positive} if self.positive else {})}

    def __str__(self) -> str:
        return f"{self.data}, {self.variant}, seed {self.seed}"


def read_study(file: Path) -> Study:
    """Read and check a study.

    Raises:
        ConfigError: naming the key, also where an option of a variant is none of training's.
    """
    try:
        study = Study.model_validate(read_yaml(file))
    except ValidationError as error:
        raise ConfigError(f"{file}: {sentence(error)}") from None
    for name, variant in study.variants.items():
        try:
            Config.of(PRESETS[study.preset] if study.preset else {}, study.common, variant.options)
        except ConfigError as error:
            raise ConfigError(f"{file}: variants.{name}: {error}") from None
    return study


def cells(study: Study, root: Path, out: Path) -> list[Cell]:
    """Every cell, seeds outermost, so that a study that is cut off has whole rounds."""
    found = []
    for seed in sorted({seed for v in study.variants.values() for seed in v.seeds or study.seeds}):
        for data in study.data:
            for name, variant in study.variants.items():
                if data in (variant.data or study.data) and seed in (variant.seeds or study.seeds):
                    options = overlay(overlay(study.common, variant.options), {"seed": seed})
                    folder = out / "cells" / data / name / str(seed)
                    found.append(
                        Cell(
                            data=data,
                            variant=name,
                            seed=seed,
                            options=options,
                            preset=study.preset,
                            source=_source(study.data[data], root),
                            splits=study.split,
                            folder=folder,
                            positive=variant.positive,
                        )
                    )
    return found


def _source(source: Path | Drawn, root: Path) -> str:
    return str((root / source).resolve()) if isinstance(source, Path) else source.model_dump_json()
