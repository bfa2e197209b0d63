"""The table of maps: what each one is drawn for and claims, and how it is cut where nothing else is asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt

from acdm.core.config import MAPS, MapName

MARKED = 0.25  # probability of the object from which on a pixel belongs to it
QUANTILE = 0.995  # share of the other class's pixels that stay under the threshold "negatives"

Rule = Callable[[Mapping[str, float]], tuple[float, str]]
"""From the named thresholds to the default one and its name."""


def otsu(thresholds: Mapping[str, float]) -> tuple[float, str]:
    """Otsu's threshold."""
    return thresholds["otsu"], "otsu"


def larger(thresholds: Mapping[str, float]) -> tuple[float, str]:
    """The larger of Otsu's threshold and that of the other class's pixels."""
    return max(thresholds["otsu"], thresholds["negatives"]), f"otsu or negatives {QUANTILE:.1%}"


def between(thresholds: Mapping[str, float]) -> tuple[float, str]:
    """The geometric mean of both, for loudness differs from patient to patient more than noise does."""
    return sqrt(thresholds["otsu"] * thresholds["negatives"]), f"between otsu and negatives {QUANTILE:.1%}"


def quarter(thresholds: Mapping[str, float]) -> tuple[float, str]:
    """One in four, of what is a probability: nearer the best one than even odds (docs/results/choices.md)."""
    return MARKED, "one in four"


@dataclass(frozen=True, kw_only=True)
class MapKind:
    """What is special about a map.

    Attributes:
        name: as in `acdm.core.config`.
        drawn_for_true_class: drawn with the image's class known, so that its loudness tells nothing of the class.
        claims_on_negatives: whether what it shows on an image of the negative class counts as found there.
        quiet_of: the map whose negatives tell how loud noise is.
        sign_of: the map whose polarity it takes.
        scale_of: the map whose smoothing it takes.
        default_rule: how it is cut where nothing else is asked for.
        probability: whether its scores are probabilities.
        exported: whether ONNX files hold it; gradients have no operators there.
    """

    name: MapName
    drawn_for_true_class: bool = False
    claims_on_negatives: bool = True
    quiet_of: MapName
    sign_of: MapName
    scale_of: MapName
    default_rule: Rule
    probability: bool = False
    exported: bool = True


_ROWS = (
    MapKind(
        name="psi1", drawn_for_true_class=True, quiet_of="psi1", sign_of="psi1", scale_of="residual",
        default_rule=larger,
    ),
    MapKind(  # on negatives it shows the object that the other class would add
        name="contrast", drawn_for_true_class=True, claims_on_negatives=False, quiet_of="psi1", sign_of="contrast",
        scale_of="residual", default_rule=otsu,
    ),
    MapKind(name="residual", quiet_of="residual", sign_of="residual", scale_of="residual", default_rule=between),
    MapKind(  # a weight changes neither the sign nor the grain of what it weighs
        name="evidence", quiet_of="evidence", sign_of="residual", scale_of="residual", default_rule=between,
        exported=False,
    ),
    MapKind(
        name="object", quiet_of="object", sign_of="object", scale_of="object", default_rule=quarter,
        probability=True,
    ),
)  # fmt: skip
KINDS: dict[MapName, MapKind] = {kind.name: kind for kind in _ROWS}
assert tuple(KINDS) == MAPS


def kind_of(name: str) -> MapKind:
    """The map's row; a map of another method is taken as the residual is, which is drawn for any image."""
    return next((kind for kind in KINDS.values() if kind.name == name), KINDS["residual"])
