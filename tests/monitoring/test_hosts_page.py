"""The page of an edge and of a storage host in a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import Visitor, browser
from tests.monitoring.showing import serving
from tests.monitoring.showing_hosts import Host
from tests.supervision.made import shown_host

NONE = "\u2013"
EVIL = "<img src=x onerror=\"document.title='pwned'\">"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[Visitor]:
    guest = Visitor(chromium)
    yield guest
    guest.leave()
    assert guest.said == []


def hosts_on(page: Page) -> list[list[str]]:
    return [row.locator("th, td").all_text_contents() for row in page.locator("#hosts tbody tr").all()]


def stations(page: Page) -> list[str]:
    return page.locator("#flow .station h3").all_text_contents()


def test_an_edge_shows_what_it_publishes_and_no_rows(visitor: Visitor) -> None:
    edge = Host("edge")
    with serving(edge.look()) as served:
        page = visitor.open(served.url)
        expect(page.get_by_role("status")).to_have_text("Recording")
        assert stations(page) == ["Exchange", "Ingest", "NATS", "Storage"]
        expect(page.locator("#flow .station").nth(2)).to_contain_text("1 rewind")
        expect(page.locator("#heard")).to_contain_text("Newest data")
        expect(page.locator("#streams")).to_be_hidden()
        assert hosts_on(page)[0] == ["box", "edge", "healthy", "none", "100 B", "this host"]
        edge.changes["publish"] = {"is_connected": False, "lag_secs": 95.0, "lag_bytes": 48_000_000}
        for _ in range(4):
            served.view = edge.look()
        expect(page.get_by_role("status")).to_have_text("Recording into the journal only; NATS is away, and 1 more")
        expect(page.locator("#flow .station").nth(2)).to_contain_text("not connected")
        expect(page.locator("#flow .pipe").nth(2)).to_contain_text("2 min behind, 48 MB")


def test_a_storage_host_shows_its_edges_and_all_hosts(visitor: Visitor) -> None:
    storage = Host("storage")
    with serving(storage.look()) as served:
        page = visitor.open(served.url)
        expect(page.get_by_role("status")).to_have_text("Recording")
        assert stations(page) == ["Edges", "Relay", "Writer", "Archive"]
        expect(page.locator("#flow .station").nth(0)).to_contain_text("each symbol on 2 of 2")
        expect(page.locator("#streams")).to_be_visible()
        expect(page.locator("#among-about")).to_have_text("tables: 5 commits, 0 segments waiting")
        storage.hosts = [
            shown_host(host="edge-1", seen_secs=95.0, is_alive=False),
            shown_host(host=EVIL, healthy=False, reasons=[["publish_behind", "x"]], lag_secs=80.0, lag_bytes=4_000_000),
        ]
        served.view = storage.look()
        expect(page.locator("#hosts tbody tr")).to_have_count(3)
        assert hosts_on(page)[1:] == [
            [EVIL, "edge", "publish_behind", "1 min", "4 MB", "now"],
            ["edge-1", "edge", "gone", NONE, NONE, "2 min ago"],
        ]
        expect(page.locator("#flow .station").nth(0)).to_contain_text("edge-1 gone")


@pytest.mark.parametrize("role", ["edge", "storage"])
def test_on_a_phone_nothing_is_wider_than_the_screen(visitor: Visitor, role: str) -> None:
    with serving(Host(role).look()) as served:
        page = visitor.open(served.url, viewport={"width": 360, "height": 780})
        expect(page.locator("#hosts tbody tr").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_recorder_alone_shows_no_hosts(visitor: Visitor) -> None:
    with serving(Host("all").look()) as served:
        page = visitor.open(served.url)
        expect(page.locator("#flow .station").first).to_be_visible()
        expect(page.locator("#among")).to_be_hidden()
