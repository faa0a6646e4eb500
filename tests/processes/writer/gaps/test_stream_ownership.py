"""Outages belong to the stream, also if feeds are renamed, streams move, or symbols come and go."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.config import Config
from collector.domain.records import IdRule, StreamKey
from collector.domain.repair_protocol import rest_journal
from collector.domain.silence import StreamActivity
from collector.exchanges.binance import Binance
from collector.exchanges.registry import adapter
from collector.processes.writer.feed_state_version_1 import carry_over
from collector.processes.writer.gaps.connection_log import ConnectionLog
from collector.processes.writer.gaps.feed_state import FeedState
from collector.processes.writer.gaps.plans import Plans
from collector.processes.writer.gaps.stream_ownership import StreamOwnership
from collector.processes.writer.streams import StreamTable
from collector.storage.journal.files import next_number
from collector.storage.journal.format import FeedIdentity, RecordKind
from collector.storage.journal.writer import JournalWriter
from tests.processes.writer.writer_harness import SPOKEN, START_NS, SYMBOLS, TYPES, World, book, connection, trade

SEC_NS = 1_000_000_000
BTC, ETH = SYMBOLS
BTC_BOOK, ETH_BOOK = (StreamKey("binance", symbol, "book_snapshot") for symbol in SYMBOLS)
IDENTITY = FeedIdentity("f", "binance", SYMBOLS, TYPES)
GAPS = "SELECT symbol, stream_type, kind, cause, started_at, ended_at FROM gaps WHERE {} ORDER BY detected_at, symbol"


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.gone = True
    return world


class Run:
    """One incarnation of ingest, which connects when it starts."""

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


def gaps(world: World, which: str = SPOKEN) -> list[tuple[Any, ...]]:
    world.run()
    return [(*row[:4], *map(secs, row[4:])) for row in world.query(GAPS.format(which))]


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


def test_a_connection_lost_before_a_rename_keeps_its_own_cause(world: World) -> None:
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


def test_a_moved_stream_waits_for_the_journal_of_its_old_feed(world: World) -> None:
    before = Run(world, "f", 0)
    before.say(1, trade(1), trade(1, symbol=ETH))
    Run(world, "a", 10, ETH).say(11, trade(3, symbol=ETH))
    Run(world, "f", 10, BTC).say(11, trade(2))
    world.gone = False
    assert gaps(world) == [(ETH, "trade", "sequence", "restart", 1, 11)]
    assert dict(world.query("SELECT symbol, feed FROM streams")) == {BTC: "f", ETH: "a"}


def test_a_feed_that_is_never_read_to_its_end_delays_no_other(world: World) -> None:
    world.gone = False
    Run(world, "f", 0, BTC).say(1, trade(1))
    Run(world, "g", 10, ETH).say(11, trade(1, symbol=ETH))
    world.run()
    assert world.payloads() == [trade(1), trade(1, symbol=ETH)]


@pytest.mark.parametrize("drained", [True, False], ids=["drained", "backlog"])
@pytest.mark.parametrize("name", ["f", "g"])
def test_a_symbol_dropped_for_a_run_is_offline_since_the_run_before(world: World, name: str, *, drained: bool) -> None:
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
def test_a_killed_ingests_refusal_ends_for_streams_moved_to_another_feed(world: World, name: str) -> None:
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


def test_a_stream_with_a_new_message_is_not_offline_any_more(world: World) -> None:
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


def test_the_first_plan_down_since_the_last_message_counts() -> None:
    links = ConnectionLog("a", newest_us=900, down={0: (200, "disconnect"), 1: (500, "exchange")})
    assert links.offline_since(100) == (200, "disconnect")
    assert links.offline_since(300) == (500, "exchange")
    assert links.offline_since(600) == (900, "restart")


DAY = 86_400


@pytest.fixture
def two_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three streams a connection: each of two symbols has one of its own."""
    monkeypatch.setattr(Binance, "limits", Binance.limits._replace(streams_per_connection=len(TYPES)))


def run_on(run: Run, at_secs: int, plan: int, number: int) -> None:
    about = {**connection(number), "plan": plan}
    run.journal.append_event(RecordKind.CONNECT, START_NS + at_secs * SEC_NS, 0, about)


