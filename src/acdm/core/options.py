"""Options as layers laid over one another, as YAML, and what is wrong with them in words."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from acdm.errors import ConfigError

Layer = dict[str, Any]
"""Nested options by name, as in config.yaml; `None` means "not given"."""

MAX_BYTES = 1 << 20  # of a YAML file
RENAMED = {
    "network.critic_width": "network.discriminator_width",
    "network.critic_max_width": "network.discriminator_max_width",
    "optimiser.critic_lr": "optimiser.discriminator_lr",
    "network.skips": "ablation.skips",
    "blend": "ablation.blend",
    "choose": "ablation.choose",
    "mirror": "ablation.mirror",
}
"""Names that options had in earlier versions, and the names they have now; both are understood."""


GONE = "network.fine"  # an option of one version, which runs wrote as 0


class Options(BaseModel):
    """Values that are checked once and never change; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def overlay(below: Layer, above: Layer) -> Layer:
    """Nested options with others laid over them; `None` above leaves what is below."""
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, dict):
            deeper = merged.get(key)
            merged[key] = overlay(deeper if isinstance(deeper, dict) else {}, value)
        elif value is not None:
            merged[key] = value
    return merged


def with_new_names(layer: Layer) -> Layer:
    """Nested options in which names of earlier versions are replaced by those of `RENAMED`."""
    layer = overlay({}, layer)  # sections are changed below, and not the caller's
    section, key = _place(layer, GONE)
    if section.get(key) == 0:
        del section[key]
    for old, new in RENAMED.items():
        section, key = _place(layer, old)
        if key in section:
            value = section.pop(key)
            place, name = _place(layer, new)
            place.setdefault(name, value)
    return layer


def _place(layer: Layer, name: str) -> tuple[Layer, str]:
    """The section that holds a dotted name, made where it is missing, and the name within it."""
    *sections, key = name.split(".")
    for section in sections:
        inner = layer.setdefault(section, {})
        layer = inner if isinstance(inner, dict) else {}
    return layer, key


def argument_with_new_name(argument: str) -> str:
    """An argument of the command line, such as --network.critic-width or --no-blend, under its present name."""
    for old, new in RENAMED.items():
        for negation in ("", "no-"):
            typed, meant = (f"--{_negated(name, negation)}".replace("_", "-") for name in (old, new))
            if argument == typed or argument.startswith(f"{typed}="):
                return meant + argument[len(typed) :]
    return argument


def _negated(name: str, negation: str) -> str:
    section, dot, key = name.rpartition(".")
    return f"{section}{dot}{negation}{key}"


class _PlainLoader(yaml.SafeLoader):
    """Plain values alone: no objects, and no aliases, a few bytes of which can stand for a billion values."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read; write each value out")
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> Layer:
    """Options from a YAML file; only plain values are read, never objects.

    Raises:
        ConfigError: when the file cannot be read, or does not hold options.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path}: larger than {MAX_BYTES >> 20} MB; that is no file of options")
        values = _PlainLoader(path.read_text(encoding="utf-8")).get_single_data()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deep") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a number of thousands of digits
        raise ConfigError(f"{path}: not valid YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected options as 'key: value' lines")
    return values


def to_yaml(options: Options) -> str:
    """All options as YAML, in the order of the schema."""
    return yaml.safe_dump(options.model_dump(mode="json"), sort_keys=False)


def sentence(error: ValidationError, section: str = "") -> str:
    """What is wrong with options, key by key; `section` names the one that they are all in."""
    parts = []
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in (section, *problem["loc"]) if part != "") or "options"
        if problem["type"] == "extra_forbidden":
            parts.append(f"{key}: no such option")
        else:
            parts.append(f"{key}: {problem['msg'].removeprefix('Value error, ')}")
    return "; ".join(parts)
