import csv
import math

import pytest

from acdm.core.progress import Progress
from acdm.core.run import lock
from acdm.data.sets.synthetic import write_synthetic
from acdm.errors import ConfigError
from acdm.evaluation import bench
from acdm.evaluation.bench import Point, at, points_of, run_study, write_tables
from acdm.evaluation.grid import Study


def test_seconds_of_a_curve_are_summed_over_the_steps_between_the_lines():
    rows = [
        {"step": "10", "seconds": "0.5", "psnr": ""},
        {"step": "14", "seconds": "1", "psnr": "20"},
        {"step": "20", "seconds": "0.5", "psnr": "26"},
    ]
    assert points_of(rows) == [Point(14, 9.0, 20.0), Point(20, 12.0, 26.0)]


def test_between_two_looks_a_curve_is_straight():
    points = [Point(10, 5.0, 20.0), Point(20, 15.0, 30.0)]
    assert at(points, "step", 15) == 25
    assert at(points, "seconds", 7.5) == 22.5
    assert at(points, "step", 40) == 30
    assert math.isnan(at(points, "step", 5)), "nothing is known before the first look"


STUDY = {
    "data": {"toy": {"toy": "1", "size": 16, "train": 40, "test": 8}},
    "common": {
        "size": 16,
        "steps": 4,
        "validate_every": 2,
        "features": "off",
        "network": {
            "width": 2,
            "max_width": 2,
            "downs": 1,
            "stem": 1,
            "discriminator_width": 2,
            "discriminator_max_width": 2,
        },
    },
    "variants": {"one": {"options": {"network": {"branches": 1}}}, "two": {"options": {"network": {"branches": 2}}}},
}


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """A study of two variants on both halves of the test images."""

    def write_with_halves(folder, *rest):
        write_synthetic(folder, *rest)
        names = [
            f"{label}/{path.name}" for label in ("with", "without") for path in (folder / "test" / label).iterdir()
        ]
        (folder / "test/dev.txt").write_text("\n".join(sorted(names)[::2]))

    monkeypatch.setattr(bench, "write_synthetic", write_with_halves)
    study = Study.model_validate(STUDY | {"split": ["dev", "final"]})
    assert [reason for _, reason in run_study(study, tmp_path, tmp_path / "out", "bench", Progress())] == [None, None]
    return study, tmp_path / "out"


def test_a_finished_study_has_a_line_a_cell_and_is_not_run_again(finished, monkeypatch):
    study, out = finished
    table = write_tables(study, out.parent, out, {})
    with (out / "bench.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["variant"], row["split"], row["steps"], row["failed"]) for row in rows] == [
        (variant, split, "4", "") for variant in ("one", "two") for split in ("dev", "final")
    ]
    assert "| toy  | final | two     | 1 of 1 |" in table
    with (out / "curves.csv").open(newline="") as file:
        curves = list(csv.DictReader(file))
    assert [row["step"] for row in curves] == ["2", "4", "2", "4"]
    assert "http" not in (out / "curves.html").read_text().split("<body>")[0]

    monkeypatch.setattr(bench, "train", None)
    assert len(list(run_study(study, out.parent, out, "bench", Progress()))) == 2

    other = Study.model_validate(STUDY | {"split": ["dev", "final"], "common": STUDY["common"] | {"steps": 5}})
    with pytest.raises(ConfigError, match="other options"):
        list(run_study(other, out.parent, out, "bench", Progress()))


def test_a_cell_in_another_process_s_hands_is_left_to_it(tmp_path):
    study = Study.model_validate(STUDY | {"variants": {"one": {}}})
    with lock(tmp_path / "out/cells/toy/one/0"):
        assert list(run_study(study, tmp_path, tmp_path / "out", "bench", Progress())) == []
    assert not (tmp_path / "out/cells/toy/one/0/run").exists()


def test_images_that_a_killed_process_began_to_draw_are_drawn_anew(tmp_path):
    (tmp_path / "out/data/toy/train/with").mkdir(parents=True)
    (tmp_path / "out/data/toy/train/with/00001.png").write_text("half")
    study = Study.model_validate(STUDY | {"variants": {"one": {}}})
    assert [reason for _, reason in run_study(study, tmp_path, tmp_path / "out", "bench", Progress())] == [None]


def test_a_cell_that_fails_is_told_of_and_the_others_go_on(tmp_path):
    study = Study.model_validate(STUDY | {"data": {"gone": "nowhere", **STUDY["data"]}, "variants": {"one": {}}})
    outcome = list(run_study(study, tmp_path, tmp_path / "out", "bench", Progress()))
    assert [reason is None for _, reason in outcome] == [False, True]
    write_tables(study, tmp_path, tmp_path / "out", {str(cell): reason for cell, reason in outcome if reason})
    with (tmp_path / "out/bench.csv").open(newline="") as file:
        failed, done = csv.DictReader(file)
    assert "nowhere" in failed["failed"]
    assert failed["psnr"] == ""
    assert done["psnr"] != ""
