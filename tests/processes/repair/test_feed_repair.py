"""A repair process asks for what matters most, within the budget, and loses no request however it fails."""

import fcntl
import os
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from collector.dial import Address
from collector.domain.records import StreamKey
from collector.domain.repair_protocol import BOOK, BookRequest, RepairAnswer, TradesRequest, decode_answer
from collector.domain.retry import LONGEST_PAUSE_SECS
from collector.exchanges.registry import adapter
from collector.feed import rest
from collector.feed.rest import RestResponse
from collector.feed.shared_budget import BUSY_SECS
from collector.monitoring.health import CLOCK_OFF_SECS
from collector.processes.repair.feed_repair import FeedRepair
from collector.processes.repair.pages import EMPTY_TRIES
from collector.processes.repair.request_queue import (
    CLOCK_CONFIRM_SECS,
    CLOCK_SECS,
    OWN_WAIT_SECS,
    QUIET_SECS,
)
from collector.processes.repair.retry_policy import MAX_DELAY_SECS, TRIES
from collector.processes.repair.tries import STALE_LATER_DELAY_SECS, STALE_TRIES
from collector.reports import StreamNumbers, WriterReport
from collector.stats_files import stats_file
from collector.storage.journal.format import RecordKind, decode_header, frames_of, parse_records
from collector.storage.journal.writer import JournalWriter
from tests.processes.repair.repair_world import World
from tests.processes.repair.toy_market import ByTime, toy_market

SHARE = 3_000


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def trades(first: int, last: int, *, at: int = 1, symbol: str = "BTCUSDT") -> TradesRequest:
    return TradesRequest(StreamKey("binance", symbol, "trade"), 0, f"{symbol}{first}", first, last, at)


def book(from_id: int, *, at: int = 1, symbol: str = "BTCUSDT") -> BookRequest:
    return BookRequest(StreamKey("binance", symbol, BOOK), 0, from_id, at)


def answers(world: World) -> list[tuple[RepairAnswer, bytes]]:
    """What the journal of repair holds."""
    found = []
    for path in world.rest_files():
        data = path.read_bytes()
        header = decode_header(data)
        assert header is not None
        assert header.identity.feed == "f~rest"
        for record in parse_records(data[header.header_bytes :], header.header_bytes).records:
            if record.kind is RecordKind.FRAMES:
                assert record.line == -1
                found += [decode_answer(frame.data) for frame in frames_of(record)]
    return found


def parts(world: World) -> list[str]:
    return [about.answer for about, _ in answers(world)]


def without_clock(kinds: Iterable[str]) -> list[str]:
    return [kind for kind in kinds if kind != "time"]


def test_an_answer_is_durable_before_its_request_is_removed(world: World) -> None:
    world.exchange.trades["BTCUSDT"] = set(range(100, 200))
    world.requests.put([trades(101, 103)])
    feed_repair = world.repair()
    (page, body), (end, _) = answers(world)
    assert (page.answer, page.first, page.last, page.series) == ("page", 101, 103, 0)
    assert body.startswith(b'[{"id":101,')
    assert (end.answer, end.reason) == ("end", "")
    assert world.waiting() == []
    assert feed_repair.numbers.answers == {"trades": 1}


def test_a_long_hole_is_fetched_in_pages(world: World) -> None:
    world.exchange.trades["BTCUSDT"] = set(range(1, 5_000))
    world.requests.put([trades(101, 2_600)])
    world.repair()
    assert parts(world) == ["page", "page", "page", "end"]
    assert [target.split("fromId=")[1] for _, target in world.exchange.asked if "fromId" in target] == [
        "101&limit=1000", "1101&limit=1000", "2101&limit=1000",
    ]  # fmt: skip


@pytest.mark.parametrize(("there", "expected"), [({300}, ["end"]), ({102, 300}, ["page", "end"])])
def test_a_hole_the_exchange_cannot_fill_ends_with_the_last_page(
    world: World, there: set[int], expected: list[str]
) -> None:
    world.exchange.trades["BTCUSDT"] = there
    world.requests.put([trades(101, 200)])
    world.repair()
    assert parts(world) == expected
    assert world.waiting() == []


