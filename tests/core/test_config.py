import contextlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from acdm.core.config import PRESETS, Config
from acdm.core.options import read_yaml, to_yaml
from acdm.errors import ConfigError
from acdm.method.branches import Branches


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_sound_and_survive_yaml(preset, tmp_path):
    config = Config.of(PRESETS[preset])
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    assert Config.of(read_yaml(tmp_path / "config.yaml")) == config


def test_the_paper_preset_has_the_size_that_the_arithmetic_gives():
    """Five unslimmed branches of StarGAN v2 at 256 px are about 169 million parameters (five times 33.9)."""
    with torch.device("meta"):
        branches = Branches(Config.of(PRESETS["paper"]).network, channels=3, classes=2)
    millions = sum(p.numel() for p in branches.parameters()) / 1e6
    assert millions == pytest.approx(169, rel=0.1)


def test_later_layers_win_and_none_means_not_given():
    config = Config.of({"loss": {"sparse": 2.0}, "seed": 1}, {"seed": None, "loss": {"rec": 3.0}})
    assert (config.seed, config.loss.sparse, config.loss.rec) == (1, 2.0, 3.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"loss": {"spares": 1}}, "loss.spares: no such option"),
        ({"loss": {"rec": -1}}, "loss.rec: Input should be greater than or equal to 0"),
        ({"loss": {"rec": float("nan")}}, "loss.rec"),
        ({"batch": 10**9}, "batch: Input should be less than or equal to 1024"),
        ({"size": 50}, "size must be a multiple"),
        ({"size": 16, "network": {"stem": 4, "downs": 1}}, "size must be at least 32"),
        ({"network": 3}, "network"),
    ],
)
def test_a_wrong_option_is_named_with_its_range(options, words):
    with pytest.raises(ConfigError, match=words):
        Config.of(options)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_subnormal=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(["size", "batch", "steps", "loss", "network", "optimiser", "augment", "seed"]) | st.text(
    max_size=6
)


@given(st.dictionaries(keys, values, max_size=4))
def test_any_document_is_a_config_or_a_config_error(document):
    with contextlib.suppress(ConfigError):
        Config.of(document)


def test_an_option_of_one_version_is_passed_over_where_it_did_nothing():
    assert Config.of({"network": {"fine": 0}}) == Config.of()
    with pytest.raises(ConfigError, match=r"network\.fine: no such option"):
        Config.of({"network": {"fine": 8}})
