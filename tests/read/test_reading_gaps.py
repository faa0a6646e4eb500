"""Gaps are heeded: a read refuses to cross one, marks it, splits at it, or ignores it when told to."""

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import collector.read
from collector.domain.names import gap_id
from collector.domain.records import Gap, StreamKey
from collector.read import GapError
from collector.read.archive import Archive
from collector.read.ledger.gaps import LedgerRow
from collector.read.marking import Marker
from collector.storage.store.deleting import DeletingDirectoryStore
from collector.storage.store.directory import DirectoryStore
from tests.read.recorded_world import Frame, RecordedWorld, data_of, trade_ids
from tests.storage.archive import old_archive
from tests.storage.archive.archive_files import IDS, archive
from tests.storage.segment.segment_files import NOON_US, make_gap, message, trade

HOUR_US = 3_600_000_000


def without(frames: list[Frame], channel: bytes, *places: slice) -> list[Frame]:
    """The frames but for some of a channel, which the exchange never sent."""
    own = [frame for frame in frames if channel in frame[1]]
    gone = {frame[1] for place in places for frame in own[place]}
    return [frame for frame in frames if frame[1] not in gone]


def recorded_with_holes(world: RecordedWorld, frames: list[Frame], channel: bytes, *places: slice) -> Archive:
    """An archive of two segments, of which frames of a channel are missing."""
    left = without(frames, channel, *places)
    for part in (left[: len(left) // 2], left[len(left) // 2 :]):
        world.receive(part)
        world.seal()
    world.archive()
    return collector.read.open(world.data_dir / "archive")


def test_a_gap_in_the_middle_is_refused_and_the_error_says_what_to_do(
    world: RecordedWorld, frames: list[Frame]
) -> None:
    found = recorded_with_holes(world, frames, b"@trade", slice(100, 110))
    with pytest.raises(GapError) as refused:
        found.trades("BTCUSDT").arrow()
    (gap,) = refused.value.gaps
    assert (gap.gap.kind, gap.gap.missing, gap.gap.status) == ("sequence", 10, "open")
    first, second, way = str(refused.value).splitlines()
    assert first == "binance BTCUSDT trade has 1 unrepaired gap in the time asked for:"
    assert second.startswith("  2024-08-08T23:54:")
    assert "sequence, cause exchange, 10 missing" in second
    assert all(f'gaps="{mode}"' in way for mode in ("mark", "split", "ignore"))


def test_on_either_side_of_a_gap_nothing_is_refused(world: RecordedWorld, frames: list[Frame]) -> None:
    found = recorded_with_holes(world, frames, b"@trade", slice(100, 110))
    (gap,) = found.trades("BTCUSDT").gaps
    ids = trade_ids(frames)
    assert found.trades("BTCUSDT", end=gap.gap.started_at).arrow()["trade_id"].to_pylist()[-1] < ids[100]
    assert found.trades("BTCUSDT", start=gap.gap.ended_at).arrow()["trade_id"].to_pylist()[0] == ids[110]
    with pytest.raises(GapError):
        found.trades("BTCUSDT", end=gap.gap.ended_at).arrow()


def test_exactly_the_gaps_are_marked_at_the_rows_behind_them(world: RecordedWorld, frames: list[Frame]) -> None:
    ids = trade_ids(frames)
    found = recorded_with_holes(world, frames, b"@trade", slice(100, 110), slice(400, 401))
    marked = found.trades("BTCUSDT", gaps="mark", columns=["trade_id"])
    ledger = {row.gap.gap_id: (row.gap.expected_id, row.gap.actual_id) for row in marked.gaps}
    table = marked.arrow()
    assert table.column_names == ["trade_id", "gap_id"]
    places = [row for row in table.to_pylist() if row["gap_id"] is not None]
    assert [(ledger[row["gap_id"]], row["trade_id"]) for row in places] == [
        ((ids[100], ids[110]), ids[110]),
        ((ids[400], ids[401]), ids[401]),
    ]


def test_books_changes_are_marked_too(world: RecordedWorld, frames: list[Frame]) -> None:
    found = recorded_with_holes(world, frames, b"@depth", slice(50, 53))
    table = found.deltas("BTCUSDT", gaps="mark", columns=["first_id", "last_id"]).arrow()
    (behind,) = [row for row in table.to_pylist() if row["gap_id"] is not None]
    assert behind["first_id"] == data_of(frames, "depth@100ms")[53]["U"]


def test_pieces_are_numbered_between_gaps(world: RecordedWorld, frames: list[Frame]) -> None:
    ids = trade_ids(frames)
    found = recorded_with_holes(world, frames, b"@trade", slice(100, 110), slice(400, 401))
    table = found.trades("BTCUSDT", gaps="split", columns=["trade_id"]).arrow()
    pieces: dict[int, list[str]] = {}
    for row in table.to_pylist():
        pieces.setdefault(row["piece"], []).append(row["trade_id"])
    assert list(pieces.values()) == [ids[:100], ids[110:400], ids[401:]]
    assert list(pieces) == [0, 1, 2]


def test_ignored_gaps_are_read_across(world: RecordedWorld, frames: list[Frame]) -> None:
    ids = trade_ids(frames)
    found = recorded_with_holes(world, frames, b"@trade", slice(100, 110))
    frame = found.trades("BTCUSDT", gaps="ignore", columns=["trade_id"])
    assert frame.arrow().column_names == ["trade_id"]
    assert frame.arrow()["trade_id"].to_pylist() == ids[:100] + ids[110:]
    assert len(frame.gaps) == 1


def test_a_gap_in_the_open_segment_is_refused_too(world: RecordedWorld, frames: list[Frame]) -> None:
    world.receive(without(frames, b"@trade", slice(100, 110)))
    world.commit()
    world.now_ns += 60_000_000_000
    found = collector.read.open(world.data_dir / "archive", data_dir=world.data_dir)
    with pytest.raises(GapError, match="10 missing"):
        found.trades("BTCUSDT").arrow()
    assert sum(mark is not None for mark in found.trades("BTCUSDT", gaps="mark").arrow()["gap_id"].to_pylist()) == 1


def toy(folder: Path, *gaps: Gap, numbers: tuple[int, ...] = (1, 2, 10, 11)) -> Archive:
    """An archive of some trades, received as many seconds after noon as their ids say, and of these gaps."""
    store = DirectoryStore(folder / "archive")
    messages = [message(0, id_, trade(id_)) for id_ in numbers]
    archive(store, folder / "a", messages, gaps=[("toy", "BTC/USD", gap) for gap in gaps])
    return collector.read.open(folder / "archive")


def gap(start: int, end: int | None, **changed: Any) -> Gap:
    """A gap between seconds after noon."""
    ended = None if end is None else NOON_US + end * 1_000_000
    return make_gap(started_at=NOON_US + start * 1_000_000, ended_at=ended, detected_at=NOON_US + 60_000_000, **changed)


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        (gap(2, 10), True),
        (gap(2, 10, status="unrepairable"), True),
        (gap(2, 10, status="partly_repaired"), True),
        (gap(2, 10, status="repaired"), False),
        (gap(2, 10, kind="silence", expected_id=None, actual_id=None), True),
        (gap(2, 10, kind="budget"), True),
        (gap(2, 10, kind="damaged"), True),
        (gap(2, 10, kind="undecodable"), True),
        (gap(2, 10, kind="reset"), False),
        (gap(2, 10, kind="duplicate_conflict"), False),
        (gap(2, 10, kind="book_unknown"), False),
        (gap(2, 10, kind="checksum", cause="exchange"), True),
        (gap(2, 10, kind="checksum", cause="unknown"), False),
        (gap(2, 10, stream_type="book_delta"), False),
        (gap(2, 10, stream_type="_"), True),
        (gap(20, 30), False),
        (gap(12, None), False),
        (gap(2, None), True),
    ],
    ids=lambda value: (
        f"{value.kind}-{value.status}-{value.cause}-{value.stream_type}" if isinstance(value, Gap) else ""
    ),
)
def test_a_gap_is_in_the_way_where_rows_are_missing_or_may_be(tmp_path: Path, given: Gap, *, refused: bool) -> None:
    trades = toy(tmp_path, given).trades("BTC/USD")
    assert [row.gap.gap_id for row in trades.gaps] == ([given.gap_id] if refused else [])
    if refused:
        with pytest.raises(GapError):
            next(trades.batches())
    else:
        assert trades.arrow().num_rows == 4


