"""Fresh networks for a training, with the frozen features that its discriminator sees."""

from functools import partial

import torch

from acdm.core.config import Config
from acdm.errors import ConfigError
from acdm.maps.features import PACKAGE, Features
from acdm.method.discriminator import See
from acdm.method.players import Players, assemble

SIDE, LEVELS = 128, 3  # px that images are scaled to; strides 2, 4 and 8: docs/results/choices.md


def fresh_players(config: Config, channels: int, classes: int, findings: int) -> Players:
    """Make networks and optimisers that have seen nothing; the weights depend on the seed alone.

    Args:
        config: options, all of them decided.
        channels, classes, findings: as of `acdm.method.players.assemble`.

    Raises:
        ConfigError: when the discriminator is to see features whose package is not installed.
    """
    device = torch.device(config.device)
    return assemble(config, channels, classes, device, findings, _features(config, device))


def _features(config: Config, device: torch.device) -> See | None:
    if not config.discriminator_features:
        return None
    features = Features.installed()
    if features is None:
        raise ConfigError(
            f"discriminator_features: the package {PACKAGE} is not installed; install acdm[features], or begin a new"
            " run with --no-discriminator-features"
        )
    return partial(features.to(device), side=SIDE, levels=LEVELS)
