"""Continuity follows the stream: through feeds that are renamed, streams that are moved, symbols that come and go."""

from pathlib import Path
from typing import Any

import pytest

from collector.domain.copies import RECENT_IDS
from collector.domain.outages import Links
from collector.domain.records import IdRule, StreamKey
from collector.domain.repairs import rest_journal
from collector.processes.streams import Streams
from collector.storage.journal import JournalWriter, next_number
from collector.storage.journal_format import RecordKind
from tests.processes.writer_harness import START_NS, SYMBOLS, World, book, connection, trade

SEC_NS = 1_000_000_000
BTC, ETH = SYMBOLS
GAPS = "SELECT symbol, stream_type, kind, cause, started_at, ended_at FROM gaps ORDER BY detected_at, symbol"


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.gone = True
    return world


class Run:
    """One incarnation of ingest, which connects as it begins."""

    def __init__(self, world: World, feed: str, at_secs: int, *symbols: str, file_bytes: int = 1 << 30) -> None:
        world.now_ns = START_NS + at_secs * SEC_NS
        self.world = world
        # The next number behind the files that the runs before it have filled.
        folder, positions = world.config.data_dir / "journal" / feed, world.config.data_dir / "segments/positions.json"
        world._numbers[feed] = next_number(folder, positions, feed) - 1
        self.journal: JournalWriter = world.journal(file_bytes, symbols or SYMBOLS, feed=feed)
        self.journal.append_event(RecordKind.CONNECT, world.now_ns, 0, connection(1))

    def say(self, at_secs: int, *frames: bytes) -> None:
        self.world.now_ns = START_NS + at_secs * SEC_NS
        self.journal.append_frames(self.world.now_ns, 0, list(frames))

    def stop(self, at_secs: int, cause: str = "restart") -> None:
        about = {**connection(1), "cause": cause, "reason": "stopped"}
        self.journal.append_event(RecordKind.DISCONNECT, START_NS + at_secs * SEC_NS, 0, about)


def gaps(world: World) -> list[tuple[Any, ...]]:
    world.run()
    return [(*row[:4], *map(secs, row[4:])) for row in world.query(GAPS)]


def secs(time_us: int | None) -> float | None:
    return None if time_us is None else time_us / 1e6 - START_NS / 1e9


@pytest.mark.parametrize("drained", [True, False], ids=["drained", "backlog"])
@pytest.mark.parametrize("stopped_at", [None, 3], ids=["killed", "stopped"])
@pytest.mark.parametrize("name", ["a", "z"])
def test_the_outage_over_a_renaming_is_in_the_ledger(
    world: World, name: str, stopped_at: int | None, *, drained: bool
) -> None:
    before = Run(world, "f", 0, file_bytes=1 << 20)
    before.say(1, trade(1), book(10))
    before.say(2, trade(2), book(20), trade(1, symbol=ETH))
    if stopped_at is not None:
        before.stop(stopped_at)
    if drained:
        assert gaps(world) == []
    after = Run(world, name, 9)
    after.say(10, trade(7), book(30), trade(2, symbol=ETH))
    assert sorted(gaps(world)) == [
        (BTC, "book_snapshot", "silence", "restart", stopped_at or 2, 9),
        (BTC, "trade", "sequence", "restart", 2, 10),
    ]
    assert set(world.query("SELECT feed FROM streams")[-3:]) == {(name,)}


def test_a_connection_lost_before_the_renaming_is_an_outage_of_its_own_cause(world: World) -> None:
    before = Run(world, "f", 0)
    before.say(1, book(10))
    before.stop(2, cause="disconnect")
    before.journal.append_event(RecordKind.CLOSE, START_NS + 60 * SEC_NS, 0, {})
    Run(world, "g", 90).say(91, book(20))
    assert gaps(world) == [(BTC, "book_snapshot", "silence", "disconnect", 2, 90)]


def test_a_backlog_is_read_in_the_order_in_which_its_files_were_begun(world: World) -> None:
    names = ["m", "b", "m", "x", "a"]  # one name comes back
    for number, name in enumerate(names):
        run = Run(world, name, 10 * number, file_bytes=2_000)
        for step in range(9):
            ids = range(90 * number + 10 * step, 90 * number + 10 * step + 10)
            run.say(10 * number + step, *map(trade, ids), *map(book, ids))
    found = gaps(world)
    assert len(list((world.config.data_dir / "journal").glob("*/*.journal"))) == 0
    assert [(row[1], *row[2:]) for row in found] == [
        ("book_snapshot", "silence", "restart", 10 * number + 8, 10 * number + 10) for number in range(4)
    ]
    stored = [payload for payload in world.payloads() if b"@trade" in payload]
    assert stored == [trade(n) for n in range(90 * len(names))]


