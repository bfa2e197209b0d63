"""Documents as configurations: right keys with any value, wrong keys, wrong places.

    python benchmarks/reliability/configs.py [COUNT]

Prints how many were taken and how many were refused with a sentence that names a key; anything else stops it.
"""

import sys
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acdm.core.config import Ablation, Augment, Config, Network, Optimiser, Reading, Weights
from acdm.errors import ConfigError

SECTIONS = {
    "loss": Weights,
    "network": Network,
    "optimiser": Optimiser,
    "augment": Augment,
    "images": Reading,
    "ablation": Ablation,
}


def documents() -> st.SearchStrategy[dict[str, Any]]:
    """Nested dictionaries, mostly of keys that there are."""
    special = st.sampled_from([0, 1, 64, 10**9, -1, float("nan"), float("inf")])
    number = st.one_of(st.integers(-(10**9), 10**9), st.floats(allow_subnormal=False), special)
    value = st.one_of(
        number, st.text(max_size=8), st.booleans(), st.lists(number, max_size=3), st.dictionaries(st.text("ab"), number)
    )

    def of(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
        key = st.one_of(st.sampled_from(names), st.sampled_from(names), st.text("abcdef_", min_size=1, max_size=6))
        return st.dictionaries(key, value, max_size=3)

    plain = of([name for name in Config.model_fields if name not in SECTIONS])
    nested = [st.fixed_dictionaries({}, optional={s: of(list(m.model_fields))}) for s, m in SECTIONS.items()]
    return (
        st.tuples(plain, *nested).map(lambda parts: {key: v for part in parts for key, v in part.items()}).filter(bool)
    )


def complaint(document: dict[str, Any]) -> str | None:
    """What is said against a document; None where it is taken."""
    try:
        Config.of(document)
    except ConfigError as error:
        return str(error)
    return None


def names(document: dict[str, Any]) -> set[str]:
    """Its keys, and those of its sections."""
    return {*document, *(key for value in document.values() if isinstance(value, dict) for key in value)}


def main(count: int = 5000) -> None:
    taken = refused = 0

    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(documents())
    def run(document: dict[str, Any]) -> None:
        nonlocal taken, refused
        said = complaint(document)
        assert said is None or any(str(name) in said for name in names(document)), said
        taken, refused = taken + (said is None), refused + (said is not None)

    run()
    print(f"{taken} taken, {refused} refused with a sentence that names a key")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
