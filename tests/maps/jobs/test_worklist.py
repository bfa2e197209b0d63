import csv

import pytest
from PIL import Image

from acdm.errors import DataError
from acdm.maps.jobs.worklist import find_images, work_through


@pytest.fixture
def images(tmp_path):
    for name in ("a.png", "b.png", "deep/c.png", "deep/new\nline.png"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (9, 9)).save(tmp_path / "images" / name)
    return tmp_path / "images"


@pytest.fixture
def do(images, tmp_path):
    """Worklist with a job that writes one file; what was done, until the job dies after `limit` images."""

    def run(request, limit=99, bad=()):
        done = []

        def job(path, name):
            if len(done) == limit:
                raise KeyboardInterrupt
            if name in bad:
                raise DataError(f"{path}: bad")
            (tmp_path / "out" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "out" / name / "map").write_text(request["label"])
            done.append(name)
            return request["label"]

        try:
            list(work_through(find_images(images), tmp_path / "out", "maps.csv", job, request))
        except KeyboardInterrupt:
            done.append("…")
        return done

    return run


def rows(tmp_path):
    with (tmp_path / "out/maps.csv").open(newline="") as file:
        return [(row["file"], row["label"], row["reason"] != "") for row in csv.DictReader(file)]


def test_a_job_that_was_cut_off_does_only_what_is_missing(do, tmp_path):
    assert do({"label": "x"}, limit=2) == ["a.png", "b.png", "…"]
    assert not (tmp_path / "out/maps.csv").exists()
    assert do({"label": "x"}) == ["deep/c.png", "deep/new\nline.png"]
    assert rows(tmp_path) == [(n, "x", False) for n in ("a.png", "b.png", "deep/c.png", "deep/new\nline.png")]
    assert do({"label": "x"}) == []


def test_what_failed_is_tried_again_and_other_requests_begin_anew(do, tmp_path):
    assert do({"label": "x"}, bad=["b.png"]) == ["a.png", "deep/c.png", "deep/new\nline.png"]
    assert rows(tmp_path)[1] == ("b.png", "", True)
    assert do({"label": "x"}) == ["b.png"]
    assert len(do({"label": "y"})) == 4
    assert {label for _, label, _ in rows(tmp_path)} == {"y"}


def test_an_image_that_changed_or_whose_maps_are_gone_is_done_again(do, images, tmp_path):
    do({"label": "x"})
    Image.new("L", (10, 10)).save(images / "a.png")
    (tmp_path / "out/b.png/map").unlink()
    (tmp_path / "out/b.png").rmdir()
    assert do({"label": "x"}) == ["a.png", "b.png"]


def test_a_line_that_was_cut_off_counts_for_nothing(do, tmp_path):
    do({"label": "x"})
    journal = tmp_path / "out/.maps.csv.done"
    journal.write_text(journal.read_text()[:-9])
    assert do({"label": "x"}) == ["deep/new\nline.png"]


def test_temporaries_of_a_killed_process_are_removed(do, tmp_path):
    (tmp_path / "out/a.png").mkdir(parents=True)
    (tmp_path / "out/a.png/.map.1234.part").write_text("half")
    do({"label": "x"})
    assert [p.name for p in (tmp_path / "out/a.png").iterdir()] == ["map"]
