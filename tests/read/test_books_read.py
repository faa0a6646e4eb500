"""Books of a recording are what an independent rebuild of it found, at any moment; across a hole there is none."""

import json
from bisect import bisect_right
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import collector.read
from collector.domain.records import BookRow, StreamKey, TradeRow
from collector.read import GapError
from collector.read.archive import Archive
from collector.read.books.book import Book
from collector.read.ledger.gaps import LedgerRow
from collector.storage.store.directory import DirectoryStore
from tests.conftest import Lines
from tests.read.recorded_world import Frame, RecordedWorld, fetched_book, trade_ids
from tests.read.test_reading_gaps import without
from tests.storage.archive.archive_files import archive
from tests.storage.segment.segment_files import NOON_US, make_gap, message

Top = dict[int, tuple[list[tuple[float, float]], list[tuple[float, float]]]]


@pytest.fixture(scope="session")
def tops(top20: list[dict[str, Any]]) -> Top:
    """The best 20 levels of each side after each change of the book."""
    return {
        row["u"]: tuple([(float(price), float(size)) for price, size in row[side]] for side in ("bids", "asks"))  # type: ignore[misc]
        for row in top20
    }


def recorded_book(world: RecordedWorld, frames: list[Frame], book: Frame) -> Archive:
    """An archive of two segments, the book in the first of them; the last quarter is not archived yet."""
    world.fetch(*book)
    for part in (frames[:1_500], frames[1_500:3_000]):
        world.receive(part)
        world.seal()
    world.archive()
    world.receive(frames[3_000:])
    world.commit()
    return collector.read.open(world.data_dir / "archive", data_dir=world.data_dir)


@pytest.fixture
def whole(world: RecordedWorld, frames: list[Frame], recorded: Lines) -> Archive:
    return recorded_book(world, frames, fetched_book(recorded))


@pytest.fixture
def holed(world: RecordedWorld, frames: list[Frame], recorded: Lines) -> Archive:
    """The same without ten changes of the book."""
    return recorded_book(world, without(frames, b"@depth", slice(200, 210)), fetched_book(recorded))


def changes(archive: Archive) -> list[tuple[int, int]]:
    """When each change was received, or one before it, and its id."""
    table = archive.deltas("BTCUSDT", columns=["received_at", "last_id"], gaps="ignore").arrow()
    times = table["received_at"].cast(pa.int64()).to_pylist()
    return [(max(times[: place + 1]), id_) for place, id_ in enumerate(table["last_id"].to_pylist())]


def test_the_book_at_any_moment_is_what_an_independent_rebuild_found(whole: Archive, tops: Top) -> None:
    known = changes(whole)
    for at_us, last_id in known[40::60]:
        found = whole.book_at("BTCUSDT", at_us, depth=20)
        assert (found.last_id, found.verified) == (last_id, True)
        assert (found.bids, found.asks) == tops[last_id]
        assert found.best == (tops[last_id][0][0], tops[last_id][1][0])
        assert found.mid == (tops[last_id][0][0][0] + tops[last_id][1][0][0]) / 2
        assert found.updated_at is not None
        assert found.updated_at <= found.at
        assert found.known_depth is not None
        assert min(found.known_depth) > 100


def test_the_book_now_is_the_last_one(whole: Archive, tops: Top) -> None:
    found = whole.book_at("BTCUSDT", "now", depth=20)
    last_id = changes(whole)[-1][1]
    assert found.last_id == last_id
    assert (found.bids, found.asks) == tops[last_id]


