"""Libraries of optional sets, in tests."""

from importlib import import_module


def installed(module):
    """The library, or None where it is not installed."""
    try:
        return import_module(module)
    except ImportError:
        return None
