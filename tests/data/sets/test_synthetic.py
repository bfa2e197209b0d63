import numpy as np
import pytest
from PIL import Image

from acdm.data.sets.synthetic import SCENES, write_synthetic
from acdm.errors import DataError


@pytest.mark.parametrize("which", SCENES)
def test_every_scene_has_two_classes_of_which_at_least_one_has_truth(which, tmp_path):
    write_synthetic(tmp_path / "out", which, 32, train=8, test=8, seed=0)
    classes = SCENES[which].classes
    counts = {name: len(list((tmp_path / "out/test" / name).iterdir())) for name in classes}
    assert counts == dict.fromkeys(classes, 4)
    masked = {p.name for p in (tmp_path / "out/test/masks").iterdir()}
    assert {p.name for p in (tmp_path / "out/test" / classes[1]).iterdir()} <= masked


def test_the_same_seed_writes_the_same_files(tmp_path):
    for name in "ab":
        write_synthetic(tmp_path / name, "1", 32, train=8, test=8, seed=3)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file())
    assert len(files) == 8 + 8 + 4 + 1  # images, masks of the positive class, toy.json
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_masks_lie_where_the_contract_says(tmp_path):
    write_synthetic(tmp_path / "toy", "1", 32, train=8, test=8, seed=0)
    names = {p.name for p in (tmp_path / "toy/test/with").iterdir()}
    assert names == {p.name for p in (tmp_path / "toy/test/masks").iterdir()}
    values = np.unique(np.asarray(Image.open(tmp_path / "toy/test/masks" / min(names))))
    assert values.tolist() == [0, 255]


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(DataError, match="already exists"):
        write_synthetic(tmp_path, "1", 32, 8, 8, 0)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
