"""The local page in a real browser, end to end."""

import numpy as np
import pytest
from browser import MISSING, opened
from PIL import Image

pytestmark = pytest.mark.skipif(MISSING, reason="needs playwright and Chromium")


def test_an_image_is_dropped_turned_up_and_saved(page, tmp_path, rng):
    Image.fromarray(rng.integers(0, 256, (40, 30), np.uint8)).save(tmp_path / "scan.png")
    (tmp_path / "notes.png").write_text("no image")
    with opened() as seen:
        seen.page.goto(page.address)
        seen.page.set_input_files("#file", tmp_path / "scan.png")
        seen.page.wait_for_selector("#shown:not([hidden])", timeout=60_000)
        assert "class" in seen.page.inner_text("#said")
        first = seen.pixels("changed")
        seen.move("strength", 1)
        assert seen.pixels("changed") != first
        with seen.page.expect_response("**/decompose") as answer:
            seen.page.select_option("#label", "<b>yes")
        assert answer.value.request.headers["label"] == "%3Cb%3Eyes"
        seen.page.locator("#said", has_text="class <b>yes").wait_for()
        with seen.page.expect_download() as saved:
            seen.page.click("#save")
        assert saved.value.suggested_filename.startswith("scan-")
        assert (seen.errors, seen.dialogs) == ([], [])
        Image.fromarray(rng.integers(0, 256, (20, 20), np.uint8)).save(tmp_path / "second.png")
        seen.page.set_input_files("#file", [tmp_path / "second.png", tmp_path / "scan.png"])
        seen.page.locator("#which option").nth(3).wait_for(state="attached")
        seen.page.select_option("#which", index=2)
        assert "second.png" in seen.page.inner_text("#said"), "all of them can be looked at again"
        seen.page.set_input_files("#file", tmp_path / "notes.png")
        seen.page.wait_for_selector("#said.wrong")
        assert seen.page.locator("#shown").is_hidden(), "nothing of the last image stays after an error"
        assert "not a PNG or JPEG" in seen.page.inner_text("#said")
        names = (f"http://127.0.0.1:{page.port}/", "data:", "blob:")
        assert [url for url in seen.requests if not url.startswith(names)] == []


def test_findings_are_shown_in_colours_and_each(of_findings, tmp_path, rng):
    for name in ("first.png", "second.png"):
        Image.fromarray(rng.integers(0, 256, (40, 30), np.uint8)).save(tmp_path / name)
    with opened() as seen:
        seen.page.goto(of_findings.address)
        seen.page.set_input_files("#file", [tmp_path / "first.png", tmp_path / "second.png"])
        seen.page.locator("#which option").nth(1).wait_for(state="attached", timeout=60_000)
        assert "spur; " in seen.page.inner_text("#said")
        assert seen.page.evaluate("document.getElementById('together').naturalWidth") == 30
        assert seen.page.locator("#label").is_hidden(), "an image has no one class"
        seen.page.select_option("#which", index=0)
        seen.page.select_option("#map", "psi1")
        seen.move("opacity", 0.6)
        first = seen.pixels("heat")
        seen.page.select_option("#finding", "open")
        seen.page.select_option("#map", "psi1")
        seen.move("opacity", 0.6)
        said = seen.page.inner_text("#said")
        assert said.startswith("first.png: class "), "the same image"
        assert "open; " in said, "for the other finding"
        assert seen.pixels("heat") != first, "has a branch of its own"
        with seen.page.expect_download() as saved:
            seen.page.click("#save")
        assert saved.value.suggested_filename.startswith("first-open-")
        assert seen.errors == []


def test_a_mask_is_corrected_with_a_brush_or_the_keyboard(correcting, tmp_path):
    """What was drawn is what training reads: at the image's own size, which is twice that of the picture."""
    with opened() as seen:
        page = seen.page
        page.goto(correcting.address)
        page.select_option("#label", "no")
        page.set_input_files("#file", tmp_path / "images/<b>yes-scan.png")
        page.wait_for_selector("#shown:not([hidden])", timeout=60_000)
        width, height = (page.evaluate(f"document.getElementById('marked').{side}") for side in ("width", "height"))
        page.evaluate(f"explore.brush({width / 2}, {height / 2}, {width + height}, false)")  # nothing is left
        page.check("input[name=brush][value=add]")
        seen.move("radius", 0.5)
        page.locator("#marked").scroll_into_view_if_needed()
        place = page.locator("#marked").bounding_box()
        page.mouse.move(place["x"] + 10.5 / width * place["width"], place["y"] + 20.5 / height * place["height"])
        page.mouse.down()
        page.mouse.move(place["x"] + 14.5 / width * place["width"], place["y"] + 20.5 / height * place["height"])
        page.mouse.up()
        page.focus("#marked")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Space")
        page.click("#save-mask")
        page.locator("#mask-said", has_text="saved to").wait_for()
        page.set_input_files("#file", tmp_path / "images/no-scan.png")
        page.locator("#which option").nth(1).wait_for(state="attached")
        assert page.evaluate("document.getElementById('which').selectedIndex") == 0, "who draws is not led elsewhere"
        assert sum(page.evaluate("Array.from(explore.mask().values)")) > 0, "and loses nothing"
        assert seen.errors == []
    mask = np.asarray(Image.open(tmp_path / "masks/train/<b>yes/scan.png"))
    rows, columns = np.nonzero(mask)
    scale = 240 / height
    assert mask.shape == (240, 160)
    assert (rows.min(), rows.max() + 1) == pytest.approx((20 * scale, 21 * scale), abs=1)
    assert (columns.min(), columns.max() + 1) == pytest.approx((10 * scale, 16 * scale), abs=1)
    assert set(columns) == set(range(columns.min(), columns.max() + 1)), "a stroke has no gaps"
