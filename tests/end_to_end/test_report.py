"""The report in a real browser, opened from its file."""

import shutil

import pytest
from extras import installed

from acdm.cli import main
from end_to_end.small import TINY

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(
    installed("playwright") is None or CHROMIUM is None, reason="needs playwright and Chromium"
)


class Seen:
    """What a page did while it was open."""

    def __init__(self, page):
        self.page, self.errors, self.requests, self.dialogs = page, [], [], []
        page.on("console", lambda m: self.errors.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))


@pytest.fixture
def seen():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield Seen(browser.new_page())
        browser.close()


def pixels(page, canvas):
    return page.evaluate(f"document.getElementById('{canvas}').toDataURL()")


def move(page, slider, value):
    page.evaluate(
        f"""async () => {{
            const slider = document.getElementById('{slider}');
            slider.value = {value};
            slider.dispatchEvent(new Event('input'));
            for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
        }}"""
    )


def test_sliders_move_pixels_and_nothing_leaves_the_machine(run, seen):
    page = seen.page
    page.goto((run / "report/index.html").resolve().as_uri())
    page.wait_for_selector("#curves .main-svg")
    first = {name: pixels(page, name) for name in ("original", "changed", "marked")}
    move(page, "strength", 2)
    assert pixels(page, "changed") != first["changed"]
    assert page.inner_text("#strength-said") == "2.00"
    move(page, "threshold", 0)
    assert pixels(page, "marked") != first["marked"]
    assert pixels(page, "original") == first["original"]
    page.click("#reset")
    assert {name: pixels(page, name) for name in first} == first
    page.select_option("#which", index=3)
    move(page, "strength", 1)
    assert pixels(page, "original") != first["original"]
    page.focus("#strength")
    page.keyboard.press("ArrowRight")
    assert page.input_value("#strength") == "1.05", "the keyboard moves sliders, too"
    assert seen.errors == []
    assert [url for url in seen.requests if not url.startswith(("file:", "data:"))] == []


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
    seen.page.wait_for_selector("#curves .main-svg")
    assert (seen.errors, seen.dialogs) == ([], [])
    assert hostile in seen.page.inner_text("h1")
    assert "alert(2)" in seen.page.inner_text("#which option:first-child")
    assert str(tmp_path) not in (run / "report/data.js").read_text()
