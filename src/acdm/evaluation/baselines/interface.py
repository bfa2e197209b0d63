"""The one interface of all baselines: fitted on images with nothing but their class, each gives signed maps.

Axes: n images, C channels, S rows and columns; pixels in [-1, 1].  Class 1 is the positive one, as everywhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

from acdm.core.config import Config

Maps = Callable[[Tensor], Tensor]
"""(n, C, S, S) to (n, 1 or C, S, S): signed, louder where an image looks more like the positive class.  The image's
class is not asked for, so that maps of the other class tell what is noise, as the residual's do."""


@dataclass(frozen=True)
class Images:
    """What a baseline is fitted on.

    Attributes:
        train, validation: images (n, C, S, S) and classes (n,).
        config: of acdm's own training on them: how images may be changed, and the networks' measures.
    """

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    config: Config


@dataclass(frozen=True)
class Fitted:
    """A fitted baseline.

    Attributes:
        maps: by name; one where the baseline knows no others.
        facts: to be reported with it, such as its accuracy or its steps.
    """

    maps: Mapping[str, Maps]
    facts: Mapping[str, float] = field(default_factory=dict)


class Fit(Protocol):
    """Fit within so many minutes; the same seed gives the same maps, where the steps are the same."""

    def __call__(self, images: Images, minutes: float, seed: int) -> Fitted: ...
