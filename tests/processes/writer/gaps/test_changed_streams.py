"""A running ingest takes up and drops streams: its journal goes on in a file that says which plan carries which."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from collector.storage.journal.files import next_number
from collector.storage.journal.format import FeedIdentity, PlanShare, RecordKind
from collector.storage.journal.writer import JournalWriter
from tests.processes.writer.writer_harness import START_NS, TYPES, World, connection, trade

SEC_NS = 1_000_000_000
BTC, ETH = "BTCUSDT", "ETHUSDT"
GAPS = "SELECT symbol, stream_type, kind, cause, status, started_at, ended_at FROM gaps ORDER BY detected_at, symbol"


def book(update_id: int, symbol: str) -> bytes:
    data = {"lastUpdateId": update_id, "bids": [], "asks": []}
    return json.dumps({"stream": f"{symbol.lower()}@depth20@100ms", "data": data}, separators=(",", ":")).encode()


class Market(World):
    """The writer's world, and how many trades of each symbol there were."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.trades: Counter[str] = Counter()


class Ingest:
    """One incarnation: plan 0 carries the symbols it begins with, on connection 1."""

    def __init__(self, world: Market, *symbols: str, at_secs: int = 0, feed: str = "f") -> None:
        self.world = world
        self._begin(at_secs)
        folder, positions = world.config.data_dir / "journal" / feed, world.config.data_dir / "segments/positions.json"
        world._numbers[feed] = next_number(folder, positions, feed) - 1
        self.journal: JournalWriter = world.journal(symbols=symbols, feed=feed)
        self.connect(at_secs, 1, plan=0)

    def connect(self, at_secs: int, number: int, *, plan: int) -> None:
        self._begin(at_secs)
        self.journal.append_event(RecordKind.CONNECT, self.world.now_ns, 0, connection(number) | {"plan": plan})

    def disconnect(self, at_secs: int, number: int) -> None:
        self._begin(at_secs)
        about = {"connection": number, "cause": "disconnect", "reason": "lost"}
        self.journal.append_event(RecordKind.DISCONNECT, self.world.now_ns, 0, about)

    def subscribe(self, at_secs: int, symbols: tuple[str, ...], *plans: tuple[str, ...]) -> None:
        """From here on the plans carry these symbols, and there may be frames of `symbols`."""
        self._begin(at_secs)
        shares = tuple(PlanShare(plan, carried, TYPES) for plan, carried in enumerate(plans))
        self.journal.resubscribe(FeedIdentity("f", "binance", symbols, TYPES, shares))

    def subscribe_types(self, at_secs: int, *plans: tuple[str, ...]) -> None:
        """From here on the plans carry these data types of BTC, and there may be frames of no others."""
        self._begin(at_secs)
        shares = tuple(PlanShare(plan, (BTC,), types) for plan, types in enumerate(plans) if types)
        types = tuple(dict.fromkeys(name for carried in plans for name in carried))
        self.journal.resubscribe(FeedIdentity("f", "binance", (BTC,), types, shares))

    def subscribe_nothing(self, at_secs: int) -> None:
        """The feed is not wanted any more, but there may still be frames of what it brought."""
        self._begin(at_secs)
        self.journal.resubscribe(FeedIdentity("f", "binance", (BTC, ETH), TYPES, (PlanShare(0, (), ()),)))

    def say(self, at_secs: int, *symbols: str) -> None:
        """A book and the next trade of each symbol."""
        self._begin(at_secs)
        self.world.trades.update(symbols)
        trades = [trade(self.world.trades[symbol], symbol=symbol) for symbol in symbols]
        frames = [*trades, *(book(at_secs, symbol) for symbol in symbols)]
        self.journal.append_frames(self.world.now_ns, 0, frames)

    def _begin(self, at_secs: int) -> None:
        self.world.now_ns = START_NS + at_secs * SEC_NS


@pytest.fixture(params=["backlog", "drained"])
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Market:
    world = Market(tmp_path)
    world.gone = request.param == "backlog"
    return world


def read(world: Market) -> None:
    """Read what is there, if the writer is not to find all of it at the end: then each step has a writer of its own."""
    if not world.gone:
        world.run()


def gaps(world: Market, *data_types: str) -> list[tuple[Any, ...]]:
    world.gone = True
    world.run()
    found = [(*row[:5], *map(secs, row[5:])) for row in world.query(GAPS)]
    return [row for row in found if not data_types or row[1] in data_types]


def secs(time_us: int | None) -> float | None:
    return None if time_us is None else time_us / 1e6 - START_NS / 1e9


def stored(world: Market, symbol: str) -> int:
    return sum(symbol.lower().encode() in payload for payload in world.payloads())


def test_a_stream_that_joins_is_recorded_and_no_other_has_a_gap(world: Market) -> None:
    ingest = Ingest(world, BTC)
    ingest.say(1, BTC)
    read(world)
    ingest.subscribe(2, (BTC, ETH), (BTC,), (ETH,))
    read(world)
    ingest.say(2, BTC)
    ingest.connect(3, 2, plan=1)
    ingest.say(4, BTC, ETH)
    read(world)
    assert gaps(world, "trade", "book_snapshot") == []
    assert (stored(world, BTC), stored(world, ETH)) == (6, 2)
    assert world.query("SELECT * FROM messages m JOIN streams USING (stream_id) WHERE data_type = 'undecoded'") == []


