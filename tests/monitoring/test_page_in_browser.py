"""The page at `/` in a real browser, over the recorder's own server."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page, expect

from collector import __version__
from collector.domain.records import StreamKey
from collector.monitoring.coverage import Strips
from collector.monitoring.coverage_cells import LOST as LOST_FLAG
from collector.monitoring.coverage_cells import ROWS
from collector.monitoring.view import Snapshot
from tests.browser import Visitor, browser
from tests.monitoring.showing import CELL_US, TYPES, Served, Shown, serving, small
from tests.supervision.made import SECOND_US

TOKEN = "planted-planted-planted"
NASTY = (
    "<script>document.title='pwned'</script>",
    "<img src=x onerror=\"document.title='pwned'\">",
    "\u202etxt.TDSU\u202c",
    "BTC\u0000\u0007&amp;USDT'\"`",
    "W" * 300,
    "عملة",
)
EIGHT_TYPES = (*TYPES, "mark_price", "open_interest", "liquidation")
LOST = StreamKey("binance", "ETHUSDT", "book_snapshot")
MENDED = StreamKey("binance", "BTCUSDT", "trade")

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    with ExitStack() as stack:
        yield lambda view, token="": stack.enter_context(serving(view, token))


@pytest.fixture
def visitor(chromium: Browser, serve: Callable[..., Served]) -> Iterator[Visitor]:
    """Fails the test whose page said anything on the console, such as a violation of its policy; leaves before the server."""
    guest = Visitor(chromium)
    yield guest
    guest.leave()
    assert guest.said == []


def row(page: Page, key: StreamKey) -> str:
    """What a screen reader says of a stream."""
    return str(page.get_by_role("button", name=f"{' '.join(key)}:").get_attribute("aria-label"))


def state(page: Page) -> str | None:
    return page.locator("html").get_attribute("data-state")


def test_a_healthy_recorder_shows_what_flows(visitor: Visitor, serve: Callable[..., Served]) -> None:
    page = visitor.open(serve(small().look()).url)
    expect(page.get_by_role("status")).to_have_text("Recording")
    expect(page).to_have_title("Recording · recorder-1")
    assert state(page) == "well"
    stations = page.locator("#flow .station")
    assert stations.locator("h3").all_text_contents() == ["Exchange", "Ingest", "Writer", "Archive"]
    assert re.search(r"1,\d\d\d rows / s", stations.nth(2).inner_text())
    assert page.locator("#reasons li").count() == 0
    # The verdict alone is told to those who listen, not each number that changes.
    assert page.locator("[aria-live], [role=status], [role=alert]:visible").count() == 1


def test_without_an_open_connection_it_is_reconnecting(visitor: Visitor, serve: Callable[..., Served]) -> None:
    shown = small()
    served = serve(shown.look())
    page = visitor.open(served.url)
    expect(page.locator("h1")).to_have_text("Recording")
    shown.line_state = "connecting"
    served.view = shown.look()
    expect(page.locator("h1")).to_have_text("Reconnecting")
    assert state(page) == "new"
    shown.line_state = "open"
    served.view = shown.look()
    expect(page.locator("h1")).to_have_text("Recording")


def test_the_parts_of_the_day_are_parts_of_what_is_known(visitor: Visitor, serve: Callable[..., Served]) -> None:
    shown = Shown(["BTCUSDT"], known_hours=30.0, stopped_hours=18.0)
    page = visitor.open(serve(shown.look()).url)
    expect(page.locator("h1")).to_have_text("Recording")
    legend = page.locator("#legend").inner_text()
    assert sum(float(share) for share in re.findall(r"([\d.]+) %", legend)) == 100.0
    assert re.search(r"Nothing known\s+1[12] h", legend)


def test_on_the_first_day_the_strip_shows_the_time_since_the_start(
    visitor: Visitor, serve: Callable[..., Served]
) -> None:
    page = visitor.open(serve(Shown(["BTCUSDT"], known_hours=0.7).look()).url)
    expect(page.locator("#coverage-title")).to_have_text(re.compile(r"^Since (\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d UTC$"))
    assert page.locator("#legend li[data-state='.']").is_hidden()
    assert "; since " in row(page, MENDED)


def young(flags: int, late_secs: float = 0.3) -> Snapshot:
    """A recorder that started 160 s ago, 80 s into a cell, with `flags` in that cell; its newest row is `late_secs` old."""
    shown = Shown(["BTCUSDT"], ["trade"])
    shown.late[MENDED] = late_secs
    now_us = time.time_ns() // 1_000
    shown.ahead_us = (now_us // CELL_US + 1) * CELL_US + 240 * SECOND_US - now_us
    view = shown.look()
    now_us = view.known.now_us
    return view._replace(
        started_us=now_us - 160 * SECOND_US,
        known=view.known._replace(uptime_secs=160.0),
        strips=Strips((now_us // CELL_US + 1) * CELL_US, {MENDED: bytes([flags])}, known_cells=1),
        silent=frozenset(),
    )


def test_recorded_time_is_that_since_the_start_and_not_whole_cells(
    visitor: Visitor, serve: Callable[..., Served]
) -> None:
    page = visitor.open(serve(young(ROWS)).url)
    assert row(page, MENDED).endswith(": recorded 2 min 40 s")
    assert page.locator("#legend li[data-state=w]").is_hidden()


def test_nothing_is_called_recorded_after_the_newest_stored_row(visitor: Visitor, serve: Callable[..., Served]) -> None:
    served = serve(young(ROWS, late_secs=49.0))
    page = visitor.open(served.url)
    assert row(page, MENDED).endswith(": recorded 1 min 51 s, not known yet 49 s")
    expect(page.locator("#legend li[data-state=w]")).to_contain_text("49 s")
    drawn = page.locator("#overview path.w").get_attribute("d") or ""
    width = page.locator("#overview svg").evaluate("(node) => Math.round(node.getBoundingClientRect().width)")
    (left, wide) = map(int, re.findall(r"M(\d+) [\d.]+h(\d+)", drawn)[0])
    assert left + wide == width
    assert wide == pytest.approx(width * 49 / 160, abs=2)
    # With no row at all the whole cell is not known yet.
    served.view = young(0, late_secs=500.0)
    expect(page.get_by_role("button", name=" ".join(MENDED))).to_have_attribute(
        "aria-label", re.compile(": not known yet 2 min 40 s$")
    )


def test_a_gap_of_a_young_recorder_is_one_cell_and_no_share(visitor: Visitor, serve: Callable[..., Served]) -> None:
    view = young(ROWS | LOST_FLAG)
    page = visitor.open(serve(view).url)
    assert row(page, MENDED).endswith(": gap in 1 cell")
    expect(page.locator("#share")).to_have_text("there are cells with gaps")
    assert "%" not in page.locator("#legend").inner_text()
    page.locator("#list .row").first.click()
    begun, ended = (
        time.strftime("%H:%M:%S UTC", time.gmtime(at_us // SECOND_US)) for at_us in (view.started_us, view.known.now_us)
    )
    expect(page.locator("#detail-runs li")).to_have_text(re.compile(f"^within .*{begun} to .*{ended}: gap$"))


def test_a_stream_of_several_lines_says_what_they_saved(visitor: Visitor, serve: Callable[..., Served]) -> None:
    shown = Shown(["BTCUSDT"])
    shown.lines[MENDED] = (1_234, ((0, 6_000), (1, 40)))
    shown.lines[MENDED._replace(data_type="book_snapshot")] = (None, ((0, 7), (1, 8)))
    page = visitor.open(serve(shown.look()).url)
    facts = page.locator("#detail-facts")
    for data_type, told in (
        ("trade", ["Saved by lines1,234", "Came first online 0: 6,000, line 1: 40"]),
        ("book_snapshot", ["Saved by linesits ids cannot show it", "Came first online 0: 7, line 1: 8"]),
        ("book_delta", []),
    ):
        page.get_by_role("button", name=f"binance BTCUSDT {data_type}:").click()
        expect(page.locator("#detail-about")).to_contain_text(data_type)
        assert [line for line in facts.locator("div").all_text_contents() if line.startswith(("Saved", "Came"))] == told
        page.locator("#close").click()


def test_an_hour_a_day_or_a_week_can_be_chosen_and_is_remembered(
    visitor: Visitor, serve: Callable[..., Served]
) -> None:
    page = visitor.open(serve(Shown(["BTCUSDT"], known_hours=200.0).look()).url)
    title = page.locator("#coverage-title")
    expect(title).to_have_text("The last 24 hours")
    page.get_by_role("button", name="7 d").click()
    expect(title).to_have_text("The last 7 days")
    assert re.search(r"last 7 days: recorded (7 d|6 d 23 h)", row(page, MENDED))
    days = page.locator("#overview .axis span").all_text_contents()
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d UTC|now", day) for day in days)
    page.reload()
    expect(title).to_have_text("The last 7 days")
    page.get_by_role("button", name="1 h").click()
    expect(title).to_have_text("The last hour")
    expect(page.locator("#windows [aria-pressed=true]")).to_have_text("1 h")


def test_only_what_is_silent_now_is_red(visitor: Visitor, serve: Callable[..., Served]) -> None:
    shown = small()
    silent = StreamKey("binance", "BTCUSDT", "book_ticker")
    shown.plant(silent, 5.0, 3)
    shown.late[silent] = 4_000.0
    page = visitor.open(serve(shown.look()).url)
    first = page.locator("#list .row").first
    expect(first).to_have_attribute("aria-label", re.compile("^binance BTCUSDT book_ticker: silent"))
    parts = {letter: first.locator(f"path.{letter}").get_attribute("d") or "" for letter in "gx"}
    assert {letter: d.count("M") for letter, d in parts.items()} == {"g": 1, "x": 1}
    colour = "(node) => getComputedStyle(node).fill"
    red = str(first.locator("path.x").evaluate(colour))
    assert red == page.locator("#processes").evaluate(
        "() => { const p = document.createElement('p'); p.style.color = getComputedStyle(document.documentElement).getPropertyValue('--now'); document.body.append(p); const found = getComputedStyle(p).color; p.remove(); return found; }"
    )
    others = {str(first.locator(f"path.{letter}").evaluate(colour)) for letter in "rupg"}
    assert red not in others
    assert page.locator("#overview path.x").get_attribute("d")


def test_before_the_first_seal_the_archive_says_when_the_next_is(
    visitor: Visitor, serve: Callable[..., Served]
) -> None:
    shown = small()
    shown.archive = {"rows": 0, "archived": 0}
    page = visitor.open(serve(shown.look()).url)
    archive = page.locator("#flow .station").nth(3)
    expect(archive).to_contain_text(re.compile(r"\d\d:00 UTC"))
    expect(archive).to_contain_text("next seal, then the first upload")
    assert not re.search(r"\b0 (rows|objects|segments)", archive.inner_text())


def test_every_time_names_its_zone(visitor: Visitor, serve: Callable[..., Served]) -> None:
    shown = small()
    shown.archive["last_error"] = "timeout"
    page = visitor.open(serve(shown.look()).url, timezone_id="America/New_York", locale="en-US")
    page.locator("#list .row").first.click()
    expect(page.locator("#detail")).to_be_visible()
    text = page.locator("body").inner_text()
    times = re.findall(r"\b\d\d:\d\d\b(?::\d\d)?(.{0,4})", text)
    assert len(times) > 8
    assert {after for after in times if after != " UTC"} == set()


def test_a_demo_says_so_and_a_real_recorder_does_not(visitor: Visitor, serve: Callable[..., Served]) -> None:
    shown = small()
    served = serve(shown.look())
    page = visitor.open(served.url)
    expect(page.locator("#about")).to_contain_text(f"version {__version__}")
    assert page.locator("#demo").is_hidden()
    served.view = shown.look()._replace(is_demo=True)
    expect(page.locator("#demo")).to_have_text("Demo: the exchange and its faults are made up")


def test_reasons_are_shown_with_their_remedy_while_they_hold(visitor: Visitor, serve: Callable[..., Served]) -> None:
    shown = small()
    served = serve(shown.look())
    page = visitor.open(served.url)
    expect(page.locator("h1")).to_have_text("Recording")
    shown.archive["last_error"] = "PUT: 403 Forbidden"
    shown.changes["clock_offsets_us"] = {"binance": -1_500_000}
    served.view = shown.look()
    expect(page.locator("h1")).to_have_text("Recording; segments wait for the store, and 1 more")
    assert state(page) == "ill"
    texts = page.locator("#reasons li").all_inner_texts()
    assert "403 Forbidden" in texts[0]
    assert "this machine's clock is slow" in texts[1]
    assert re.search(r"since \d\d:\d\d:\d\d UTC", texts[0])
    assert "Make the store accept objects again" in texts[0]
    page.locator("#reasons").get_by_role("link", name="store_unreachable").click()
    expect(page.locator("#reason-store_unreachable")).to_be_in_viewport()
    shown.archive["last_error"], shown.changes["clock_offsets_us"] = None, {}
    served.view = shown.look()
    expect(page.locator("h1")).to_have_text("Recording")
    assert page.locator("#reasons li").count() == 0


def test_the_headline_groups_silent_streams(visitor: Visitor, serve: Callable[..., Served]) -> None:
    shown = Shown([f"S{number}USDT" for number in range(20)], EIGHT_TYPES)
    shown.late = {key: 4_000.0 for key in shown.keys if key.data_type in {"book_delta", "book_ticker"}}
    page = visitor.open(serve(shown.look()).url)
    headline = "Recording; 40 of 160 streams silent: binance book_delta, book_ticker (all 20)"
    expect(page.locator("h1")).to_have_text(headline)
    assert page.locator("#reasons .text").all_inner_texts() == [headline.removeprefix("Recording; ")]


def test_repair_is_shown_only_where_it_runs(visitor: Visitor, serve: Callable[..., Served]) -> None:
    shown = small()
    shown.children["repair"] = "running"
    served = serve(shown.look())
    page = visitor.open(served.url)
    ingest = page.locator("#flow .station").nth(1)
    expect(ingest).to_contain_text("3 requests over REST waiting")
    shown.repair["waiting"] = {"book": 0, "trades": 0, "checkpoint": 4}
    served.view = shown.look()
    expect(ingest).to_contain_text("7 requests over REST answered")
    assert ingest.locator(".warn").count() == 0
    assert state(page) == "well"
    del shown.children["repair"]
    served.view = shown.look()
    expect(ingest).not_to_contain_text("REST")


def test_strips_show_gaps_and_the_worst_stream_is_first(visitor: Visitor, serve: Callable[..., Served]) -> None:
    page = visitor.open(serve(small().look()).url)
    rows = page.locator("#list .row")
    expect(rows).to_have_count(10)
    assert re.search("unverifiable 23 h 4[0-5] min, gap in 3 cells$", row(page, LOST))
    assert re.search("recorded 23 h 4[0-5] min, repaired in 3 cells$", row(page, MENDED))
    assert rows.first.get_attribute("aria-label") == row(page, LOST)
    strip = rows.first.locator("svg")
    drawn = {letter: strip.locator(f"path.{letter}").get_attribute("d") or "" for letter in "rupgn"}
    assert {letter: d.count("M") for letter, d in drawn.items()} == {"r": 0, "u": 3, "p": 0, "g": 2, "n": 0}
    paint = "(node) => getComputedStyle(node).fill"
    fills = {str(strip.locator(f"path.{letter}").evaluate(paint)) for letter in "rupg"}
    assert len(fills) == 4
    assert any("url(" in fill for fill in fills)
    note = page.locator("#legend li[data-state=p]")
    expect(note).to_be_visible()
    assert "hatch" in str(note.locator("path.p").evaluate(paint))
    legend = dict(re.findall(r"(Past gap.*)\s+([\d.]+ %)", page.locator("#legend").inner_text()))
    assert legend == {"Past gap": "0.4 %", "Past gap, repaired": "0.1 %"}
    assert "99.6 % of the known five-minute cells without a gap" in page.locator("#share").inner_text()


def test_events_are_newest_first_and_an_outage_is_one(visitor: Visitor, serve: Callable[..., Served]) -> None:
    page = visitor.open(serve(small().look()).url)
    titles = page.locator("#events .what b")
    expect(titles.first).to_have_text("A segment was archived")
    assert titles.all_text_contents().count("Gap: silence of 5 min") == 1
    assert page.locator("#events li", has_text="5 streams").count() == 1
    page.get_by_label("only trouble").check()
    expect(titles.first).to_have_text("Gap: silence")
    assert "Connected" not in titles.all_text_contents()


def test_gaps_that_are_one_event_are_counted_apart_from_their_streams(
    visitor: Visitor, serve: Callable[..., Served]
) -> None:
    shown = Shown(("BTCUSDT", "ETHUSDT"))
    trades, books = (StreamKey("binance", "BTCUSDT", data_type) for data_type in ("trade", "book_delta"))
    for kind, keys in {
        "sequence": (trades, trades, trades),
        "reset": (trades, books),
        "silence": (trades, trades, books),
    }.items():
        for nth, key in enumerate(keys):
            shown.plant(key, 3.0, kind=kind, name=f"{kind} {nth}")
    page = visitor.open(serve(shown.look()).url)
    gaps = page.locator("#events li.gap")
    expect(gaps).to_have_count(3)
    for kind, place in {
        "sequence": "3 gaps of binance BTCUSDT trade",
        "reset": "2 streams",
        "silence": "3 gaps of 2 streams",
    }.items():
        text = gaps.filter(has_text=kind).locator(".what > span")
        expect(text).to_have_text(f"{place} cause disconnect")


def test_the_rate_of_a_stream_is_over_ten_seconds(visitor: Visitor, serve: Callable[..., Served]) -> None:
    shown = small()
    view = shown.look()
    began_us = view.known.now_us
    served = serve(view)
    page = visitor.open(served.url, clock=True)
    rate = page.locator("#list li", has=page.locator(f"[title='{' '.join(MENDED)}']")).locator(".rate")
    expect(page.locator("h1")).to_have_text("Recording")
    rates = []
    for poll in range(1, 11):
        # What comes in two seconds is now a third of what comes in the next two.
        for _ in range(1 if poll % 2 else 3):
            view = shown.look()
        served.view = view._replace(known=view.known._replace(now_us=began_us + poll * 2_000_000))
        with page.expect_response("**/page.json") as answered:
            page.clock.run_for(2_000)
        answered.value.finished()
        expect(page.locator("html")).to_have_attribute("data-state", "well")
        if poll >= 6:
            expect(rate).to_contain_text("/ s")
        rates.append(rate.inner_text().removesuffix(" / s"))
    assert rates[0] == ""
    steady = [float(rate.replace(",", "")) for rate in rates[-4:]]
    assert max(steady) < 1.3 * min(steady)


def test_every_process_is_listed_with_its_usage(visitor: Visitor, serve: Callable[..., Served]) -> None:
    shown = small()
    shown.children["archiver"] = "backoff"
    page = visitor.open(serve(shown.look()).url)
    rows = page.locator("#processes tbody tr")
    expect(rows).to_have_count(4)
    assert rows.locator("th").all_text_contents() == ["supervisor", "ingest:binance", "writer", "archiver"]
    assert rows.first.locator("td").all_text_contents() == ["running", "10", "3.5 %", "50 MB", "20", "0"]
    assert page.locator("#processes .warn").all_text_contents() == ["backoff"]


def test_repeated_events_are_one_line_with_a_count(visitor: Visitor, serve: Callable[..., Served]) -> None:
    shown = small()
    for tries in range(14):
        shown.happen(0.5 - tries / 100, "warning", "connect_failed", f"line=0 error=refused retry_secs={tries}.5")
    shown.happen(0.1, "info", "connected", "line=0")
    page = visitor.open(serve(shown.look()).url)
    line = page.locator("#events li", has_text="Could not connect")
    expect(line).to_have_count(1)
    expect(line).to_contain_text(re.compile("14 times since .*retry_secs=13.5"))


def test_everything_can_be_done_from_the_keyboard(visitor: Visitor, serve: Callable[..., Served]) -> None:
    page = visitor.open(serve(small().look()).url)
    rows = page.locator("#list .row")
    expect(rows).to_have_count(10)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#theme")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#streams")).to_be_focused()
    for name in ("#search", "#sort", "#group"):
        page.keyboard.press("Tab")
        expect(page.locator(name)).to_be_focused()
    page.keyboard.press("Tab")
    expect(rows.first).to_be_focused()
    outline = rows.first.evaluate("(node) => getComputedStyle(node).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("ArrowDown")
    expect(rows.nth(1)).to_be_focused()
    page.keyboard.press("End")
    expect(rows.nth(9)).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="ETHUSDT")).to_be_visible()
    assert page.locator("#detail-runs li").all_text_contents()[0].endswith(": gap")
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()
    expect(rows.first).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("only trouble")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_shows_all_without_scrolling_sideways(
    visitor: Visitor, serve: Callable[..., Served], scheme: str
) -> None:
    shown = Shown(NASTY)
    shown.archive["last_error"] = "x" * 400
    page = visitor.open(serve(shown.look()).url, viewport={"width": 360, "height": 780}, color_scheme=scheme)
    expect(page.locator("#list .row").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    what_to_do = page.locator("#reasons li").get_by_text("What to do")
    remedy = page.locator("#reasons .remedy p")
    assert remedy.is_hidden()
    what_to_do.click()
    expect(remedy).to_contain_text("Make the store accept objects again")
    tops = [page.locator(part).bounding_box()["y"] for part in ("#reasons", "#streams", "#flowing", "#overview")]  # type: ignore[index]
    assert tops == sorted(tops)
    names = page.locator("#processes tbody th")
    assert [name for name in names.all() if not name.is_visible()] == []
    assert names.all_text_contents() == ["supervisor", "ingest:binance", "writer", "archiver"]
    page.locator("#list .row").first.click()
    expect(page.locator("#detail")).to_be_visible()
    assert page.evaluate("document.querySelector('#detail').scrollWidth") <= 360


def ground(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))


def test_light_and_dark_follow_the_system_until_somebody_chooses(
    visitor: Visitor, serve: Callable[..., Served]
) -> None:
    page = visitor.open(serve(small().look()).url, color_scheme="dark")
    dark = ground(page)
    page.emulate_media(color_scheme="light")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    light = ground(page)
    assert light != dark
    page.get_by_role("button", name="Use the dark colours").click()
    assert ground(page) == dark
    page.reload()
    expect(page.get_by_role("button", name="Use the light colours")).to_be_visible()
    assert ground(page) == dark


def test_nothing_moves_for_those_who_asked_for_less_motion(visitor: Visitor, serve: Callable[..., Served]) -> None:
    view = small().look()
    moving = "[...document.querySelectorAll('*')].flatMap((node) => node.getAnimations()).length"
    page = visitor.open(serve(view).url)
    expect(page.locator("h1")).to_have_text("Recording")
    assert page.evaluate(moving) > 0
    still = visitor.open(serve(view).url, reduced_motion="reduce")
    expect(still.locator("h1")).to_have_text("Recording")
    assert still.evaluate(moving) == 0


def test_a_token_is_asked_for_sent_as_a_header_and_kept_nowhere(
    chromium: Browser, serve: Callable[..., Served]
) -> None:
    guest = Visitor(chromium)
    page = guest.open(serve(small().look(), TOKEN).url)
    field = page.get_by_label("This recorder asks for its token")
    expect(field).to_be_focused()
    assert page.locator("main").is_hidden()
    field.fill("planted")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("This token is wrong.")
    field.fill(TOKEN)
    with page.expect_request("**/page.json") as sent:
        page.keyboard.press("Enter")
    assert sent.value.headers["authorization"] == f"Bearer {TOKEN}"
    expect(page.locator("h1")).to_have_text("Recording")
    kept = "JSON.stringify([location.href, document.cookie, {...localStorage}, {...sessionStorage}, token.value])"
    assert "planted" not in page.evaluate(kept)
    guest.leave()
    assert {*guest.said} == {"Failed to load resource: the server responded with a status of 401 (Unauthorized)"}


def test_whatever_comes_from_outside_is_shown_as_text(visitor: Visitor, serve: Callable[..., Served]) -> None:
    shown = Shown(NASTY, ("trade",))
    for place, text in enumerate(NASTY):
        shown.happen(place, "warning", "connect_failed", text)
        shown.plant(StreamKey("binance", text, "trade"), 2.0, kind=text)
    shown.archive["last_error"] = NASTY[1]
    page = visitor.open(serve(shown.look()).url)
    names = page.locator("#list .name b")
    expect(names).to_have_count(len(NASTY))
    said = [name.replace("\ufffd", "\u0000") for name in names.all_text_contents()]
    assert sorted(said) == sorted(NASTY)
    assert NASTY[0] in page.locator("#events").inner_text()
    assert NASTY[1] in page.locator("#reasons").inner_text()
    page.locator("#list .row", has_text="<script>").click()
    expect(page.locator("#detail-title")).to_have_text(NASTY[0])
    assert page.locator("img, #list script, #events script, #detail script").count() == 0
    assert "pwned" not in page.title()


@pytest.fixture(scope="module")
def crowd() -> Snapshot:
    shown = Shown([f"S{number:04}USDT" for number in range(600)])
    shown.plant(StreamKey("binance", "S0300USDT", "trade"), 3.0)
    return shown.look()


def nodes(page: Page) -> int:
    return int(page.evaluate("document.querySelectorAll('*').length"))


def test_three_thousand_streams_can_be_searched_and_walked(
    visitor: Visitor, serve: Callable[..., Served], crowd: Snapshot
) -> None:
    page = visitor.open(serve(crowd).url)
    rows = page.locator("#list .row")
    expect(rows).to_have_count(12)
    assert "S0300USDT trade: has gaps" in str(rows.first.get_attribute("aria-label"))
    page.get_by_role("button", name="Show all 3,000").click()
    rows.first.focus()
    page.keyboard.press("End")
    expect(page.locator("#list .row:focus")).to_have_attribute("aria-label", re.compile("^binance S0599USDT trade"))
    assert page.locator("#list li:has(:focus)").get_attribute("aria-posinset") == "3000"
    assert nodes(page) < 1_500
    page.get_by_label("Find a stream").fill("s0123 delta")
    expect(rows).to_have_count(1)
    page.get_by_label("Find a stream").fill("nobody is called that")
    expect(page.locator("#none")).to_be_visible()
    page.get_by_label("Find a stream").fill("")
    page.get_by_label("Group").select_option("type")
    heads = page.locator("#list .row.head")
    for left in range(len(TYPES), 0, -1):
        expect(heads.first).to_be_visible()
        page.locator("#list .row.head[aria-expanded=true]").first.click()
        expect(page.locator("#list .row.head[aria-expanded=false]")).to_have_count(len(TYPES) - left + 1)
    assert page.locator("#list .row").count() == len(TYPES)
    assert nodes(page) < 1_500


def test_the_page_says_when_the_recorder_stops_answering(chromium: Browser, serve: Callable[..., Served]) -> None:
    guest = Visitor(chromium)
    served = serve(small().look())
    page = guest.open(served.url)
    expect(page.locator("h1")).to_have_text("Recording")
    served.fall_silent()
    expect(page.locator("h1")).to_have_text("No answer")
    expect(page.locator("#heard")).to_have_text(re.compile(r"Last answer \d+ m?s ago; retrying"))
    assert page.locator("#list .row").count() == 10
    served.answer()
    expect(page.locator("h1")).to_have_text("Recording")
    guest.leave()
    assert all("ERR_" in line for line in guest.said)


def test_a_page_nobody_looks_at_asks_nothing(visitor: Visitor, serve: Callable[..., Served]) -> None:
    asked: list[str] = []
    page = visitor.open(serve(small().look()).url, clock=True)
    expect(page.locator("h1")).to_have_text("Recording")
    with page.expect_response("**/page.json") as answered:
        page.clock.run_for(2_000)
    answered.value.finished()
    page.on("request", lambda request: asked.append(request.url))
    turn = "(hidden) => { Object.defineProperty(document, 'hidden', {configurable: true, get: () => hidden}); document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(turn, arg=True)
    page.clock.run_for(60_000)
    assert asked == []
    with page.expect_request("**/page.json"):
        page.evaluate(turn, arg=False)