def test_a_silence_that_lasts_since_the_last_row_is_in_nobodys_way_unless_its_time_is_asked_for(tmp_path: Path) -> None:
    found = toy(tmp_path, gap(11, None, kind="silence", expected_id=None, actual_id=None))
    assert found.trades("BTC/USD").arrow().num_rows == 4
    assert found.trades("BTC/USD", NOON_US).arrow().num_rows == 4
    with pytest.raises(GapError, match="silence"):
        found.trades("BTC/USD", end=NOON_US + 20_000_000).arrow()
    with pytest.raises(GapError, match="silence"):
        found.trades("BTC/USD", NOON_US + 12_000_000).arrow()


def test_a_gap_within_the_last_message_is_in_the_way(tmp_path: Path) -> None:
    assert len(toy(tmp_path, gap(11, 11)).trades("BTC/USD").gaps) == 1


def test_a_gap_without_ids_is_marked_by_time_and_several_share_a_row(tmp_path: Path) -> None:
    silence = gap(3, 9, gap_id="aa", kind="silence", expected_id=None, actual_id=None)
    marks = toy(tmp_path, silence, gap(2, 10, gap_id="bb")).trades("BTC/USD", gaps="mark").arrow()["gap_id"]
    assert marks.to_pylist() == [None, None, "bb aa", None]


