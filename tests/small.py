"""Networks and trainings that take seconds: the same options for Python and for the command line."""

from acdm.core.config import Config, Network

NETWORK = {"branches": 3, "width": 4, "max_width": 8, "discriminator_width": 4, "discriminator_max_width": 8}
OPTIONS = {"size": 16, "batch": 4, "precision": "fp32", "features": "off", "network": NETWORK}
LEAST_NETWORK = {
    "branches": 2,
    "width": 2,
    "max_width": 2,
    "downs": 1,
    "discriminator_width": 2,
    "discriminator_max_width": 2,
}
SMALL = [
    "--size", "16", "--batch", "4", "--precision", "fp32", "--network.width", "4", "--network.max-width", "8",
    "--network.discriminator-width", "4", "--network.discriminator-max-width", "8", "--branches", "3",
    "--features", "off",
]  # fmt: skip
TINY = [*SMALL, "--steps", "12"]


def small_config(*layers):
    """`OPTIONS` under other layers."""
    return Config.of(OPTIONS, *layers)


def small_network(**options):
    """`NETWORK` with some options changed, and short styles."""
    return Network(**{**NETWORK, "style_dim": 6, "mapping_hidden": 5, **options})
