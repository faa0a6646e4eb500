"""The page at `/` of a recorder that really records, in a real browser."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import Visitor, browser
from tests.whole.running import Exchange, Recorder, wait_for

FEED = {"symbols": ["BTCUSDT"], "data_types": ["book_snapshot", "book_delta", "trade"]}
LOST = re.compile(r"^binance BTCUSDT trade: has gaps; .* gap in \d+ cells?\b")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


def test_the_page_shows_coverage_and_gaps_also_after_a_restart(
    chromium: Browser, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "300", "--seed", "3")
    recorded = recorder(source.ws_url, feed=FEED, journal={"min_free_bytes": "1MiB"}).start()
    recorded.wait_for_messages(300)
    guest = Visitor(chromium)
    page = guest.open(f"http://127.0.0.1:{recorded.port}/")
    expect(page.locator("h1")).to_have_text("Recording")
    rows = page.locator("#list .row")
    expect(rows).to_have_count(3)
    for place, said in enumerate(("book_delta: recorded", "book_snapshot: unverifiable", "trade: recorded")):
        expect(rows.nth(place)).to_have_attribute("aria-label", re.compile(said))
    expect(page.locator("#flow .station").nth(2)).to_contain_text(re.compile(r"[1-9]\d* rows / s"))
    source.fault(kind="drop", next=2, stream="btcusdt@trade")
    expect(rows.first).to_have_attribute("aria-label", LOST)
    expect(page.locator("#events")).to_contain_text("2 missing")
    assert recorded.stop() == 0
    expect(page.locator("h1")).to_have_text("No answer")
    recorded.start()
    wait_for(recorded.status)
    page.reload()
    expect(page.locator("h1")).to_have_text("Recording")
    page.get_by_role("button", name=LOST).click()
    expect(page.locator("#detail-gaps")).to_contain_text("2 missing")
    guest.leave()
    assert all("ERR_" in line for line in guest.said)
    assert recorded.stop() == 0