def received_at(seconds: dict[int, float], folder: Path, *gaps: Gap) -> Archive:
    """An archive of trades by id, and when each was received, in seconds after noon."""
    messages = [message(0, id_, trade(id_), received_us=NOON_US + int(at * 1_000_000)) for id_, at in seconds.items()]
    store = DirectoryStore(folder / "archive")
    stream = StreamKey("binance", "BTCUSDT", "trade")
    archive(store, folder / "a", messages, (stream,), [("binance", "BTCUSDT", gap) for gap in gaps])
    return collector.read.open(folder / "archive")


def pieces(found: Archive) -> list[tuple[int, int]]:
    """The id of each trade, and its piece."""
    table = found.trades("BTCUSDT", gaps="split", kinds=None, columns=["trade_id"]).arrow()
    return [(int(row["trade_id"]), row["piece"]) for row in table.to_pylist()]


def test_a_gap_placed_by_time_is_marked_where_it_is_though_a_row_came_late(tmp_path: Path) -> None:
    """Trades 6 and 7 are missing; 3 came by a slower line, after the gap."""
    budget = gap(0, 0, kind="budget", expected_id=None, actual_id=None)._replace(
        started_at=NOON_US + 5_500_000, ended_at=NOON_US + 7_500_000
    )
    found = received_at({1: 1, 2: 2, 3: 8.5, 4: 4, 5: 5, 8: 8, 9: 9}, tmp_path, budget)
    assert pieces(found) == [(1, 0), (2, 0), (3, 1), (4, 2), (5, 2), (8, 3), (9, 3)]


def test_each_row_within_a_gap_that_no_ids_place_is_marked(tmp_path: Path) -> None:
    damaged = gap(2, 6, kind="damaged", expected_id=None, actual_id=None)
    found = received_at({1: 1, 2: 2, 4: 4, 5: 5, 6: 6, 7: 7}, tmp_path, damaged)
    assert pieces(found) == [(1, 0), (2, 0), (4, 1), (5, 2), (6, 3), (7, 3)]


def test_each_row_since_a_gap_that_lasts_is_marked(tmp_path: Path) -> None:
    lasting = gap(2, None, kind="damaged", expected_id=None, actual_id=None)
    found = received_at({1: 1, 2: 2, 4: 4, 5: 5}, tmp_path, lasting)
    assert pieces(found) == [(1, 0), (2, 0), (4, 1), (5, 2)]


def stretch(first: int, behind: int, ended_s: int | None, series: int = 0) -> Gap:
    """The row of many holes: the first missing id, and the one behind the last of those it tells of."""
    made = gap(first - 1, ended_s, expected_id=str(first), actual_id=str(behind), missing=None)
    stream = StreamKey("binance", "BTCUSDT", "trade")
    return made._replace(gap_id=gap_id(stream, series, "sequence", str(first), made.started_at))


def test_every_hole_of_a_gap_of_many_is_marked(tmp_path: Path) -> None:
    """3, 4, 7 and 8 are missing."""
    found = received_at({id_: id_ for id_ in (1, 2, 5, 6, 9, 10, 12)}, tmp_path, stretch(3, 9, 9))
    assert pieces(found) == [(1, 0), (2, 0), (5, 1), (6, 1), (9, 2), (10, 2), (12, 2)]


def test_every_hole_since_a_gap_that_lasts_is_marked(tmp_path: Path) -> None:
    """Holes behind the row's last id have joined it since it was written."""
    found = received_at({id_: id_ for id_ in (1, 2, 5, 6, 9, 10, 12)}, tmp_path, stretch(3, 9, None))
    assert pieces(found) == [(1, 0), (2, 0), (5, 1), (6, 1), (9, 2), (10, 2), (12, 3)]