def test_an_empty_page_is_requested_again_after_a_delay(world: World) -> None:
    world.exchange.trades["BTCUSDT"] = {101, 102}
    world.requests.put([trades(101, 103)])
    feed_repair = world.repair(for_secs=5)
    assert parts(world) == ["page"]
    world.exchange.trades["BTCUSDT"].add(103)
    world.repair(feed_repair, for_secs=10)
    assert parts(world) == ["page", "page", "end"]
    assert world.waiting() == []


@pytest.mark.parametrize(("there", "expected"), [(set(), ["end"]), ({102}, ["page", "end"])])
def test_a_request_ends_after_some_empty_pages(world: World, there: set[int], expected: list[str]) -> None:
    world.exchange.trades["BTCUSDT"] = there
    world.requests.put([trades(101, 200)])
    feed_repair = world.repair(for_secs=100)
    assert "end" not in parts(world)
    world.repair(feed_repair, for_secs=100)
    assert parts(world) == expected
    assert world.exchange.kinds().count("historicalTrades BTCUSDT") == EMPTY_TRIES + len(expected)
    assert answers(world)[-1][0].reason == "the exchange has no more"
    assert world.waiting() == []


def test_a_request_put_again_is_fetched_from_its_beginning(world: World) -> None:
    world.exchange.trades["BTCUSDT"] = set(range(1, 5_000))
    world.requests.put([trades(101, 2_600)])
    feed_repair = world.new_repair()
    for _ in range(3):  # the time and two pages
        feed_repair.step()
    world.requests.put([trades(101, 2_600)])
    world.repair(feed_repair)
    assert parts(world) == ["page"] * 5 + ["end"]
    assert world.waiting() == []


def test_a_request_put_again_during_its_last_answer_is_fetched_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.exchange.trades["BTCUSDT"] = set(range(1, 200))
    world.requests.put([trades(101, 150)])
    feed_repair = world.new_repair()
    feed_repair.step()  # the time
    real = world.exchange.get

    def put_again_meanwhile(target: str, method: str, body: str) -> rest.RestResponse:
        monkeypatch.setattr(world.exchange, "get", real)
        world.requests.put([trades(101, 150)])
        return real(target, method, body)

    monkeypatch.setattr(world.exchange, "get", put_again_meanwhile)
    world.repair(feed_repair)
    assert parts(world) == ["page", "end", "page", "end"]
    assert world.waiting() == []


MISFITS = {
    "another exchange": TradesRequest(StreamKey("binance_usdm", "BTCUSDT", "trade"), 0, "aa", 1, 2, 1),
    "an unknown symbol": TradesRequest(StreamKey("binance", "NOSUCH", "trade"), 0, "aa", 1, 2, 1),
    "a type without REST": TradesRequest(StreamKey("binance", "BTCUSDT", BOOK), 0, "aa", 1, 2, 1),
    "a book of trades": BookRequest(StreamKey("binance", "BTCUSDT", "trade"), 0, 1, 1),
}  # fmt: skip


@pytest.mark.parametrize("misfit", MISFITS.values(), ids=MISFITS)
def test_a_request_that_does_not_fit_its_feed_is_set_aside_alone(
    world: World, misfit: TradesRequest | BookRequest
) -> None:
    world.exchange.trades["BTCUSDT"] = set(range(100, 200))
    world.requests.put([misfit, trades(101, 103)])
    feed_repair = world.repair(for_secs=10)
    assert parts(world) == ["page", "end"]
    assert world.waiting() == []
    assert world.events.count("request_set_aside") == 1
    assert ("request", "misfit", 1) in feed_repair.numbers.failures
    assert (world.config.data_dir / f"repair/~aside/{misfit.name}.request").exists()


