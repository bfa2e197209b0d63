"""Write docs/reference/commands.md and python.md from the code; `scripts/fix` calls it, a test holds them to it."""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import acdm
from acdm.cli.app import app
from acdm.core.config import MAPS
from acdm.errors import AcdmError
from acdm.maps.decomposer import Decomposer
from acdm.maps.decomposition import Decomposition
from acdm.maps.segmentation import Segmentation

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
CLASSES = {
    Decomposer: ("decompose", "decompose_all", "split", "attribute", "classify"),
    Decomposition: (*MAPS, "reconstruction", "counterfactual", "maps", "plot", "save"),
    Segmentation: ("boxes",),
}


def commands() -> str:
    return app.generate_docs(usage_name="acdm").rstrip() + "\n"


def python() -> str:
    """The public names with their signatures and docstrings."""
    parts = ["# Python\n", _text(acdm)]
    parts += [_section(f"acdm.{name}", getattr(acdm, name), 2) for name in acdm.__all__]
    for owner, names in CLASSES.items():
        parts.append(_section(owner.__name__, owner, 2))
        parts += [_section(f"{owner.__name__}.{name}", getattr(owner, name), 3) for name in names]
    parts.append(
        "## Errors\n\nAll are `acdm.errors.AcdmError`; the command line prints the message and exits with the code.\n"
    )
    rows = [f"| `{kind.__name__}` | {_exit(kind)} | {_first(kind)} |" for kind in _kinds(AcdmError)]
    parts.append("\n".join(["| error | exit code | when |", "| --- | --- | --- |", *rows]) + "\n")
    return "\n".join(parts)


def _section(title: str, thing: object, level: int) -> str:
    sign = "" if isinstance(thing, property) else str(inspect.signature(thing)).replace("~", "")  # type: ignore[arg-type]
    return f"{'#' * level} {title}\n\n```python\n{title.rsplit('.', 1)[-1]}{sign}\n```\n\n{_text(thing)}"


def _text(thing: object) -> str:
    return f"```text\n{inspect.getdoc(thing)}\n```\n"


def _kinds(kind: type[AcdmError]) -> Iterator[type[AcdmError]]:
    for below in kind.__subclasses__():
        yield below
        yield from _kinds(below)


def _exit(kind: type[AcdmError]) -> str:
    return "129, 130 or 143" if kind.__name__ == "InterruptedTrainingError" else str(kind.exit_code)


def _first(kind: Callable[..., object]) -> str:
    return (inspect.getdoc(kind) or "").splitlines()[0]


if __name__ == "__main__":
    (REFERENCE / "commands.md").write_text(commands(), encoding="utf-8")
    (REFERENCE / "python.md").write_text(python(), encoding="utf-8")