def test_a_mark_at_a_trade_that_is_left_out_is_at_the_next_one(tmp_path: Path) -> None:
    kinds = {1: "market", 2: "market", 5: "block", 6: "market", 7: "block", 9: "market"}
    table = pa.table({"received_at": pa.array([NOON_US + id_ * 1_000_000 for id_ in kinds]), "line": [0] * 6,
                      "series": [0] * 6, "trade_id": [str(id_) for id_ in kinds], "kind": list(kinds.values())})  # fmt: skip
    marker = Marker("split", StreamKey("binance", "BTCUSDT", "trade"), ("trade_id",))
    marker.add([LedgerRow("binance", "BTCUSDT", stretch(3, 9, 9))])
    parts = [table.slice(0, 3), table.slice(3)]
    found = pa.concat_tables([marker.marked(part, pc.equal(part["kind"], "market")) for part in parts])
    assert list(zip(found["trade_id"].to_pylist(), found["piece"].to_pylist(), strict=True)) == [
        ("1", 0), ("2", 0), ("6", 1), ("9", 2),
    ]  # fmt: skip


@pytest.mark.parametrize("ended_at", [NOON_US + 9, None], ids=["over", "lasting"])
def test_where_a_change_names_the_one_before_each_hole_is_marked_too(ended_at: int | None) -> None:
    """Changes between 9 and 15, and between 22 and 29, are missing."""
    before = {4: 1, 9: 4, 18: 15, 22: 18, 33: 29, 36: 33}
    stream = StreamKey("deribit", "BTC-PERPETUAL", "book_delta")
    made = make_gap(stream_type="book_delta", expected_id="9", actual_id="29", missing=None, ended_at=ended_at)
    table = pa.table({"received_at": [NOON_US + place for place in range(6)], "line": [0] * 6, "series": [0] * 6,
                      "first_id": pa.nulls(6, pa.int64()), "last_id": list(before), "previous_id": list(before.values())})  # fmt: skip
    marker = Marker("split", stream, ("last_id",))
    made = made._replace(gap_id=gap_id(stream, 0, "sequence", "9", made.started_at))
    marker.add([LedgerRow(stream.exchange, stream.symbol, made)])
    assert marker.marked(table)["piece"].to_pylist() == [0, 0, 1, 1, 2, 2]


def test_what_repaired_a_gap_stands_in_its_place(tmp_path: Path) -> None:
    """It was received an hour later, so a window of the gap reads later files, too."""
    store = DirectoryStore(tmp_path / "archive")
    repaired = gap(2, 10, status="repaired", repaired_by="rest")
    archive(store, tmp_path / "a", [message(0, id_, trade(id_)) for id_ in (1, 2, 10, 11)], segment_id=IDS[0],
            gaps=[("toy", "BTC/USD", repaired)])  # fmt: skip
    late = [message(0, id_, trade(id_), line=-1, received_us=NOON_US + HOUR_US, exchange_us=NOON_US + id_ * 1_000_000)
            for id_ in range(3, 10)]  # fmt: skip
    archive(store, tmp_path / "b", [*late, message(0, 4_000, trade(4_000))], segment_id=IDS[1], previous_segment=IDS[0])
    found = collector.read.open(tmp_path / "archive")
    window = found.trades("BTC/USD", NOON_US, NOON_US + 60_000_000)
    assert sorted(map(int, window.arrow()["trade_id"].to_pylist())) == [1, 2, *range(3, 10), 10, 11]


def test_a_segment_that_is_not_in_the_archive_is_a_gap(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "archive")
    archive(store, tmp_path / "a", [message(0, 1, trade(1))], segment_id=IDS[2])
    archive(store, tmp_path / "b", [message(0, 8_000, trade(8_000))], segment_id=IDS[4], previous_segment=IDS[3])
    trades = collector.read.open(tmp_path / "archive").trades("BTC/USD")
    (absent,) = [row.gap for row in trades.gaps]
    assert (absent.kind, absent.status, absent.missing) == ("not_archived", "open", None)
    with pytest.raises(GapError, match="not_archived"):
        trades.arrow()


def test_what_was_pruned_is_a_gap(tmp_path: Path) -> None:
    store = DeletingDirectoryStore(tmp_path / "archive")
    old_archive.fill(store, tmp_path / "made")
    old_archive.pruned(store)
    found = collector.read.open(tmp_path / "archive")
    trades = found.trades("BTC/USD", old_archive.SECOND, host="host-1")
    assert {(row.gap.kind, row.gap.missing) for row in trades.gaps} == {("pruned", 2), ("pruned", 4)}
    with pytest.raises(GapError, match="pruned"):
        trades.arrow()
    left = found.trades("BTC/USD", host="host-1")
    assert (left.gaps, left.arrow()["trade_id"].to_pylist()) == ([], ["30", "31", "35", "36"])
    table = found.streams().to_pylist()
    assert [(row["data_type"], row["rows"], row["state"]) for row in table] == [
        ("book_delta", 4, "archived"),
        ("trade", 4, "archived"),
    ]