def test_a_permanent_refusal_ends_the_request_with_the_reason(world: World) -> None:
    feed_repair = world.repair()
    world.exchange.answer(400, b"<html>")
    world.exchange.answer(451)
    world.requests.put([trades(101, 103), book(7)])
    world.repair(feed_repair)
    ((end, _),) = answers(world)
    assert (end.answer, end.first, end.last, end.reason) == ("end", 101, 103, "HTTP 451")
    assert world.waiting() == []
    assert sorted(feed_repair.numbers.failures) == [("book", "refused", 1), ("trades", "refused", 1)]


def test_the_exchanges_own_text_stands_beside_the_status_of_a_refusal(tmp_path: Path) -> None:
    world = World(tmp_path, symbols=("BTC-USD",), data_types=("trade",), exchange=toy_market(ByTime()))
    world.exchange.answer(400, b'{"error":["unknown pair"]}')
    stream = StreamKey("toy", "BTC-USD", "trade")
    world.requests.put([TradesRequest(stream, 0, "aa", 41, 45, 1, since_us=1_700_000_000_000_000)])
    world.repair()
    ((end, _),) = answers(world)
    assert end.reason == "HTTP 400: unknown pair"


def test_unreadable_answers_are_kept_once_and_end_the_request_in_time(world: World) -> None:
    feed_repair = world.repair()
    world.exchange.answer(200, b"not json")
    for _ in range(3 * TRIES):
        world.exchange.answer(200, b'{"lastUpdateId":"x"}')
    world.requests.put([trades(101, 103), book(7)])
    world.repair(feed_repair, for_secs=1_250)
    world.exchange.script.clear()
    world.exchange.last_update_ids["BTCUSDT"] = 9
    world.repair(feed_repair, for_secs=MAX_DELAY_SECS)
    kept = answers(world)
    assert [(about.answer, body) for about, body in kept[:2]] == [
        ("snapshot", b"not json"),
        ("page", b'{"lastUpdateId":"x"}'),
    ]
    assert [about.answer for about, _ in kept[2:]] == ["end", "snapshot"]
    assert kept[2][0].reason != ""
    assert world.waiting() == []


@pytest.mark.parametrize("status", [302, 404, 407])
def test_a_refusal_that_may_come_from_a_proxy_is_tried_again(world: World, status: int) -> None:
    world.exchange.trades["BTCUSDT"] = {101}
    feed_repair = world.repair()
    world.exchange.answer(status, b"<html>")
    world.exchange.answer(200, b"<html>")
    world.requests.put([trades(101, 101)])
    world.repair(feed_repair, for_secs=60)
    assert [(about.answer, about.reason) for about, _ in answers(world)] == [("page", ""), ("page", ""), ("end", "")]
    assert world.waiting() == []


def test_a_403_pauses_all_requests_and_ends_none(tmp_path: Path) -> None:
    world = World(tmp_path, symbols=("A", "B"), checkpoint_secs=0)
    world.exchange.trades["A"], world.exchange.last_update_ids["B"] = {101}, 9
    feed_repair = world.repair()
    for _ in range(3):
        world.exchange.answer(403, b"<html>")
    world.requests.put([trades(101, 101, symbol="A"), book(7, symbol="B")])
    world.repair(feed_repair, for_secs=100)
    world.repair(world.new_repair(), for_secs=15)
    assert len(world.exchange.asked) == 2
    assert ("book", "forbidden", 1) in feed_repair.numbers.failures
    world.repair(feed_repair, for_secs=2 * LONGEST_PAUSE_SECS)
    at = [at for at, target in world.exchange.asked if "time" not in target or at > 0][:4]
    assert [round(later - earlier) for earlier, later in pairwise(at)] == [120, 240, 480]
    assert sorted(parts(world)) == ["end", "page", "snapshot"]
    assert world.waiting() == []


