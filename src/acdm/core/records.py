"""The run folder's small JSON files as types: data.json and env.json; results.json stands in `acdm.core.results`."""

import math
import os
import platform
import secrets
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError

from acdm.core.files import parse_json, write_json
from acdm.core.options import sentence
from acdm.errors import RunError

VERSIONS = ("acdm", "torch", "numpy", "monai", "kornia", "scikit-learn", "torchmetrics", "pillow")


def _none_if_undefined(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Figure = Annotated[float | None, BeforeValidator(_none_if_undefined)]
"""A number; None, and null in the file, where it is undefined."""


FOLDER_NAME = r"^[^./\\:*?\"<>|\x00][^/\\:*?\"<>|\x00]*$"
FolderName = Annotated[str, StringConstraints(pattern=FOLDER_NAME)]
"""A name that becomes a folder's, and leads nowhere else."""


class Record(BaseModel):
    """A JSON file of a run, or a part of one; keys that this version does not know are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @classmethod
    def read(cls, path: Path, remedy: str) -> Self:
        """The file as a record; `remedy` says what makes it where it is missing.

        Raises:
            RunError: when it is missing, damaged, or lacks a key.
        """
        try:
            return cls.model_validate(parse_json(path.read_text(encoding="utf-8", errors="surrogateescape")))
        except FileNotFoundError:
            raise RunError(f"{path}: missing; {remedy}") from None
        except ValidationError as error:
            raise RunError(f"{path}: not what acdm wrote there ({sentence(error)}); {remedy}") from None
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: cannot be read ({error}); {remedy}") from None

    def write(self, path: Path) -> None:
        """Write the record as JSON; raises WriteError when the disk refuses."""
        write_json(path, self.model_dump(mode="json", by_alias=True))


class Shortcut(Record):
    """How well one trait of images alone separates the classes.

    Attributes:
        trait: its name.
        auroc: cross-validated, of images it was not fitted on; .5 is chance.
        detail: where or what, in words; empty where there is nothing to add.
    """

    trait: str
    auroc: float
    detail: str = ""

    @property
    def sentence(self) -> str:
        """The warning for people."""
        detail = f" ({self.detail})" if self.detail else ""
        return (
            f"{self.trait} alone{detail} tells the classes apart with AUROC {self.auroc:.2f}:"
            " maps may show that, and not the object"
        )


class File(Record):
    """One image of a data set: its path relative to the data folder, class and group."""

    path: str
    label: str
    group: str


class DataRecord(Record):
    """data.json: what a run was trained on, so that its split can be told again.

    Attributes:
        classes: their names; class 1 is positive.
        positive: name of the class that carries the object.
        channels: C of the images.
        size: side of the square that the network sees.
        side: median longer side of the training images in pixels; 0 in runs of early versions.
        depths: highest values that the images' formats can hold, null for numbers without bounds; empty in early runs.
        digests: checksums of the pixels of training and validation images.
        shortcuts: how well cheap traits tell the classes apart.
        ignored: folders under test/ that are no class.
        split_made: whether the test part was cut from the given images.
        n: images of each part and class.
        files: images of each part.
        findings: with several in an image, their names; then classes are "none" and "any".
        reference: of more than two classes, the one without a finding.
    """

    classes: tuple[str, ...]
    positive: str
    channels: int
    size: int
    side: int = 0
    depths: tuple[float | None, ...] = ()
    digests: tuple[str, ...] = ()
    shortcuts: tuple[Shortcut, ...] = ()
    ignored: tuple[str, ...] = ()
    split_made: bool = False
    n: dict[str, dict[str, int]]
    files: dict[str, tuple[File, ...]]
    findings: tuple[FolderName, ...] = ()
    reference: str | None = None


class Environment(Record):
    """env.json: the run's own name, the machine, the versions, and the command as it was typed.

    Attributes:
        id: drawn by chance once a run; its files carry it, so that those of another run are known. "" in early runs.
        date: when the run began, ISO 8601 in universal time; "" in early runs.
    """

    id: str = ""
    date: str = ""
    command: str
    python: str
    machine: str
    system: str
    cores: int | None
    threads: int
    gpu: str | None
    versions: dict[str, str]

    @classmethod
    def here(cls, command: str) -> Self:
        """What this process runs on."""
        import torch

        return cls(
            id=secrets.token_hex(8),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            command=command,
            python=platform.python_version(),
            machine=platform.machine(),
            system=platform.system(),
            cores=os.cpu_count(),
            threads=torch.get_num_threads(),
            gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            versions={name: version(name) for name in VERSIONS},
        )
