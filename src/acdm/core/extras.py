"""Libraries of the optional sets."""

from importlib import import_module
from types import ModuleType

from acdm.errors import DataError


def extra(module: str, name: str, why: str) -> ModuleType:
    """A library of an optional set.

    Raises:
        DataError: with the command that installs it.
    """
    try:
        return import_module(module)
    except ImportError:
        raise DataError(f"{why} needs {module.split('.')[0]}: pip install 'acdm[{name}]'") from None
