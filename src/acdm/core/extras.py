"""Libraries of the optional sets, imported where they are needed."""

from importlib import import_module
from types import ModuleType

from acdm.errors import DataError


def extra(module: str, name: str, why: str) -> ModuleType:
    """Import a library of the optional set `name`; `why` begins the sentence that asks for it.

    Raises:
        DataError: with the command that installs it.
    """
    try:
        return import_module(module)
    except ImportError:
        raise DataError(f"{why} needs {module.split('.')[0]}: pip install 'acdm[{name}]'") from None