def test_temporary_failures_are_retried_for_ever_with_growing_delays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.random", lambda: 0.999)
    world.exchange.trades["BTCUSDT"] = {101}
    feed_repair = world.repair()
    for number in range(12):
        world.exchange.fail("slow") if number % 2 else world.exchange.answer(503)
    world.requests.put([trades(101, 101)])
    world.repair(feed_repair, for_secs=3_600)
    at = [at for at, target in world.exchange.asked if "Trades" in target]
    pauses = [round(later - earlier) for earlier, later in pairwise(at)]
    assert pauses[:5] == [1, 2, 4, 8, 16]
    assert max(pauses) <= 301
    assert world.waiting() == []
    assert parts(world) == ["page", "end"]
    assert world.events.count("rest_failed") == world.events.count("rest_recovered") == 1


@pytest.mark.parametrize(
    ("status", "headers", "secs"),
    [
        (429, {"Retry-After": "17"}, 17),
        (418, {"Retry-After": "3600"}, 3600),
        (418, {}, 120),
        (429, {"Retry-After": "0"}, 120),
        (429, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 120),
    ],
)
def test_a_ban_is_observed_after_a_restart(world: World, status: int, headers: dict[str, str], secs: int) -> None:
    world.exchange.trades["BTCUSDT"] = {101}
    feed_repair = world.repair()
    world.exchange.answer(status, b"", **headers)
    world.requests.put([trades(101, 101)])
    world.repair(feed_repair)
    banned_at = world.secs
    world.repair(world.new_repair(), for_secs=secs - 2)
    assert len(world.exchange.asked) == 2
    world.repair(world.new_repair(), for_secs=30)
    assert world.exchange.asked[2][0] >= banned_at + secs - 0.1
    assert world.waiting() == []


@pytest.mark.parametrize("used", ["9" * 20, "9" * 5_000, "-1", "1e9", ""])
def test_an_invalid_used_weight_header_is_ignored(world: World, used: str) -> None:
    world.exchange.trades["BTCUSDT"] = {101}
    world.exchange.answer(200, b'{"serverTime":1}', **{"X-MBX-USED-WEIGHT-1M": used})
    world.requests.put([trades(101, 101)])
    world.repair()
    assert parts(world) == ["page", "end"]


def test_a_book_older_than_the_break_is_fetched_again_on_a_new_connection(world: World) -> None:
    world.exchange.last_update_ids["BTCUSDT"] = 98
    world.requests.put([book(100)])
    feed_repair = world.repair(for_secs=30)
    tries = world.exchange.kinds().count("depth BTCUSDT")
    assert tries == world.exchange.renewals == STALE_TRIES
    assert answers(world) == []
    world.exchange.last_update_ids["BTCUSDT"] = 99
    world.repair(feed_repair, for_secs=STALE_LATER_DELAY_SECS)
    ((about, body),) = answers(world)
    assert (about.answer, about.series) == ("snapshot", 0)
    assert body == b'{"lastUpdateId":99,"bids":[["1","2"]],"asks":[]}'
    assert world.waiting() == []


def test_books_precede_trades_precede_checkpoints_each_oldest_first(tmp_path: Path) -> None:
    symbols = ("A", "B", "C", "D")
    world = World(tmp_path, symbols=symbols, checkpoint_secs=100)
    world.exchange.trades = {symbol: {1} for symbol in symbols}
    world.exchange.last_update_ids = dict.fromkeys(symbols, 9)
    feed_repair = world.new_repair()
    world.sleep(100)
    world.requests.put([
        trades(1, 1, at=1, symbol="B"), book(5, at=30, symbol="A"), book(5, at=20, symbol="B"),
        trades(1, 1, at=3, symbol="A"), trades(1, 1, at=2, symbol="C"),
    ])  # fmt: skip
    world.repair(feed_repair, for_secs=QUIET_SECS + 1)
    assert world.exchange.kinds() == [
        "time", "depth B", "depth A", "historicalTrades B", "historicalTrades C", "historicalTrades A", "depth C",
        "depth D",
    ]  # fmt: skip


