"""The ceiling: the same segmenter, taught by true masks of training images."""

import ceiling
from PIL import Image
from small import TINY

from acdm.cli.app import main
from acdm.data.folder import load_dataset
from acdm.data.sets.synthetic import write_synthetic
from acdm.training.segmenter import teach


def test_fewer_masks_are_among_more_and_a_seed_chooses_them():
    five, twenty = ceiling.chosen(5, 50, seed=0), ceiling.chosen(20, 50, seed=0)
    assert five == twenty[:5]
    assert len(set(twenty)) == 20
    assert five != ceiling.chosen(5, 50, seed=1)


def test_true_masks_teach_what_twelve_steps_of_branches_do_not_know(tmp_path, monkeypatch, capsys):
    """Of toy set 1 the object is the white rectangle; the true mask of a training image is where it is white."""
    data, run, masks = tmp_path / "toy", tmp_path / "run", tmp_path / "true"
    write_synthetic(data, "1", 16, train=80, test=24, seed=0)
    dataset = load_dataset([data])
    masks.mkdir()
    for item in [*dataset.train, *dataset.validation]:
        if item.label == dataset.positive:
            Image.open(item.path).convert("L").point(lambda v: 255 * (v > 240)).save(masks / f"{item.path.stem}.png")
    assert main(["train", str(data), "-o", str(run), *TINY]) == 0
    monkeypatch.setattr(ceiling, "teach", lambda taught, config, features, _: teach(taught, config, features, 60))
    capsys.readouterr()
    ceiling.main(run, data, masks, [])
    lines = capsys.readouterr().out.splitlines()
    own, by_masks = (float(line.split("|")[3]) for line in lines if line.startswith(("| maps", "| all")))
    assert by_masks > own + 0.1
