"""Takes the pictures of the page: `python -m tests.monitoring.pictures FOLDER [SCENE ...]`.

Without scenes it takes those that the docs show, `page-light.png` and `page-dark.png`; FOLDER is then `docs/images`.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import expect

from collector.domain.records import StreamKey
from tests.browser import Visitor, browser
from tests.monitoring.showing import STEPS, TYPES, Shown, serving, small
from tests.supervision.made import GIB, SECOND_US

POLLS = 3
"""How often the page asks before its picture is taken: it needs ten seconds for the rate of a stream."""

PHONE = {"width": 360, "height": 780}
DESK = {"width": 1280, "height": 900}
DOCS_SIZE = {"width": 1080, "height": 1240}
USDM_TYPES = (
    "agg_trade",
    "book_delta",
    "book_snapshot",
    "book_ticker",
    "funding",
    "liquidation",
    "mark_price",
    "trade",
)


class Picture(NamedTuple):
    """A scene, the size of the window and the colours."""

    scene: str
    viewport: Mapping[str, int]
    scheme: str = "light"
    is_whole: bool = True
    """Whether it shows the page to its end, beyond the window."""


def started_lately(shown: Shown) -> Shown:
    """Before its first seal, and for as long as is known."""
    shown.archive = {"rows": 0, "archived": 0}
    shown.uptime_before_secs = 0.0
    for _ in range(STEPS + 1):
        shown.look()
    return shown


def demo() -> Shown:
    """The demonstration, a minute old, before the first seal."""
    shown = Shown(("BTCUSDT", "ETHUSDT"), known_hours=0.05)
    shown.is_demo = True
    return started_lately(shown)


def silent() -> Shown:
    """160 streams, of which two data types of 20 symbols are silent."""
    shown = Shown([f"S{number:02}USDT" for number in range(20)], USDM_TYPES, exchanges=["binance_usdm"])
    shown.late = {key: 400.0 + 3 * place for place, key in enumerate(shown.keys) if key.data_type.startswith("book_")}
    shown.late = {key: secs for key, secs in shown.late.items() if key.data_type != "book_snapshot"}
    return shown


def first_hour() -> Shown:
    """Forty minutes after the first start; nothing is sealed."""
    shown = Shown(("BTCUSDT", "ETHUSDT"), known_hours=0.7)
    return started_lately(shown)


def store_stopped() -> Shown:
    """The archive's store does not answer."""
    shown = small()
    shown.archive = {
        "last_error": "https://s3.example.com/ticks: connection refused", "store_state": "away", "backlog_segments": 3,
        "backlog_bytes": 81_000_000, "backlog_since_us": shown.cell(2.5),
    }  # fmt: skip
    shown.happen(2.4, "error", "store_away", "error=connection refused")
    return shown


def trouble() -> Shown:
    """Three exchanges, the writer dead, the disk filling, the store refusing."""
    shown = Shown(("BTCUSDT", "ETHUSDT", "SOLUSDT"), exchanges=("binance", "binance_usdm", "binance_coinm"))
    for data_type in TYPES:
        shown.plant(StreamKey("binance_usdm", "ETHUSDT", data_type), 9.5, 4)
    shown.children["writer"] = "backoff"
    shown.archive = {
        "last_error": "PUT https://s3.example.com/ticks: 403 AccessDenied", "store_state": "refusing",
        "backlog_segments": 9, "backlog_bytes": 810_000_000, "backlog_since_us": shown.cell(9),
    }  # fmt: skip
    shown.changes["journals"] = [
        {"feed": feed, "lag_bytes": 48_000_000, "lag_secs": 95.0, "unread_files": 1, "files": 3} for feed in shown.feeds
    ]
    shown.late = dict.fromkeys(shown.keys, 400.0)
    shown.changes["stored"] = 420_000
    for _ in range(60):
        shown.disk_free_bytes -= 2 * GIB
        shown.look()
    shown.happen(0.05, "error", "process_failed", "process=writer error=database disk image is malformed")
    return shown


SCENES: Mapping[str, Callable[[], Shown]] = {
    "page": small,
    **{scene.__name__: scene for scene in (demo, silent, first_hour, store_stopped, trouble)},
}
DOCS = {f"page-{scheme}": Picture("page", DOCS_SIZE, scheme, is_whole=False) for scheme in ("light", "dark")}


def take(folder: Path, pictures: Mapping[str, Picture]) -> None:
    """Write each picture to `folder` under its name."""
    with browser() as running:
        guest = Visitor(running)
        for name, picture in pictures.items():
            shown = SCENES[picture.scene]()
            with serving(shown.look()) as served:
                page = guest.open(
                    served.url,
                    clock=True,
                    viewport=picture.viewport,
                    color_scheme=picture.scheme,
                    reduced_motion="reduce",
                )
                expect(page.locator("#list .row").first).to_be_visible()
                for _ in range(POLLS):
                    shown.ahead_us += 5 * SECOND_US
                    served.view = shown.look()
                    with page.expect_response("**/page.json") as answered:
                        page.clock.run_for(2_000)
                    answered.value.finished()
                expect(page.locator("#list .rate").first).to_contain_text("/ s")
                page.screenshot(path=folder / f"{name}.png", full_page=picture.is_whole)
        guest.leave()


def main(folder: str, *scenes: str) -> None:
    """Take the docs' pictures, or each of the scenes at two widths."""
    pictures = DOCS
    if scenes:
        sizes = {"desk": DESK, "phone": PHONE}
        pictures = {f"{scene}-{size}": Picture(scene, sizes[size]) for scene in scenes for size in sizes}
    take(Path(folder), pictures)


if __name__ == "__main__":
    main(*sys.argv[1:])