def test_a_failed_request_comes_after_others_of_its_kind(tmp_path: Path) -> None:
    world = World(tmp_path, symbols=("A", "B"))
    world.exchange.trades = {"A": {1}, "B": {1}}
    feed_repair = world.repair()
    world.requests.put([trades(1, 1, at=1, symbol="A"), trades(1, 1, at=2, symbol="B")])
    world.exchange.fail()
    world.repair(feed_repair, for_secs=10)
    assert without_clock(world.exchange.kinds()) == [f"historicalTrades {symbol}" for symbol in "ABA"]


def test_the_book_for_a_later_break_serves_the_earlier_one(world: World) -> None:
    world.exchange.last_update_ids["BTCUSDT"] = 500
    world.requests.put([book(100, at=1), book(300, at=2)])
    world.repair()
    assert world.exchange.kinds().count("depth BTCUSDT") == 1
    assert world.waiting() == []


def test_the_latest_break_is_the_one_of_the_latest_series_not_time(world: World) -> None:
    world.exchange.last_update_ids["BTCUSDT"] = 60
    later = BookRequest(StreamKey("binance", "BTCUSDT", BOOK), 1, 50, asked_us=1)
    world.requests.put([book(1_000, at=2), later])
    world.repair()
    assert [answer.series for answer, _ in answers(world)] == [1]
    assert world.waiting() == []


def test_two_hundred_books_after_a_mass_reconnect_never_exceed_the_share(tmp_path: Path) -> None:
    symbols = tuple(f"S{number}" for number in range(200))
    world = World(tmp_path, symbols=symbols)
    world.exchange.trades = {symbol: {1, 2, 3} for symbol in symbols}
    world.exchange.last_update_ids = dict.fromkeys(symbols, 9)
    world.requests.put([book(5, symbol=symbol) for symbol in symbols])
    world.requests.put([trades(1, 3, symbol=symbol) for symbol in symbols[:20]])
    feed_repair = world.new_repair()
    begun = world.secs
    while any(name.startswith("book") for name in world.waiting()):
        world.repair(feed_repair, for_secs=1)
    assert world.secs - begun < 60
    while world.waiting():
        world.repair(feed_repair, for_secs=30)
    assert world.exchange.most_in_any_window() <= SHARE
    kinds = [kind.split()[0] for kind in without_clock(world.exchange.kinds())]
    assert kinds[:220] == ["depth"] * 200 + ["historicalTrades"] * 20
    assert {about.symbol for about, _ in answers(world)[:200]} == set(symbols)


def hundred_brief_books(world: World) -> FeedRepair:
    """After as many breaks that there was no weight for whole books."""
    symbols = world.config.feed[0].symbols
    world.exchange.last_update_ids = dict.fromkeys(symbols, 9)
    world.requests.put([book(5, symbol=symbol) for symbol in symbols])
    feed_repair = world.new_repair()
    while any(name.startswith("book") for name in world.waiting()):
        world.repair(feed_repair)
    return feed_repair


@pytest.fixture
def wide_world(tmp_path: Path) -> World:
    return World(tmp_path, symbols=tuple(f"S{number}" for number in range(100)))


def test_books_asked_for_one_by_one_leave_weight_for_all_others(wide_world: World) -> None:
    world = wide_world
    symbols = world.config.feed[0].symbols
    world.exchange.last_update_ids = dict.fromkeys(symbols, 9)
    feed_repair, begun = world.new_repair(), world.secs
    for symbol in symbols:
        world.requests.put([book(5, symbol=symbol)])
        world.repair(feed_repair)
        assert world.waiting() == []
    assert world.secs - begun < 10
    brief = [about.is_brief for about, _ in answers(world)[: len(symbols)]]
    assert brief == sorted(brief)
    assert brief.count(False) > 5


