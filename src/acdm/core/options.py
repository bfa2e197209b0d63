"""Options as layers laid over one another, as YAML, and what is wrong with them in words."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from acdm.errors import ConfigError


def read_yaml(path: Path) -> dict[str, Any]:
    """Options from a YAML file; only plain values are read, never objects."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deep") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected options as 'key: value' lines")
    return values


def to_yaml(config: BaseModel) -> str:
    """All options as YAML, in the order of the schema."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def overlay(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Nested options with others laid over them; `None` above leaves what is below."""
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, dict):
            deeper = merged.get(key)
            merged[key] = overlay(deeper if isinstance(deeper, dict) else {}, value)
        elif value is not None:
            merged[key] = value
    return merged


def sentence(error: ValidationError, section: str = "") -> str:
    """What is wrong with options, key by key; `section` is the one that they are all in."""
    parts = []
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in (section, *problem["loc"]) if part != "") or "options"
        if problem["type"] == "extra_forbidden":
            parts.append(f"{key}: no such option")
        else:
            parts.append(f"{key}: {problem['msg'].removeprefix('Value error, ')}")
    return "; ".join(parts)