def test_samples_of_the_depth_are_the_books_of_their_moments(whole: Archive, tops: Top) -> None:
    known = changes(whole)
    start, end = known[100][0], known[300][0]
    frame = whole.depth("BTCUSDT", start, end, every="250ms")
    table = frame.arrow()
    assert table.schema.equals(frame.schema)
    times = table["at"].cast(pa.int64()).to_pylist()
    assert times == list(range(-(-start // 250_000) * 250_000, end, 250_000))
    for at_us, row in zip(times, table.to_pylist(), strict=True):
        last_id = known[bisect_right(known, (at_us, 2**62)) - 1][1]
        assert row["last_id"] == last_id
        bids = list(zip(row["bid_prices"], row["bid_sizes"], strict=True))
        asks = list(zip(row["ask_prices"], row["ask_sizes"], strict=True))
        assert (bids, asks) == tops[last_id]


def test_ends_that_are_left_open_are_those_of_the_rows(whole: Archive) -> None:
    table = whole.deltas("BTCUSDT", columns=["received_at", "last_id"], gaps="ignore").arrow()
    times = table["received_at"].cast(pa.int64()).to_pylist()
    found = whole.depth("BTCUSDT", every="100ms", levels=1, gaps="ignore").arrow()["at"].cast(pa.int64()).to_pylist()
    assert found == list(range(-(-min(times) // 100_000) * 100_000, max(times) + 1, 100_000))
    later = whole.depth("BTCUSDT", max(times) - 200_000, every="100ms", levels=1).arrow()["at"].cast(pa.int64())
    assert later.to_pylist() == found[-len(later) :]
    rows = [event.row for event in whole.replay("BTCUSDT", gaps="ignore")]
    assert [row.last_id for row in rows if isinstance(row, BookRow)] == table["last_id"].to_pylist()


def test_a_silence_behind_the_last_book_is_in_the_way_of_no_sample(tmp_path: Path) -> None:
    stream = StreamKey("toy", "BTC/USD", "book_snapshot")
    silence = make_gap(
        stream_type="book_snapshot", kind="silence", expected_id=None, actual_id=None, started_at=NOON_US + 2_000_000,
        ended_at=None,
    )  # fmt: skip
    book = json.dumps({"U": 1, "u": 1, "b": [["1", "1"]], "a": []}).encode()
    messages = [message(0, id_, book) for id_ in (1, 2)]
    archive(DirectoryStore(tmp_path / "archive"), tmp_path / "a", messages, (stream,), [("toy", "BTC/USD", silence)])
    found = collector.read.open(tmp_path / "archive")
    assert found.depth("BTC/USD", every="1s").arrow().num_rows == 2
    with pytest.raises(GapError, match="silence"):
        found.depth("BTC/USD", end=NOON_US + 3_000_000, every="1s").arrow()


@pytest.mark.parametrize("place", [100, 250])
def test_a_replay_begins_with_the_book_and_goes_on_with_all_that_happened(
    whole: Archive, tops: Top, frames: list[Frame], place: int
) -> None:
    known = changes(whole)
    start, end = known[place][0], known[place + 50][0]
    events = list(whole.replay("BTCUSDT", start, end, with_trades=True))
    assert events[0].kind == "book"
    assert [event.at_us for event in events] == sorted(event.at_us for event in events)
    book = Book()
    for event in events:
        if isinstance(event.row, BookRow):
            book.apply(event.row)
            assert event.kind in {"book", "delta"}
            assert book.last_id is not None
            assert (book.bids.top(20), book.asks.top(20)) == tops[book.last_id]
    trades = [event.row.trade_id for event in events if isinstance(event.row, TradeRow)]
    assert trades == trade_ids([frame for frame in frames if start <= frame[0] // 1_000 < end])


def test_across_a_hole_the_book_is_unknown_and_never_empty(holed: Archive, tops: Top) -> None:
    (gap,) = [row.gap for row in holed.deltas("BTCUSDT").gaps]
    assert gap.ended_at is not None
    before = holed.book_at("BTCUSDT", gap.started_at - 1)
    assert before.bids is not None
    for at_us in (gap.started_at, gap.ended_at, gap.ended_at + 1_000_000):
        with pytest.raises(GapError, match="sequence"):
            holed.book_at("BTCUSDT", at_us)
        found = holed.book_at("BTCUSDT", at_us, gaps="mark")
        assert (found.bids, found.asks, found.best, found.mid, found.last_id, found.verified) == (None,) * 6


def test_depth_refuses_marks_and_splits_at_a_hole(holed: Archive) -> None:
    (gap,) = [row.gap for row in holed.deltas("BTCUSDT").gaps]
    assert gap.ended_at is not None
    start, end = gap.started_at - 2_000_000, gap.ended_at + 2_000_000
    with pytest.raises(GapError):
        holed.depth("BTCUSDT", start, end).arrow()
    marked = holed.depth("BTCUSDT", start, end, gaps="mark").arrow().to_pylist()
    states = {(row["bid_prices"] is None, row["gap_id"]) for row in marked}
    assert states == {(False, None), (True, gap.gap_id)}
    split = holed.depth("BTCUSDT", start, end, gaps="split").arrow().to_pylist()
    assert {row["piece"] for row in split} == {0, 1}
    assert {row["piece"] for row in split if row["bid_prices"] is not None} == {0}
    ignored = holed.depth("BTCUSDT", start, end, gaps="ignore").arrow().to_pylist()
    assert ignored[-1]["bid_prices"] is None, "ids prove that updates are missing"


def test_a_replay_refuses_a_hole_or_tells_where_it_is(holed: Archive) -> None:
    (gap,) = [row.gap for row in holed.deltas("BTCUSDT").gaps]
    assert gap.ended_at is not None
    start, end = gap.started_at - 2_000_000, gap.ended_at + 2_000_000
    with pytest.raises(GapError):
        next(holed.replay("BTCUSDT", start, end))
    events = list(holed.replay("BTCUSDT", start, end, gaps="mark"))
    (place,) = [number for number, event in enumerate(events) if event.kind == "gap"]
    behind = events[place + 1].row
    assert isinstance(behind, BookRow)
    assert str(behind.first_id) == gap.actual_id
    assert "gap" not in {event.kind for event in holed.replay("BTCUSDT", start, end, gaps="ignore")}


def test_a_replay_tells_where_trades_are_missing_and_its_book_goes_on(
    world: RecordedWorld, frames: list[Frame]
) -> None:
    ids = trade_ids(frames)
    trades = [frame for frame in frames if b"@trade" in frame[1]]
    world.receive([frame for frame in frames if frame not in trades[100:110]])
    world.seal()
    world.archive()
    found = collector.read.open(world.data_dir / "archive")
    start, end = trades[90][0] // 1_000, trades[120][0] // 1_000
    with pytest.raises(GapError, match="trade"):
        next(found.replay("BTCUSDT", start, end, with_trades=True))
    for mode in ("mark", "split"):
        events = list(found.replay("BTCUSDT", start, end, with_trades=True, gaps=mode))
        (place,) = [number for number, event in enumerate(events) if event.kind == "gap"]
        gap, behind = events[place].row, events[place + 1].row
        assert isinstance(gap, LedgerRow)
        assert isinstance(behind, TradeRow)
        assert (gap.gap.stream_type, gap.gap.missing, behind.trade_id) == ("trade", 10, ids[110])
    ignored = found.replay("BTCUSDT", start, end, with_trades=True, gaps="ignore")
    assert "gap" not in {event.kind for event in ignored}


def test_before_the_first_whole_book_there_is_none(world: RecordedWorld, frames: list[Frame]) -> None:
    world.receive(frames[:1_000])
    world.seal()
    world.archive()
    found = collector.read.open(world.data_dir / "archive")
    at_us = frames[900][0] // 1_000
    with pytest.raises(GapError, match="book_unknown"):
        found.book_at("BTCUSDT", at_us)
    assert found.book_at("BTCUSDT", at_us, gaps="ignore").bids is None
    kinds = {event.kind for event in found.replay("BTCUSDT", frames[100][0] // 1_000, at_us, gaps="mark")}
    assert kinds == {"delta"}


def test_where_an_exchange_sends_whole_books_alone_each_is_the_book(tmp_path: Path) -> None:
    stream = StreamKey("toy", "BTC/USD", "book_snapshot")
    books = [json.dumps({"U": id_, "u": id_, "b": [[str(id_), "1"]], "a": []}).encode() for id_ in (1, 2, 3)]
    messages = [message(0, id_, text) for id_, text in enumerate(books, 1)]
    archive(DirectoryStore(tmp_path / "archive"), tmp_path / "made", messages, [stream])
    found = collector.read.open(tmp_path / "archive")
    view = found.book_at("BTC/USD", NOON_US + 2_500_000)
    assert (view.bids, view.asks, view.verified) == ([(2.0, 1.0)], [], False)
    assert (view.best, view.mid, view.known_depth) == (((2.0, 1.0), None), None, (1, 0))
    kinds = [(event.kind, event.row.last_id) for event in found.replay("BTC/USD", NOON_US + 2_500_000, NOON_US + 9_000_000)
             if isinstance(event.row, BookRow)]  # fmt: skip
    assert kinds == [("book", 2), ("snapshot", 3)]
    assert found.book_at("BTC/USD", NOON_US).bids is None