def test_after_books_of_all_there_is_weight_for_all_once_more(tmp_path: Path) -> None:
    symbols = tuple(f"S{number}" for number in range(200))
    world = World(tmp_path, symbols=symbols)
    feed_repair, begun = world.new_repair(), world.secs
    for last_id in (9, 109):
        world.exchange.last_update_ids = dict.fromkeys(symbols, last_id)
        for symbol in symbols:
            world.requests.put([book(last_id - 4, at=1 + round(world.secs * 1e6), symbol=symbol)])
            world.repair(feed_repair)
            assert world.waiting() == []
    assert world.secs - begun < 30
    assert world.exchange.most_in_any_window() <= SHARE


def test_a_book_of_few_levels_is_followed_by_the_whole_one(wide_world: World) -> None:
    world = wide_world
    feed_repair = hundred_brief_books(world)
    brief = {about.symbol for about, _ in answers(world) if about.is_brief}
    assert len(brief) > 80
    world.repair(feed_repair, for_secs=100 * 250 / SHARE * 120)
    whole = {about.symbol for about, _ in answers(world) if not about.is_brief}
    assert whole == set(world.config.feed[0].symbols)
    assert world.exchange.most_in_any_window() <= SHARE
    assert len(answers(world)) == 100 + len(brief)


def test_whole_books_that_are_owed_outlive_a_restart(wide_world: World) -> None:
    world = wide_world
    feed_repair = hundred_brief_books(world)
    world.sleep(10)
    feed_repair.step()
    feed_repair.close()
    brief = sum(about.is_brief for about, _ in answers(world))
    before = len(answers(world))
    world.sleep(60)
    world.repair(world.new_repair(), for_secs=60)
    assert brief > 80
    assert before < len(answers(world))


def test_a_break_while_whole_books_are_fetched_gets_its_book_at_once(wide_world: World) -> None:
    world = wide_world
    feed_repair = hundred_brief_books(world)
    world.repair(feed_repair, for_secs=300)
    for number in range(20):
        symbol = f"S{number}"
        world.exchange.last_update_ids[symbol] = 109
        world.requests.put([book(100, at=2, symbol=symbol)])
        before = world.secs
        world.repair(feed_repair)
        assert world.waiting() == []
        assert world.secs - before < 1
    assert world.exchange.most_in_any_window() <= SHARE


def test_the_busiest_streams_get_their_books_first(wide_world: World) -> None:
    world = wide_world
    symbols = world.config.feed[0].symbols
    streams = [
        StreamNumbers("binance", symbol, BOOK, messages=number * 37 % 100) for number, symbol in enumerate(symbols)
    ]
    stats_file(world.config.data_dir / "run/stats", "writer").write(WriterReport(streams=streams))
    hundred_brief_books(world)
    asked = [about.symbol for about, _ in answers(world)[:100]]
    assert asked == sorted(symbols, key=lambda symbol: -(int(symbol[1:]) * 37 % 100))


def test_one_book_is_fetched_whole_and_few_are(world: World) -> None:
    world.exchange.last_update_ids["BTCUSDT"] = 9
    world.requests.put([book(5)])
    world.repair()
    assert [about.is_brief for about, _ in answers(world)] == [False]


def test_the_clock_waits_for_books_and_not_for_ever(wide_world: World) -> None:
    world = wide_world
    world.exchange.last_update_ids = dict.fromkeys(world.config.feed[0].symbols, 9)
    world.requests.put([book(5, symbol="S1")])
    feed_repair = world.repair()
    assert world.exchange.kinds()[:2] == ["depth S1", "time"]
    world.sleep(CLOCK_SECS + OWN_WAIT_SECS)
    world.requests.put([book(100, symbol=symbol) for symbol in ("S2", "S3")])
    world.exchange.last_update_ids.update(S2=109, S3=109)
    world.repair(feed_repair)
    first, *others = world.exchange.kinds()[2:]
    assert (first, sorted(others)) == ("time", ["depth S2", "depth S3"])


