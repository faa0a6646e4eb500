"""The newest ids of slow streams are stored again now and then, so that a start need not search for them."""

from pathlib import Path

import pytest

from collector.domain.records import IdRule, StreamKey
from collector.domain.sequence.dedup import RECENT_DENSE_IDS
from collector.domain.silence import Bounds
from collector.processes.writer import recents
from collector.processes.writer.recents import SlowStreams
from collector.processes.writer.stored_state import decode_recent
from collector.processes.writer.streams import StreamState, StreamTable
from tests.processes.writer.writer_harness import START_NS, World, trade

INTERVAL = 1_000


@pytest.fixture(autouse=True)
def short_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recents, "INTERVAL_ROWS", INTERVAL)


def stored(stream: StreamState, count: int, last_row: int) -> None:
    """Let the stream have so many more messages, the last of them at that row."""
    for _ in range(count):
        stream.messages += 1
        stream.dedup.judge(stream.messages, None, None, last_row, 0)
    stream.last_row = last_row


@pytest.fixture
def table() -> StreamTable:
    table = StreamTable(40.0, Bounds(300.0, 30.0))
    for name, rule in (("busy", IdRule.DENSE), ("slow", IdRule.DENSE), ("without", IdRule.NONE)):
        table.add(StreamKey("binance", name, "trade"), "f", rule)
    return table


def test_only_streams_with_few_new_messages_are_stored(table: StreamTable) -> None:
    slow = SlowStreams(table, 0)
    busy, rare, without = table
    stored(busy, RECENT_DENSE_IDS, INTERVAL)
    stored(rare, RECENT_DENSE_IDS - 1, 7)
    without.messages, without.last_row = 1, 8
    assert not slow.due(INTERVAL - 1)
    assert slow.due(INTERVAL)
    found = slow.recents(table, INTERVAL)
    assert {number: decode_recent(ids) for number, ids in found.items()} == {rare.stream_id: rare.dedup.recent}
    assert not slow.due(2 * INTERVAL - 1)


def test_a_stream_with_no_new_message_is_not_stored_again(table: StreamTable) -> None:
    slow = SlowStreams(table, 0)
    _, rare, _ = table
    stored(rare, 3, 7)
    assert slow.recents(table, INTERVAL).keys() == {rare.stream_id}
    assert slow.recents(table, 2 * INTERVAL) == {}
    stored(rare, 1, 2 * INTERVAL + 1)
    assert slow.recents(table, 3 * INTERVAL).keys() == {rare.stream_id}


def test_rows_are_counted_anew_in_a_new_segment(table: StreamTable) -> None:
    slow = SlowStreams(table, 5 * INTERVAL)
    assert not slow.due(5 * INTERVAL + 1)
    assert not slow.due(1)
    assert slow.due(INTERVAL)


def test_a_writer_stores_them_and_a_start_knows_them(tmp_path: Path) -> None:
    world = World(tmp_path)
    journal = world.journal()
    journal.append_frames(START_NS, 0, [trade(number, symbol="ETHUSDT") for number in range(1, 4)])
    for start in range(1, 3 * INTERVAL, 100):
        journal.append_frames(START_NS + start, 0, [trade(number) for number in range(start, start + 100)])
    world.run_for(8)
    rows = world.query(
        "SELECT symbol, row FROM recents JOIN streams USING (stream_id) WHERE row > 0 AND data_type = 'trade'"
    )
    assert [symbol for symbol, _ in rows] == ["ETHUSDT"]
    assert rows[0][1] >= INTERVAL
    journal.append_frames(START_NS + 10_000, 0, [trade(2, symbol="ETHUSDT"), trade(4, symbol="ETHUSDT")])
    before = world.numbers.duplicates
    world.run()
    assert world.numbers.duplicates == before + 1
    ids = world.query("SELECT id FROM messages JOIN streams USING (stream_id) WHERE symbol = 'ETHUSDT'")
    assert sorted(row[0] for row in ids) == [1, 2, 3, 4]
