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
