"""Templates and scripts that the report and the local page share."""

from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from acdm.core.tables import number


def template(name: str) -> Template:
    """A template by its file name; every value that it shows is escaped."""
    environment = Environment(loader=PackageLoader("acdm.web"), autoescape=True, undefined=StrictUndefined)
    environment.filters["figure"] = number
    return environment.get_template(name)


def script(name: str) -> bytes:
    """A script that pages load, by its file name."""
    return (resources.files("acdm.web") / "templates" / name).read_bytes()
