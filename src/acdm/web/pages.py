"""Templates and scripts that the report and the local page share."""

from base64 import b64encode
from collections.abc import Sequence
from importlib import resources
from itertools import cycle

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from acdm.core.tables import number
from acdm.maps.pictures import COLOURS


def template(name: str) -> Template:
    """A template by its file name; every value that it shows is escaped."""
    environment = Environment(loader=PackageLoader("acdm.web"), autoescape=True, undefined=StrictUndefined)
    environment.filters["figure"] = number
    environment.filters["percent"] = percent
    return environment.get_template(name)


def percent(share: float | None, digits: int = 0) -> str:
    """A share for people.

    >>> percent(0.973), percent(0.0012, 2), percent(None)
    ('97 %', '0.12 %', '–')
    """
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def colours_of(findings: Sequence[str]) -> dict[str, str]:
    """The colour of each finding in pictures (`COLOURS`), as style sheets write it.

    >>> colours_of(["spur"])
    {'spur': 'rgb(230 159 0)'}
    """
    return {finding: f"rgb({r} {g} {b})" for finding, (r, g, b) in zip(findings, cycle(COLOURS), strict=False)}


def script(name: str) -> bytes:
    """A script that pages load, by its file name."""
    return (resources.files("acdm.web") / "templates" / name).read_bytes()


def within(content: bytes) -> str:
    """A PNG picture as an address that holds it."""
    return f"data:image/png;base64,{b64encode(content).decode('ascii')}"