def test_a_stream_that_joins_a_plan_is_silent_from_its_own_connection_on_only(world: Market) -> None:
    ingest = Ingest(world, BTC)
    for at_secs in range(1, 2_000, 20):
        ingest.say(at_secs, BTC)
    read(world)
    ingest.subscribe(2_000, (BTC, ETH), (BTC, ETH))
    ingest.say(2_010, BTC)
    read(world)
    ingest.connect(2_020, 2, plan=0)
    for at_secs in range(2_030, 2_200, 20):
        ingest.say(at_secs, BTC)
    read(world)
    ingest.say(2_210, BTC, ETH)
    assert gaps(world, "trade", "book_snapshot") == []


def test_a_stream_that_returns_to_a_plan_is_silent_from_its_own_connection_on_only(world: Market) -> None:
    ingest = Ingest(world, BTC, ETH)
    ingest.say(1, BTC, ETH)
    ingest.subscribe(2, (BTC, ETH), (BTC,))
    for at_secs in range(3, 2_000, 20):
        ingest.say(at_secs, BTC)
    read(world)
    ingest.subscribe(2_000, (BTC, ETH), (BTC, ETH))
    ingest.say(2_010, BTC)
    ingest.connect(2_020, 2, plan=0)
    for at_secs in range(2_030, 2_200, 20):
        ingest.say(at_secs, BTC)
    ingest.say(2_210, BTC, ETH)
    assert gaps(world, "trade", "book_snapshot") == []


def test_an_outage_of_the_new_connection_concerns_its_own_streams(world: Market) -> None:
    ingest = Ingest(world, BTC)
    ingest.subscribe(1, (BTC, ETH), (BTC,), (ETH,))
    ingest.connect(1, 2, plan=1)
    ingest.say(2, BTC, ETH)
    read(world)
    ingest.disconnect(3, 2)
    ingest.connect(6, 3, plan=1)
    read(world)
    assert gaps(world, "book_snapshot") == [(ETH, "book_snapshot", "silence", "disconnect", "unrepairable", 3, 6)]


def test_an_outage_of_an_old_connection_still_concerns_its_own_streams(world: Market) -> None:
    ingest = Ingest(world, BTC)
    ingest.subscribe(1, (BTC, ETH), (BTC,), (ETH,))
    ingest.connect(1, 2, plan=1)
    ingest.say(2, BTC, ETH)
    read(world)
    ingest.disconnect(3, 1)
    ingest.connect(6, 3, plan=0)
    assert gaps(world, "book_snapshot") == [(BTC, "book_snapshot", "silence", "disconnect", "unrepairable", 3, 6)]


def test_a_stream_that_leaves_ends_without_a_gap(world: Market) -> None:
    ingest = Ingest(world, BTC, ETH)
    ingest.say(1, BTC, ETH)
    read(world)
    ingest.subscribe(2, (BTC, ETH), (BTC,))
    read(world)
    for at_secs in range(3, 2_000, 20):
        ingest.say(at_secs, BTC)
    read(world)
    ingest.disconnect(2_000, 1)
    ingest.connect(2_010, 2, plan=0)
    ingest.say(2_011, BTC)
    assert {row[0] for row in gaps(world, "trade", "book_snapshot")} == {BTC}


def test_a_stream_that_does_not_leave_is_silent_after_the_same_time(world: Market) -> None:
    ingest = Ingest(world, BTC, ETH)
    ingest.say(1, BTC, ETH)
    ingest.subscribe(2, (BTC, ETH), (BTC, ETH))
    for at_secs in range(3, 2_000, 20):
        ingest.say(at_secs, BTC)
    assert {(row[0], row[2]) for row in gaps(world, "trade", "book_snapshot")} == {(ETH, "silence")}


def test_leaving_ends_a_silence(world: Market) -> None:
    ingest = Ingest(world, BTC, ETH)
    ingest.say(1, BTC, ETH)
    for at_secs in range(3, 1_000, 20):
        ingest.say(at_secs, BTC)
    read(world)
    ingest.subscribe(1_000, (BTC, ETH), (BTC,))
    ingest.say(1_001, BTC)
    of_books = [row for row in gaps(world, "book_snapshot") if row[0] == ETH]
    assert [row[-1] for row in of_books] == [None, 983]


def test_what_its_connection_still_brings_of_a_stream_that_left_is_stored(world: Market) -> None:
    ingest = Ingest(world, BTC, ETH)
    ingest.say(1, BTC, ETH)
    read(world)
    ingest.subscribe(2, (BTC, ETH), (BTC,))
    ingest.say(3, BTC, ETH)
    assert gaps(world, "book_snapshot", "undecoded", "_") == []
    assert stored(world, ETH) == 4