@pytest.mark.parametrize("drained", [True, False], ids=["drained", "backlog"])
def test_an_outage_of_a_plan_does_not_outlive_the_plan(world: World, two_plans: None, *, drained: bool) -> None:
    first = Run(world, "f", 0)
    run_on(first, 0, 1, 2)
    first.say(1, book(10), trade(1, symbol=ETH))
    first.stop(2)
    if drained:
        world.run()
    alone = Run(world, "f", 5, BTC)
    alone.say(6, book(20))
    alone.say(90 * DAY, book(30))
    last = Run(world, "f", 90 * DAY + 1, ETH, BTC)  # who has the second plan now
    run_on(last, 90 * DAY + 2, 1, 2)
    last.say(90 * DAY + 3, book(40))
    assert [row[4:] for row in gaps(world) if row[1] == "book_snapshot"] == [(2, 5), (90 * DAY, 90 * DAY + 2)]


def test_a_second_try_leaves_no_outage(world: World, two_plans: None) -> None:
    first = Run(world, "f", 0, BTC)
    run_on(first, 0, 1, 2)  # that of a silent stream
    first.say(1, book(10))
    about = {**connection(2), "plan": 1, "cause": "disconnect", "reason": "silent"}
    first.journal.append_event(RecordKind.DISCONNECT, START_NS + 2 * SEC_NS, 0, about)
    first.say(DAY, book(20))
    last = Run(world, "f", DAY + 1, ETH, BTC)
    run_on(last, DAY + 1, 1, 2)
    last.say(DAY + 2, book(30))
    assert gaps(world) == [(BTC, "book_snapshot", "silence", "restart", DAY, DAY + 1)]


@pytest.mark.parametrize("drained", [True, False], ids=["drained", "backlog"])
def test_a_refusal_ends_with_the_feed_whose_ingest_was_killed(world: World, *, drained: bool) -> None:
    before = Run(world, "f", 0)
    before.say(1, trade(1))
    before.journal.append_event(RecordKind.REFUSING, START_NS + 2 * SEC_NS, 0, {"started_ns": START_NS + 2 * SEC_NS})
    for name, at_secs in (("g", 10), ("f", 90 * DAY)):
        if drained:
            world.run()
        Run(world, name, at_secs).say(at_secs + 1, trade(at_secs))
    latest = {row[:3]: row for row in gaps(world, "true") if row[2] == "budget"}
    budget = set(latest.values())
    assert budget == {(symbol, name, "budget", "disk_budget", 2, 10) for symbol in SYMBOLS for name in TYPES}


def test_a_silence_ends_when_its_stream_is_dropped(world: World) -> None:
    both = Run(world, "f", 0)
    for at_secs in range(1, 121):
        both.say(at_secs, book(at_secs), trade(at_secs, symbol=ETH))
    for at_secs in range(121, 600):
        both.say(at_secs, book(at_secs))
    assert gaps(world)[-1] == (ETH, "trade", "silence", "exchange", 120, None)
    Run(world, "f", 700, BTC).say(701, book(701))
    (*_, last) = [row for row in gaps(world) if row[0] == ETH]
    assert last == (ETH, "trade", "silence", "exchange", 120, 599)


def test_a_stream_without_messages_moves_to_its_new_feed(world: World) -> None:
    before = Run(world, "f", 0)
    for at_secs in range(400):
        before.say(at_secs, trade(at_secs))
    Run(world, "g", 500, ETH).say(501, trade(1, symbol=ETH))
    rows = [row for row in gaps(world, "true") if row[:3] == (ETH, "trade", "silence")]
    assert [row[4:] for row in rows] == [(0, None), (0, 501)]
    assert len(set(world.query("SELECT gap_id FROM gaps WHERE symbol = 'ETHUSDT' AND stream_type = 'trade'"))) == 1


