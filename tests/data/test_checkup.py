import json

import numpy as np
import pytest
from PIL import Image

from acdm.cli.app import main
from acdm.core.config import SEGMENTER_SHARE
from acdm.data.checkup import examine, summary
from acdm.data.folder import load_dataset
from acdm.training.plan import make_plan


def test_a_sound_data_set_gets_a_plan(two_folders):
    found = examine(load_dataset(two_folders))
    found.plan = make_plan(found, None, {"steps": 50})
    about = found.as_json()
    assert about["ready"]
    assert sum(sum(part.values()) for part in about["n"].values()) == 24
    assert about["kinds"] == {"PNG, grey, 8 bits": 24}
    assert about["min_median_max"] == {"channels": [1, 1, 1], "height": [40, 40, 40], "width": [32, 32, 32]}
    assert about["plan"]["steps"] == 50
    branches = 50 * about["plan"]["seconds_a_step"] / 60
    assert about["plan"]["minutes"] == pytest.approx(branches / (1 - SEGMENTER_SHARE), abs=0.1)
    assert any("brightness alone" in sentence for sentence in about["warnings"])
    assert "ready to train" in summary(found)


def test_every_kind_of_trouble_is_told_of_at_once(two_folders):
    bright, dark = two_folders
    (bright / "00.png").write_bytes(b"")
    (dark / "01.png").write_bytes((bright / "01.png").read_bytes())
    (bright / "03.png").write_bytes((bright / "02.png").read_bytes())
    Image.fromarray(np.zeros((40, 32, 3), np.uint8)).save(dark / "05.png")
    about = examine(load_dataset(two_folders)).as_json()
    assert not about["ready"]
    assert about["plan"] is None
    assert [bad["file"] for bad in about["unreadable"]] == [str(bright / "00.png")]
    kinds = {twin["across"] for twin in about["duplicates"]}
    assert "classes" in kinds
    told = " ".join(about["problems"])
    for words in ("1 of 24 images cannot be used", "mix channels", "in both classes"):
        assert words in told


def test_the_command_prints_json_and_fails_where_training_would(two_folders, capsys):
    bright, dark = two_folders
    assert main(["check", str(bright), str(dark), "--json", "--steps", "10"]) == 0
    assert json.loads(capsys.readouterr().out)["ready"]
    (dark / "01.png").write_bytes((bright / "01.png").read_bytes())
    assert main(["check", str(bright), str(dark)]) == 2
    out, err = capsys.readouterr()
    assert "not ready" in out
    assert "1 images are in both classes" in err