def returned(world: Market) -> Ingest:
    """ETH left, and returns at 51 s on connection 2, after ten of its trades that nobody asked for."""
    ingest = Ingest(world, BTC, ETH)
    ingest.say(1, BTC, ETH)
    ingest.subscribe(2, (BTC, ETH), (BTC,))
    ingest.say(5, BTC, ETH)
    read(world)
    world.trades[ETH] += 10
    ingest.subscribe(50, (BTC, ETH), (BTC,), (ETH,))
    read(world)
    ingest.connect(51, 2, plan=1)
    ingest.say(52, BTC, ETH)
    read(world)
    return ingest


def test_a_stream_that_comes_back_has_no_gap_for_the_time_nobody_asked_for_it(world: Market) -> None:
    ingest = returned(world)
    for at_secs in range(53, 300, 20):
        ingest.say(at_secs, BTC, ETH)
    assert gaps(world, "trade", "book_snapshot") == []
    assert stored(world, ETH) == 2 * (3 + len(range(53, 300, 20)))


def test_what_is_lost_after_a_return_is_a_gap_of_its_own(world: Market) -> None:
    ingest = returned(world)
    ingest.disconnect(60, 2)
    world.trades[ETH] += 1
    ingest.connect(70, 3, plan=1)
    ingest.say(71, BTC, ETH)
    ingest.say(80, BTC, ETH)
    assert gaps(world, "trade", "book_snapshot") == [
        (ETH, "book_snapshot", "silence", "disconnect", "unrepairable", 60, 70),
        (ETH, "trade", "sequence", "disconnect", "open", 52, 71),
    ]


def test_a_copy_of_what_came_before_a_stream_left_is_still_a_copy(world: Market) -> None:
    ingest = returned(world)
    ingest.journal.append_frames(world.now_ns, 0, [trade(number, symbol=ETH) for number in (1, 2)])
    assert gaps(world, "trade", "book_snapshot") == []
    assert stored(world, ETH) == 2 * 3


def test_a_feed_that_ends_and_returns_has_no_gap_for_the_time_nobody_asked_for_it(world: Market) -> None:
    ingest = Ingest(world, BTC)
    ingest.say(1, BTC)
    ingest.subscribe_nothing(2)
    ingest.disconnect(3, 1)
    ingest.journal.append_close()
    read(world)
    world.trades[BTC] += 10
    Ingest(world, BTC, at_secs=50).say(51, BTC)
    assert gaps(world, "trade", "book_snapshot") == []


def test_a_stream_that_moves_to_another_feed_has_a_gap_for_the_time_between(world: Market) -> None:
    ingest = Ingest(world, BTC, ETH)
    ingest.say(1, BTC, ETH)
    ingest.subscribe(2, (BTC, ETH), (BTC,))
    read(world)
    world.trades[ETH] += 10
    Ingest(world, ETH, at_secs=10, feed="g").say(11, ETH)
    assert [row for row in gaps(world, "trade", "book_snapshot") if row[0] == ETH] == [
        (ETH, "book_snapshot", "silence", "restart", "unrepairable", 1, 10),
        (ETH, "trade", "sequence", "restart", "open", 1, 11),
    ]


def test_the_next_incarnation_divides_its_streams_anew(world: Market) -> None:
    first = Ingest(world, BTC)
    first.subscribe(1, (BTC, ETH), (BTC,), (ETH,))
    first.connect(1, 2, plan=1)
    first.say(2, BTC, ETH)
    read(world)
    second = Ingest(world, BTC, ETH, at_secs=10)
    second.say(11, BTC, ETH)
    assert sorted(gaps(world, "book_snapshot")) == [
        (symbol, "book_snapshot", "silence", "restart", "unrepairable", 2, 10) for symbol in (BTC, ETH)
    ]


def test_a_list_that_changed_over_a_restart_drops_what_left(world: Market) -> None:
    Ingest(world, BTC, ETH).say(1, BTC, ETH)
    read(world)
    second = Ingest(world, BTC, at_secs=10)
    for at_secs in range(11, 1_000, 20):
        second.say(at_secs, BTC)
    assert {row[0] for row in gaps(world, "trade", "book_snapshot")} == {BTC}


def test_a_data_type_that_leaves_ends_without_a_gap_and_what_still_comes_is_not_stored(world: Market) -> None:
    ingest = Ingest(world, BTC)
    ingest.say(1, BTC)
    read(world)
    ingest.subscribe_types(2, ("trade",))
    for at_secs in range(3, 2_000, 20):
        ingest.say(at_secs, BTC)
    assert gaps(world, "trade", "book_snapshot", "undecoded", "_") == []
    assert (stored(world, BTC), world.trades[BTC]) == (world.trades[BTC] + 1, 101)


def test_a_data_type_that_joins_is_stored_and_no_other_has_a_gap(world: Market) -> None:
    ingest = Ingest(world, BTC)
    ingest.subscribe_types(1, ("trade",))
    read(world)
    ingest.say(2, BTC)
    ingest.subscribe_types(3, ("trade",), ("book_snapshot",))
    ingest.connect(4, 2, plan=1)
    read(world)
    ingest.say(5, BTC)
    assert gaps(world, "trade", "book_snapshot", "undecoded", "_") == []
    assert stored(world, BTC) == 3
