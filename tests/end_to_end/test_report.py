"""The report in a real browser, opened from its file."""

import shutil

import pytest
from browser import MISSING, opened
from small import TINY

from acdm.cli.app import main

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
