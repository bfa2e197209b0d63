"""The commands, and what they share."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Out = Annotated[Path | None, Parameter(name=["--out", "-o"])]
NeededOut = Annotated[Path, Parameter(name=["--out", "-o"])]


def typed() -> str:
    """The command as it was typed, for the record."""
    return shlex.join(["acdm", *sys.argv[1:]])