def test_each_book_is_stored_once_an_interval_spread_over_it(tmp_path: Path) -> None:
    symbols = ("A", "B", "C", "D")
    world = World(tmp_path, symbols=symbols, checkpoint_secs=3_600)
    world.exchange.last_update_ids = dict.fromkeys(symbols, 9)
    feed_repair = world.repair(for_secs=2 * 3_600)
    at = [at for at, target in world.exchange.asked if "depth" in target]
    assert len(at) == 8
    pauses = [later - earlier for earlier, later in pairwise(at)]
    assert all(890 < pause < 910 for pause in pauses)
    assert feed_repair.numbers.answers == {"checkpoint": 8}


def test_a_restart_neither_skips_checkpoints_nor_fetches_all_at_once(tmp_path: Path) -> None:
    symbols = ("A", "B", "C", "D")
    world = World(tmp_path, symbols=symbols, checkpoint_secs=3_600)
    world.exchange.last_update_ids = dict.fromkeys(symbols, 9)
    for _ in range(10):
        world.repair(for_secs=360).close()
    assert sorted(without_clock(world.exchange.kinds())) == [f"depth {symbol}" for symbol in symbols]
    world.sleep(1_810)
    before = len(without_clock(world.exchange.kinds()))
    world.repair()
    assert len(without_clock(world.exchange.kinds())) - before == 2


def test_a_requested_book_counts_as_the_checkpoint(tmp_path: Path) -> None:
    world = World(tmp_path, checkpoint_secs=3_600)
    world.exchange.last_update_ids["BTCUSDT"] = 9
    feed_repair = world.repair()
    world.sleep(3_700)
    world.requests.put([book(5)])
    world.repair(feed_repair)
    assert world.exchange.kinds().count("depth BTCUSDT") == 1


def test_without_an_interval_no_checkpoint_is_stored(tmp_path: Path) -> None:
    world = World(tmp_path, checkpoint_secs=0)
    world.repair(for_secs=7_200)
    assert set(world.exchange.kinds()) == {"time"}


def test_the_exchanges_clock_is_read_periodically(world: World) -> None:
    world.exchange.latency_ns = 200_000_000
    world.exchange.ahead_us = 750_000
    feed_repair = world.repair(for_secs=CLOCK_SECS + 10)
    assert world.exchange.kinds() == ["time", "time", "time"]
    clock = feed_repair.numbers.clock
    assert clock is not None
    assert clock.within_us == 100_500
    assert clock.offset_us == pytest.approx(-750_000, abs=1_000)


def test_the_exchanges_clock_is_read_once_the_weight_can_be_counted(world: World) -> None:
    feed_repair = world.new_repair()
    with (world.config.data_dir / "run/weight-binance.json").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert feed_repair.step() == BUSY_SECS
    world.repair(feed_repair, for_secs=1)
    assert world.exchange.kinds() == ["time"]


def test_a_failed_reading_of_the_exchanges_clock_waits_for_the_next(world: World) -> None:
    world.exchange.fail()
    feed_repair = world.repair(for_secs=CLOCK_SECS - 10)
    assert world.exchange.kinds() == ["time"]
    world.repair(feed_repair, for_secs=20)
    assert world.exchange.kinds() == ["time", "time"]