def test_state_does_not_grow_with_the_number_of_plans_ever_seen(world: World) -> None:
    run = Run(world, "f", 0)
    for number in range(2, 500):
        run_on(run, number, number, number)
        about = {**connection(number), "plan": number, "cause": "disconnect", "reason": "silent"}
        run.journal.append_event(RecordKind.DISCONNECT, START_NS + number * SEC_NS, 0, about)
    run.say(600, book(10))
    world.run()
    ((state,),) = set(world.query("SELECT state FROM feeds WHERE feed = 'f'"))
    links = msgspec.msgpack.decode(state, type=FeedState).links
    assert (links.up, links.since, links.down) == ({1: 0}, {0: START_NS // 1_000}, {})


class TestVersion1:
    """Version 1 of a feed's state kept this per plan and per feed."""

    def state(self, **fields: Any) -> FeedState:
        links = ConnectionLog(
            "w", newest_us=90, up={1: 0}, since={0: 10}, known=[0, 1], lines={1: 0}, stood={1: (5, 30)}
        )
        return FeedState(links=links, **fields)

    def carried(self, state: FeedState, *, is_same: bool) -> StreamTable:
        streams = StreamTable(40.0, Config().silence.bounds)
        streams.add(BTC_BOOK, "f", IdRule.RISING)
        streams.add(ETH_BOOK, "f", IdRule.RISING)
        ownership = StreamOwnership(streams, {"f": state}, lambda _feed: state)
        touched = list(carry_over(state, IDENTITY, Plans(streams, adapter), ownership, is_same=is_same))
        assert {stream.key for stream in touched} == ({BTC_BOOK, ETH_BOOK} if is_same else set())
        return streams

    def test_a_lasting_outage_is_moved_to_the_streams_of_its_plan(self, two_plans: None) -> None:
        state = self.state()
        state.links.down = {1: (35, "disconnect"), 7: (20, "disconnect")}
        streams = self.carried(state, is_same=True)
        assert {stream.key: stream.activity.offline for stream in streams} == {
            BTC_BOOK: None,
            ETH_BOOK: (35, "disconnect"),
        }
        assert state.unspoken[ETH_BOOK._replace(data_type="trade")].offline == (35, "disconnect")
        assert state.links == ConnectionLog("w", newest_us=90, up={1: 0}, since={0: 10}, lines={1: 0})

    def test_an_unconnected_plan_is_offline_since_the_last_incarnation(self, two_plans: None) -> None:
        state = self.state()
        state.links.known, state.links.away_since_us = [0], 7
        streams = self.carried(state, is_same=True)
        assert {stream.key: stream.activity.offline for stream in streams} == {BTC_BOOK: None, ETH_BOOK: (7, "restart")}

    def test_a_lasting_refusal_is_moved_to_every_stream(self) -> None:
        state = self.state(refusing_since_us=50)
        streams = self.carried(state, is_same=True)
        activities = [*(stream.activity for stream in streams), *state.unspoken.values()]
        assert [activity.refused_since_us for activity in activities] == [50] * 6
        assert state.refusing_since_us is None

    def test_the_row_of_a_stream_without_messages_stays_open(self) -> None:
        key = ETH_BOOK._replace(data_type="trade")
        state = self.state(unheard={key: 40})
        self.carried(state, is_same=False)
        assert state.unspoken == {key: StreamActivity(silent_since_us=40, first_us=40)}
        assert state.unheard == {}

    @pytest.mark.parametrize("refusing_since_us", [None, 50])
    def test_another_incarnation_ends_what_it_left_open(self, refusing_since_us: int | None) -> None:
        state = self.state(refusing_since_us=refusing_since_us)
        state.links.down = {1: (35, "disconnect")}
        streams = self.carried(state, is_same=False)
        ownership = StreamOwnership(streams, {"f": state}, lambda _feed: state)
        taken = list(ownership.hand_over("f", [BTC_BOOK, ETH_BOOK]))
        assert [(one.member.activity.offline, one.refused_since_us) for one in taken] == [
            ((35, "disconnect"), refusing_since_us)
        ] * 2

    def test_its_bytes_are_read(self) -> None:
        old = {"links": ["w", 9, {1: 0}, {1: [5, "disconnect"]}, None, [0], {1: 0}, {0: 3}, {}], "unheard": {}}
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(old), type=FeedState)
        assert state.links.down == {1: (5, "disconnect")}
        activity = msgspec.msgpack.decode(
            msgspec.msgpack.encode([[1, 2.0, 3.0], 4, 5, None, [6, "restart"]]), type=StreamActivity
        )
        assert (activity.offline, activity.refused_since_us, activity.quiet_connected_us) == ((6, "restart"), None, 0)
