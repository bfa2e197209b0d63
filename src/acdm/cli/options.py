"""Options that several commands share, each with its sentence of help."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from acdm.core.config import Config, Preset
from acdm.core.options import Layer, overlay, read_yaml

Data = Annotated[
    list[Path],
    Parameter(
        help="DATA with train/CLASS/ or CLASS/, a CSV path,label[,group][,mask], or two folders of images, one a class;"
        " or DATA with labels.csv, for several findings in an image."
    ),
]
RunFolder = Annotated[Path, Parameter(help="Run folder, as 'acdm train' printed it.")]
OtherRun = Annotated[Path | None, Parameter(help="Another run, to be set beside the first.")]
Out = Annotated[Path | None, Parameter(name=["--out", "-o"])]
NeededOut = Annotated[Path, Parameter(name=["--out", "-o"])]
PresetName = Annotated[
    Preset | None,
    Parameter(
        help="Settings to begin with: 64, 128 or 256 (pixels a side; by default as large as the images are, at most 128"
        " on a CPU), or paper (256 px with the paper's networks, slow on a CPU). tiny and small are those of earlier"
        " versions, of 64 and 128 px."
    ),
]
PositiveClass = Annotated[
    str | None,
    Parameter(help="The class that carries the object; by default the one with masks or boxes, else the second."),
]
Reference = Annotated[
    str | None,
    Parameter(
        help="With more than two class folders, the class without a finding, such as healthy; each other class then is"
        " a finding. By default each class is one, against all others."
    ),
]
FindingName = Annotated[
    str | None,
    Parameter(
        help="With several findings in an image, the one that is meant; by default each in turn, where a command can."
    ),
]
FeaturesFile = Annotated[
    Path | None, Parameter(help="File of the features that the run's segmenter was taught on, where it was on such.")
]
ConfigFile = Annotated[Path | None, Parameter(help="YAML file of options; what is typed wins over it.")]
TrainingOptions = Annotated[Config | None, Parameter(name="*")]
AtLeast1 = Annotated[int, Parameter(validator=Number(gte=1))]
AtLeast0 = Annotated[int, Parameter(validator=Number(gte=0))]


def typed() -> str:
    """The command as it was typed, which env.json remembers."""
    return shlex.join(["acdm", *sys.argv[1:]])


def layers(file: Path | None, options: Config | None) -> Layer:
    """Options of a YAML file under those that were typed.

    Raises:
        ConfigError: when the file cannot be read.
    """
    given = read_yaml(file) if file else {}
    return overlay(given, options.model_dump(exclude_unset=True) if options else {})
