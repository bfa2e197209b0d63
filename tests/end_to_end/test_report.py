"""The report in a real browser, opened from its file."""

import shutil

import pytest
from browser import MISSING, opened
from small import TINY

from acdm.cli.app import main
from acdm.core.run import Run
from acdm.web.live import write_live

pytestmark = pytest.mark.skipif(MISSING, reason="needs playwright and Chromium")


@pytest.fixture
def seen():
    with opened() as page:
        yield page


def test_sliders_move_pixels_and_nothing_leaves_the_machine(run, seen):
    page = seen.page
    page.goto((run / "report/index.html").resolve().as_uri())
    page.wait_for_selector("#curves svg.chart")
    first = {name: seen.pixels(name) for name in ("original", "changed", "marked", "heat")}
    assert "class with" in page.inner_text("#which option:first-child"), "it opens on an image with the object"
    seen.move("strength", 1.5)
    assert seen.pixels("changed") != first["changed"]
    assert page.inner_text("#strength-said") == "1.50"
    seen.move("threshold", 0)
    assert seen.pixels("marked") != first["marked"]
    assert seen.pixels("original") == first["original"]
    page.click("#reset")
    assert {name: seen.pixels(name) for name in first} == first
    page.select_option("#which", index=page.locator("#which option").count() - 1)
    seen.move("strength", 1)
    assert seen.pixels("original") != first["original"]
    page.focus("#strength")
    page.keyboard.press("ArrowRight")
    assert page.input_value("#strength") == "1.05", "the keyboard moves sliders, too"
    page.click("#heat")
    assert "large" in (page.locator("figure", has=page.locator("#heat")).get_attribute("class") or "")
    page.hover("#heat")
    assert " at row " in page.inner_text("#heat-said")
    doubts = [
        float(cell)
        for cell in page.locator("h2:has-text('Where to look first') ~ table")
        .first.locator("td:nth-child(2)")
        .all_inner_texts()
    ]
    assert doubts == sorted(doubts, reverse=True)
    assert len(doubts) == 10
    assert page.locator(".light").inner_text().startswith("Not ready: it was trained for 12 steps")
    assert seen.errors == []
    assert [url for url in seen.requests if not url.startswith(("file:", "data:"))] == []


def test_a_single_file_holds_all_of_it(run, seen, tmp_path):
    assert main(["report", str(run), "--single-file"]) == 0
    shutil.copy(run / "report/report.html", tmp_path / "mailed.html")
    seen.page.goto((tmp_path / "mailed.html").as_uri())
    first = seen.pixels("changed")
    seen.move("strength", 1)
    assert seen.pixels("changed") != first
    assert seen.page.evaluate(
        "[...document.images].every(image => image.complete && image.naturalWidth > 0 || image.loading === 'lazy')"
    )
    assert seen.errors == []
    assert {url.split(":")[0] for url in seen.requests} <= {"file", "data"}
    assert len([url for url in seen.requests if url.startswith("file:")]) == 1


def test_hostile_names_stay_words(toy, tmp_path, seen):
    """As class, as file, as run."""
    hostile = "<img src=x onerror=alert(1)>"
    shutil.copytree(toy, tmp_path / "toy")
    for part in ("train", "test"):
        (tmp_path / "toy" / part / "with").rename(tmp_path / "toy" / part / hostile)
    for path in (tmp_path / "toy/test" / hostile).iterdir():
        path.rename(path.with_name(f"{path.stem}'\"></script><script>alert(2)<b>{path.suffix}".replace("/", "∕")))
    run = tmp_path / "<script>alert(3)"
    assert main(["train", str(tmp_path / "toy"), "-o", str(run), *TINY]) == 0
    assert main(["evaluate", str(run), str(tmp_path / "toy")]) == 0
    assert main(["report", str(run)]) == 0
    seen.page.goto((run / "report/index.html").resolve().as_uri())
    seen.page.wait_for_selector("#curves svg.chart")
    assert (seen.errors, seen.dialogs) == ([], [])
    assert hostile in seen.page.inner_text("h1")
    assert "alert(2)" in seen.page.inner_text("#which option:last-child")
    assert str(tmp_path) not in (run / "report/data.js").read_text()


def test_without_masks_no_figure_is_missing(toy, run, tmp_path, seen):
    bare = shutil.copytree(toy, tmp_path / "toy", ignore=shutil.ignore_patterns("masks", "*.json"))
    other = shutil.copytree(run, tmp_path / "run")
    assert main(["evaluate", str(other), str(bare)]) == 0
    assert main(["report", str(other)]) == 0
    seen.page.goto((other / "report/index.html").as_uri())
    table = seen.page.locator("h2:has-text('What is known without a mask') + table")
    assert table.locator("td:nth-child(2)").all_inner_texts()[0].endswith(" %")
    assert "–" not in table.inner_text()
    assert "Ten are enough for a first answer" in seen.page.inner_text("body")
    assert seen.page.locator("text=Against the true masks").count() == 0


def test_two_runs_stand_side_by_side(run, tmp_path, seen):
    other = shutil.copytree(run, tmp_path / "another")
    assert main(["report", str(run), str(other)]) == 0
    seen.page.goto((run / "report/beside-another.html").resolve().as_uri())
    assert seen.page.inner_text("h1") == f"{run.name} beside another"
    rows = [row.split("\t") for row in seen.page.locator("table tr").all_inner_texts()]
    assert rows[0][1:] == [run.name, "another"]
    assert all(one == two for _, one, two in rows[1:]), "a copy has the same figures"
    assert seen.page.locator("figure img").count() == 2 * seen.page.locator("h3").count() > 0
    assert seen.errors == []


def test_a_training_can_be_watched_and_says_when_it_is_done(toy, tmp_path, seen, capfd):
    run = tmp_path / "run"
    assert main(["train", str(toy), "-o", str(run), *TINY, "--validate-every", "4"]) == 0
    page = run / "report/index.html"
    assert f"watch it in a browser: {page}" in capfd.readouterr().err
    assert 'http-equiv="refresh"' not in page.read_text(encoding="utf-8"), "a page that is done loads no more"
    seen.page.goto(page.as_uri())
    assert "Trained: 12 steps." in seen.page.inner_text("body")
    assert seen.page.locator("svg.chart").count() == 2
    assert seen.page.locator("figure img").evaluate("image => image.naturalWidth > 0")
    assert seen.errors == []
    write_live(Run.open(run), "training", "training", 20)
    seen.page.reload()
    assert "In training: step 12 of 20." in seen.page.inner_text("body")
    assert seen.page.locator("progress").get_attribute("value") == "12"
