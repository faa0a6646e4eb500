"""A real browser, and what a test asks of it beside the page: that nothing was said on the console."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

DEADLINE_MS = 60_000
QUIETLY = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium as Debian has it. Without one, tests are skipped at a desk and fail under CI."""
    program = shutil.which("chromium")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("there is no chromium: apt-get install chromium")
        pytest.skip("there is no chromium to look at the page with")
    expect.set_options(timeout=DEADLINE_MS)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=[*QUIETLY], timeout=DEADLINE_MS)
        try:
            yield running
        finally:
            running.close()


class Visitor:
    """Opens pages in a browser, each with a profile of its own, and remembers what their consoles said."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[Any] = []
        self.said: list[str] = []

    def open(self, url: str, *, clock: bool = False, **options: Any) -> Page:
        """Visit; `clock` gives the page a clock that the test turns."""
        context = self._browser.new_context(
            **{"viewport": {"width": 1200, "height": 900}, "color_scheme": "light", **options}
        )
        context.set_default_timeout(DEADLINE_MS)
        self._contexts.append(context)
        page = context.new_page()
        if clock:
            page.clock.install()
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.goto(url)
        return page

    def leave(self) -> None:
        """Close every page."""
        for context in self._contexts:
            context.close()