def test_a_stream_moved_to_another_feed_waits_for_what_its_old_one_brought(world: World) -> None:
    before = Run(world, "f", 0)
    before.say(1, trade(1), trade(1, symbol=ETH))
    Run(world, "a", 10, ETH).say(11, trade(3, symbol=ETH))
    Run(world, "f", 10, BTC).say(11, trade(2))
    world.gone = False
    assert gaps(world) == [(ETH, "trade", "sequence", "restart", 1, 11)]
    assert dict(world.query("SELECT symbol, feed FROM streams")) == {BTC: "f", ETH: "a"}


def test_a_feed_that_cannot_be_ended_holds_up_no_other(world: World) -> None:
    world.gone = False
    Run(world, "f", 0, BTC).say(1, trade(1))
    Run(world, "g", 10, ETH).say(11, trade(1, symbol=ETH))
    world.run()
    assert world.payloads() == [trade(1), trade(1, symbol=ETH)]


@pytest.mark.parametrize("drained", [True, False], ids=["drained", "backlog"])
@pytest.mark.parametrize("name", ["f", "g"])
def test_a_symbol_left_out_for_a_run_was_away_since_the_run_before_it(
    world: World, name: str, *, drained: bool
) -> None:
    Run(world, "f", 0).say(1, book(10), trade(1), trade(1, symbol=ETH))
    for number in (1, 2):
        Run(world, "f", 10 * number, ETH).say(10 * number + 1, trade(number + 1, symbol=ETH))
        if drained:
            world.run()
    after = Run(world, name, 30)
    after.say(31, book(20), trade(9), trade(4, symbol=ETH))
    Run(world, name, 40).say(41, book(30), trade(10), trade(5, symbol=ETH))
    assert sorted(gaps(world)) == [
        (BTC, "book_snapshot", "silence", "restart", 1, 30),
        (BTC, "book_snapshot", "silence", "restart", 31, 40),
        (BTC, "trade", "sequence", "restart", 1, 31),
    ]


@pytest.mark.parametrize("name", ["f", "g"])
def test_a_refusal_whose_ingest_was_killed_ends_also_for_streams_that_have_another_feed(
    world: World, name: str
) -> None:
    before = Run(world, "f", 0)
    before.say(1, trade(1), trade(1, symbol=ETH))
    before.journal.append_event(RecordKind.REFUSING, START_NS + 2 * SEC_NS, 0, {"started_ns": START_NS + 2 * SEC_NS})
    Run(world, name, 10, BTC).say(11, trade(5))
    Run(world, "h", 20, ETH).say(21, trade(5, symbol=ETH))
    budget = {(row[0], *row[4:]) for row in gaps(world) if row[1:4] == ("trade", "budget", "disk_budget")}
    assert budget == {(BTC, 2, 10), (ETH, 2, 10 if name == "f" else 20)}


def test_trouble_that_lasted_is_closed_as_the_feed_is_renamed(world: World) -> None:
    Run(world, "f", 0).say(1, book(20), book(10), book(11))
    Run(world, "g", 10).say(11, book(30))
    rows = [row for row in gaps(world) if row[2] == "out_of_order"]
    assert [row[4:] for row in rows] == [(1, None), (1, 1)]


def test_a_stream_that_has_spoken_again_is_not_away_any_more(world: World) -> None:
    Run(world, "f", 0).say(1, book(10))
    Run(world, "g", 10).say(11, book(20))
    world.run()
    again = Run(world, "g", 20)
    again.say(21, book(30))
    again.journal.append_event(RecordKind.CONNECT, START_NS + 22 * SEC_NS, 1, connection(2))
    assert [row[4:] for row in gaps(world)] == [(1, 10), (11, 20)]


def test_what_repair_fetched_takes_no_stream_from_its_feed(world: World) -> None:
    Run(world, "f", 0).say(1, book(10))
    world.now_ns = START_NS + 5 * SEC_NS
    world.journal(feed=rest_journal("f")).append_event(RecordKind.CLOSE, world.now_ns, -1, {})
    world.run()
    assert set(world.query("SELECT feed FROM streams")) == {("f",)}
    Run(world, "f", 10).say(11, book(20))
    assert [row[4:] for row in gaps(world)] == [(1, 10)]


def test_of_plans_that_are_down_the_first_since_a_stream_was_heard_counts() -> None:
    links = Links("a", newest_us=900, down={0: (200, "disconnect"), 1: (500, "exchange")})
    assert links.left_since(100) == (200, "disconnect")
    assert links.left_since(300) == (500, "exchange")
    assert links.left_since(600) == (900, "restart")


def test_a_stream_remembers_as_much_as_the_feed_that_took_it_over_needs(world: World) -> None:
    streams = Streams({"g": 60.0}, world.config.silence.bounds)
    stream = streams.add(StreamKey("binance", BTC, "book_ticker"), "f", IdRule.RISING)
    streams.move(stream, "g")
    for number in range(3 * RECENT_IDS):
        stream.memory.judge(number, None, None, START_NS // 1_000, 0)
    assert len(stream.memory.recent) == 3 * RECENT_IDS
