"""Streams of a segment are read while it is written, after it is sealed, and in every format."""

from pathlib import Path

import pytest

from collector.domain.errors import DamagedError
from collector.domain.records import StreamKey
from collector.storage.segment import stream_end
from collector.storage.segment.open_segment import OpenSegment
from collector.storage.segment.readable import readable, readable_segments, segment_id_of
from collector.storage.segment.seal import create_segment
from collector.storage.segment.sealed_segment import remove_segment
from collector.storage.segment.state import EMPTY_STATE, Commit, StreamRow
from tests.storage.segment.segment_files import (
    BOOK,
    META,
    NOON_US,
    SEGMENT_ID,
    TRADES,
    UNKNOWN,
    Message,
    make_gap,
    make_segment,
    message,
    trade,
)
from tests.storage.segment.segment_rows import messages_of
from tests.storage.segment.version_1_files import as_version_1

MANY = "x" * 400


def two_streams(count: int) -> list[Message]:
    """Trades with much text, which have blocks of their own, beside few messages of another stream."""
    trades = [message(0, id_, trade(id_, side=MANY)) for id_ in range(count)]
    return [*trades, message(1, 7, b"{}"), message(1, 8, b"{}")]


def ids_of(path: Path, stream_id: int, since_us: int = 0, until_us: int = 2**62) -> list[int]:
    with readable(path) as segment:
        blocks = segment.blocks(stream_id, since_us, until_us)
    return [id_ for messages in blocks.messages() for id_ in messages.ids]


@pytest.mark.parametrize("version", [1, 2])
def test_each_stream_has_its_messages_in_every_format(tmp_path: Path, version: int) -> None:
    path = make_segment(tmp_path, [TRADES, BOOK], two_streams(100), gaps=[("toy", "BTC/USD", make_gap())])
    if version == 1:
        as_version_1(path)
    assert ids_of(path, 0) == list(range(100))
    assert ids_of(path, 1) == [7, 8]
    with readable(path) as segment:
        held = {one.key: one for one in segment.streams()}
        assert segment.gaps() == [("toy", "BTC/USD", make_gap())]
        assert segment.meta["host"] == "host-1"
    assert (held[TRADES].rows, held[BOOK].rows) == (100, 2)
    assert (held[TRADES].received_min, held[TRADES].received_max) == (NOON_US, NOON_US + 99_000_000)
    assert held[BOOK].received_min <= NOON_US + 7_000_000 < NOON_US + 8_000_000 <= held[BOOK].received_max
    assert held[BOOK].has_ids


def test_blocks_that_were_received_at_other_times_are_left_out(tmp_path: Path) -> None:
    path = make_segment(tmp_path, [TRADES], two_streams(100)[:100], commit_rows=10)
    found = ids_of(path, 0, NOON_US + 25_000_000, NOON_US + 40_000_000)
    assert found == list(range(20, 40))


def test_the_last_commit_of_an_open_segment_is_read_and_it_can_be_sealed_then(tmp_path: Path) -> None:
    path = tmp_path / f"{SEGMENT_ID}.open.db"
    create_segment(path, META, EMPTY_STATE)
    segment = OpenSegment(path)
    rows = [(number, *values) for number, values in enumerate(two_streams(30)[:30], 1)]
    stream = stream_row(30)
    segment.store(Commit(list(messages_of(rows)), [], [], [stream], {}, []))
    assert ids_of(path, 0) == list(range(30))
    with readable(path) as other:
        assert [(one.key, one.rows) for one in other.streams()] == [(TRADES, 30)]
    segment.checkpoint()
    segment.close()
    path.rename(tmp_path / f"{SEGMENT_ID}.db")
    assert ids_of(path, 0) == list(range(30)), "a segment is found under the name that it has since"


def stream_row(last_row: int) -> StreamRow:
    return StreamRow(0, *TRADES, "feed", "dense", b"", last_row, last_row - 1, NOON_US)


def test_what_a_reader_leaves_beside_a_segment_goes_with_it(tmp_path: Path) -> None:
    path = tmp_path / f"{SEGMENT_ID}.open.db"
    create_segment(path, META, EMPTY_STATE)
    segment = OpenSegment(path)
    segment.store(Commit([], [], [("toy", "BTC/USD", make_gap())], [], {}, []))
    with readable(path) as reader:
        assert len(reader.gaps()) == 1
        segment.checkpoint()
        segment.close()
        path.rename(tmp_path / f"{SEGMENT_ID}.db")
    left = sorted(file.name for file in tmp_path.iterdir())
    assert left == [f"{SEGMENT_ID}.db", f"{SEGMENT_ID}.open.db-shm", f"{SEGMENT_ID}.open.db-wal"]
    remove_segment(tmp_path / f"{SEGMENT_ID}.db")
    assert list(tmp_path.iterdir()) == []


def test_a_segment_that_is_gone_is_told_from_one_that_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), readable(tmp_path / f"{SEGMENT_ID}.db"):
        pass
    (tmp_path / f"{SEGMENT_ID}.db").write_bytes(b"no segment" * 100)
    with pytest.raises(DamagedError), readable(tmp_path / f"{SEGMENT_ID}.db"):
        pass


def test_segments_that_are_being_made_are_not_listed(tmp_path: Path) -> None:
    names = ["a.db", "b.open.db", "c.new.db", "d.copy.db", "b.open.db-wal", "e.new.db.draft"]
    for name in names:
        (tmp_path / name).touch()
    found = readable_segments(tmp_path)
    assert [path.name for path in found] == ["a.db", "b.open.db"]
    assert [segment_id_of(path) for path in found] == ["a", "b"]


def end_of(path: Path, stream: StreamKey, rows: int) -> list[int]:
    with readable(path) as segment:
        return [
            id_
            for messages in segment.newest(segment.numbers()[stream], rows).blocks.messages()
            for id_ in messages.ids
        ]


@pytest.mark.parametrize("version", [1, 2])
def test_the_end_of_a_stream_has_the_newest_messages_in_every_format(tmp_path: Path, version: int) -> None:
    path = make_segment(tmp_path, [TRADES, BOOK], two_streams(100), commit_rows=25)
    if version == 1:
        as_version_1(path)
    assert end_of(path, TRADES, 30)[-30:] == list(range(70, 100))
    assert end_of(path, BOOK, 1)[-1:] == [8]
    with readable(path) as segment:
        assert segment.numbers() == {TRADES: 0, BOOK: 1}
        assert [segment.number_of(stream) for stream in (TRADES, BOOK, UNKNOWN)] == [0, 1, None]


def test_the_end_of_a_stream_is_read_and_not_what_comes_before(tmp_path: Path) -> None:
    path = make_segment(tmp_path, [TRADES], two_streams(100)[:100], commit_rows=25)
    assert end_of(path, TRADES, 30) == list(range(50, 100))


def test_what_comes_behind_a_block_is_read_step_by_step_in_order_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_end, "MOST_BLOCKS", 3)
    mixed = [
        one for number in range(50) for one in (message(0, number, trade(number, side=MANY)), message(1, number, b"{}"))
    ]
    path = make_segment(tmp_path, [TRADES, BOOK], mixed, commit_rows=10)
    for stream_id in (0, 1):
        block, found, looks = 0, list[int](), 0
        with readable(path) as segment:
            while (end := segment.after(stream_id, block)).until > block:
                block, looks = end.until, looks + 1
                found += [id_ for messages in end.blocks.messages() for id_ in messages.ids]
        assert found == list(range(50))
        assert looks > 1
