"""A real browser, in tests."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from extras import installed

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MISSING = installed("playwright") is None or CHROMIUM is None


class Seen:
    """What a page did while it was open."""

    def __init__(self, page):
        self.page, self.errors, self.requests, self.dialogs = page, [], [], []
        page.on("console", lambda m: self.errors.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))

    def pixels(self, canvas):
        return self.page.evaluate(f"document.getElementById('{canvas}').toDataURL()")

    def move(self, slider, value):
        self.page.evaluate(
            f"""async () => {{
                const slider = document.getElementById('{slider}');
                slider.value = {value};
                slider.dispatchEvent(new Event('input'));
                for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
            }}"""
        )


@contextmanager
def opened() -> Iterator[Seen]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield Seen(browser.new_page())
        browser.close()
