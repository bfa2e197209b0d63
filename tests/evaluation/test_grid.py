from pathlib import Path

import pytest

from acdm.errors import ConfigError
from acdm.evaluation.grid import cells, read_study

GOOD = """
data:
  toy: {toy: "1", train: 40}
  brain: brain_lgg
seeds: [0, 1]
common: {steps: 5}
variants:
  five: {}
  one: {options: {network: {branches: 1}}, data: [toy], seeds: [0]}
"""


@pytest.fixture
def read(tmp_path):
    def from_text(text):
        (tmp_path / "study.yaml").write_text(text)
        return read_study(tmp_path / "study.yaml")

    return from_text


def test_cells_are_data_times_variants_times_seeds_but_where_a_variant_says_less(read, tmp_path):
    found = cells(read(GOOD), tmp_path, tmp_path)
    assert [(c.data, c.variant, c.seed) for c in found] == [
        ("toy", "five", 0),
        ("toy", "one", 0),
        ("brain", "five", 0),
        ("toy", "five", 1),
        ("brain", "five", 1),
    ]
    assert found[1].options == {"steps": 5, "network": {"branches": 1}, "seed": 0}
    assert len({c.folder for c in found}) == 5


def test_a_cell_remembers_all_that_makes_it_what_it_is(read, tmp_path):
    first, *_ = cells(read(GOOD), tmp_path, tmp_path)
    changes = [("train: 40", "train: 44"), ("steps: 5", "steps: 6"), ("seeds: [0, 1]", "seeds: [0, 1]\npreset: small")]
    for old, new in changes:
        other, *_ = cells(read(GOOD.replace(old, new)), tmp_path, tmp_path)
        assert other.folder == first.folder
        assert other.asked() != first.asked(), new
    brain = next(c for c in cells(read(GOOD), tmp_path, tmp_path) if c.data == "brain")
    elsewhere = next(c for c in cells(read(GOOD), tmp_path / "other", tmp_path) if c.data == "brain")
    assert brain.asked() != elsewhere.asked()


def test_a_variant_can_name_one_of_several_findings(read, tmp_path):
    """A cell that names none remembers nothing of it, so that studies that were begun before go on."""
    plain, *_ = cells(read(GOOD), tmp_path, tmp_path)
    named, *_ = cells(read(GOOD.replace("five: {}", "five: {positive: spur}")), tmp_path, tmp_path)
    assert "positive" not in plain.asked()
    assert named.asked() == {**plain.asked(), "positive": "spur"}


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("branches: 1", "branchs: 1", "variants.one: network.branchs: no such option"),
        ("steps: 5", "steps: 0", "variants.five: steps: .* greater than or equal to 1"),
        ("[toy]", "[toys]", "variants.one: there is no data 'toys'"),
        ("five:", "../five:", "becomes a folder's name"),
        ('"1"', '"3"', "data.toy"),
        ("variants", "variant", "variant: no such option"),
        ("seeds: [0, 1]", "seeds: []", "seeds"),
    ],
)
def test_a_mistake_is_found_before_anything_runs_and_named(read, old, new, complaint):
    with pytest.raises(ConfigError, match=complaint):
        read(GOOD.replace(old, new, 1))


@pytest.mark.parametrize("file", sorted(Path("benchmarks/quality/paper").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_papers_own_studies_are_sound(file):
    assert cells(read_study(file), Path(), Path("out"))
