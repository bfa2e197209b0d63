"""Templates and scripts that the report and the local page share."""

from importlib import resources

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template

from acdm.tables import figure


def template(package: str, name: str) -> Template:
    """A template of a package, which may include the explorer's; every value is escaped."""
    loader = ChoiceLoader([PackageLoader(package), PackageLoader("acdm.report")])
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.filters["figure"] = figure
    return environment.get_template(name)


def script(name: str) -> bytes:
    """A script that pages load."""
    return (resources.files("acdm.report") / "templates" / name).read_bytes()