class WholeSeconds:
    """A server of Kraken, which tells whole seconds, 20 ms away; it also counts what it is asked."""

    def __init__(self) -> None:
        self.ahead_us = 0
        self.asked = 0
        self.world: World | None = None

    def get(self, target: str, method: str = "GET", body: str = "") -> RestResponse:
        assert self.world is not None
        assert target == "/0/public/Time"
        self.asked += 1
        asked_ns = self.world.now_ns
        self.world.sleep(0.01)
        secs = (self.world.now_ns // 1_000 + self.ahead_us) // 1_000_000
        self.world.sleep(0.01)
        return RestResponse(200, {}, b'{"error":[],"result":{"unixtime":%d}}' % secs, asked_ns, self.world.now_ns)

    def renew(self, address: Address | None) -> None:
        raise AssertionError


def whole_seconds(tmp_path: Path, ahead_us: int, begin_secs: float) -> tuple[float, float, int]:
    """What a repair process that began at such a time reports: how far the clock is off and how exact that is, in
    seconds; and how often it asked.
    """
    client = WholeSeconds()
    client.ahead_us = ahead_us
    world = client.world = World(tmp_path, symbols=("BTC/USD",), exchange=adapter("kraken"), client=client)
    world.sleep(begin_secs)
    feed_repair = world.repair(for_secs=CLOCK_CONFIRM_SECS + 5)
    clock = feed_repair.numbers.clock
    assert clock is not None
    return clock.offset_us / 1e6, clock.within_us / 1e6, client.asked


@pytest.mark.parametrize("tenths", range(10))
def test_a_right_clock_is_right_by_an_exchange_that_tells_whole_seconds(tmp_path: Path, tenths: int) -> None:
    offset_secs, within_secs, asked = whole_seconds(tmp_path, 0, tenths / 10)
    assert abs(offset_secs) <= within_secs == pytest.approx(0.51)
    assert asked == 1, "the first answer is nothing odd"


@pytest.mark.parametrize("ahead_us", [-1_600_000, 1_600_000])
@pytest.mark.parametrize("tenths", range(10))
def test_a_clock_that_is_off_is_off_by_an_exchange_that_tells_whole_seconds(
    tmp_path: Path, tenths: int, ahead_us: int
) -> None:
    offset_secs, within_secs, _ = whole_seconds(tmp_path, ahead_us, tenths / 10)
    assert abs(offset_secs) - within_secs > CLOCK_OFF_SECS


def offset_us(feed_repair: FeedRepair) -> int | None:
    clock = feed_repair.numbers.clock
    return None if clock is None else clock.offset_us


def test_a_single_odd_clock_offset_is_not_reported(world: World) -> None:
    feed_repair = world.repair(for_secs=1)
    assert offset_us(feed_repair) == pytest.approx(0, abs=1_000)
    world.exchange.ahead_us = 36_000_000_000
    world.repair(feed_repair, for_secs=CLOCK_SECS)
    world.exchange.ahead_us = 0
    asked = world.exchange.kinds().count("time")
    for _ in range(2):
        assert offset_us(feed_repair) == pytest.approx(0, abs=1_000)
        world.repair(feed_repair, for_secs=2 * CLOCK_CONFIRM_SECS)
    assert world.exchange.kinds().count("time") > asked


def test_nothing_is_requested_while_the_disk_is_short(tmp_path: Path) -> None:
    world = World(tmp_path)
    everything = replace(world.config.journal, min_free_bytes=1 << 60)
    enough = world.config
    world.config = replace(world.config, journal=everything)
    world.exchange.trades["BTCUSDT"] = {101}
    world.requests.put([trades(101, 101)])
    world.repair(for_secs=600)
    assert world.exchange.asked == []
    world.config = enough
    world.repair()
    assert parts(world) == ["page", "end"]


def test_an_answer_the_disk_refuses_is_requested_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.exchange.trades["BTCUSDT"] = {101}
    real, failures = JournalWriter.append_frames, iter([True, True])

    def full(self: JournalWriter, *given: object) -> None:
        if next(failures, False):
            raise OSError(28, os.strerror(28))
        real(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(JournalWriter, "append_frames", full)
    world.requests.put([trades(101, 101)])
    feed_repair = world.repair(for_secs=30)
    assert parts(world) == ["page", "end"]
    assert ("trades", "disk", 2) in feed_repair.numbers.failures


def test_a_failed_fsync_ends_repair_and_the_request_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.exchange.trades["BTCUSDT"] = {101}
    world.requests.put([trades(101, 101)])
    feed_repair = world.new_repair()

    def fail(_self: JournalWriter) -> None:
        raise OSError(5, os.strerror(5))

    world.repair(feed_repair)
    world.requests.put([trades(101, 101)])
    monkeypatch.setattr(JournalWriter, "sync", fail)
    with pytest.raises(OSError, match=os.strerror(5)):
        world.repair(feed_repair)
    assert len(world.waiting()) == 1