def test_messages_that_have_no_row_are_a_gap_before_the_archiver_has_seen_them(
    world: RecordedWorld, frames: list[Frame]
) -> None:
    spoilt = [(at, re.sub(rb'("e":"trade".*),"m":\w+', rb"\1", frame)) for at, frame in frames[200:300]]
    world.receive([*frames[:200], *spoilt, *frames[300:400]])
    world.commit()
    found = collector.read.open(world.data_dir / "archive", data_dir=world.data_dir)
    with pytest.raises(GapError, match="undecodable, cause parse"):
        found.trades("BTCUSDT").arrow()
    marked = found.trades("BTCUSDT", gaps="mark").arrow()
    assert marked["trade_id"].to_pylist() == trade_ids(frames[:200]) + trade_ids(frames[300:400])
    marks = [row["trade_id"] for row in marked.to_pylist() if row["gap_id"]]
    assert marks == trade_ids(frames[300:400])[:1]
    undecoded = found.undecoded("BTCUSDT").arrow()
    assert undecoded.num_rows == len(trade_ids(frames[200:300])) > 0
    before = undecoded.to_pylist()
    world.seal()
    world.archive()
    assert found.undecoded("BTCUSDT").arrow().to_pylist() == before
    with pytest.raises(GapError, match="undecodable, cause parse"):
        found.trades("BTCUSDT").arrow()


@pytest.mark.parametrize("step", ["seal", "commit", "stage_only"])
def test_what_a_data_directory_goes_on_from_is_missed_where_the_archive_is_another(
    world: RecordedWorld, frames: list[Frame], tmp_path: Path, step: str
) -> None:
    """No row is before the gap, but rows were: those of the first segment, which stand in the right archive."""
    world.receive(frames[:1_000])
    world.seal()
    world.archive()
    world.receive(frames[1_000:2_000])
    world.commit() if step == "commit" else world.seal()
    if step == "stage_only":
        world.stage_only()
    assert collector.read.open(data_dir=world.data_dir).trades("BTCUSDT").gaps == []
    found = collector.read.open(tmp_path / "elsewhere", data_dir=world.data_dir)
    with pytest.raises(GapError, match="not_archived"):
        found.trades("BTCUSDT").arrow()
    marked = found.trades("BTCUSDT", gaps="mark").arrow()
    assert marked["trade_id"].to_pylist() == trade_ids(frames[1_000:2_000])
    assert [row["trade_id"] for row in marked.to_pylist() if row["gap_id"]] == trade_ids(frames[1_000:2_000])[:1]
    (first,) = marked["received_at"][:1].to_pylist()
    assert found.trades("BTCUSDT", first).gaps == []


def test_a_hole_of_the_last_seconds_is_a_gap_before_the_ledger_has_it(
    world: RecordedWorld, frames: list[Frame]
) -> None:
    trades = [frame for frame in frames if b"@trade" in frame[1]]
    ids = trade_ids(trades)
    world.receive(trades[:10] + trades[20:60])
    with pytest.raises(KeyboardInterrupt):
        world.run_until_commit()
    found = collector.read.open(data_dir=world.data_dir)
    assert found.gaps("BTCUSDT", status="open").arrow().num_rows == 0
    (pending,) = found.trades("BTCUSDT").gaps
    assert (pending.gap.kind, pending.gap.status, pending.gap.missing) == ("sequence", "open", 10)
    with pytest.raises(GapError, match="sequence, cause exchange, 10 missing"):
        found.trades("BTCUSDT").arrow()
    marked = found.trades("BTCUSDT", gaps="mark").arrow().to_pylist()
    assert [(row["trade_id"], row["gap_id"]) for row in marked if row["gap_id"]] == [(ids[20], pending.gap.gap_id)]
    assert found.trades("BTCUSDT", gaps="split").arrow()["piece"].to_pylist() == [0] * 10 + [1] * (len(marked) - 10)
    world.commit()
    (written,) = found.trades("BTCUSDT").gaps
    assert written.gap.gap_id == pending.gap.gap_id
    assert found.gaps("BTCUSDT", status="open").arrow().num_rows == 1
