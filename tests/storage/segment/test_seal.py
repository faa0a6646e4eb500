"""Segments: commits are whole, and sealing hands over without two open segments or none."""

import shutil
import sqlite3
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest

from collector.domain.errors import DamagedError, NewerDataError, SegmentBusyError
from collector.domain.records import Gap
from collector.storage.journal.position import Position
from collector.storage.segment import seal as seal_module
from collector.storage.segment.database import beside
from collector.storage.segment.open_segment import OpenSegment
from collector.storage.segment.positions_file import PositionsFile, read_positions_file
from collector.storage.segment.seal import (
    begin_segment,
    create_segment,
    open_segment,
    quarantine_open_segment,
    seal,
    sealed_segments,
    set_strays_aside,
)
from collector.storage.segment.state import EMPTY_STATE, Commit, SegmentState, StreamRow
from tests.storage.segment.kills import KilledError, kill_at
from tests.storage.segment.segment_files import give_up_at_once
from tests.storage.segment.segment_rows import Row, messages_of, query, rows_of

META = {"host": "h", "keep_raw": "0", "compression_level": "3", "collector_version": "0", "opened_at": "1"}
STREAM = StreamRow(1, "binance", "BTCUSDT", "trade", "binance", "dense", b"state", 1, 101, 1_700_000_000_123_456)
GAP = Gap("g", "trade", "sequence", "unknown", "4", "6", 2, 10, 11, None, "open", None, 12)


def message(row: int) -> Row:
    return (row, 1, 0, 100 + row, 1_700_000_000_123_456, None, 0, b'{"p":"1"}')


def commit(*rows: int, offset: int = 0) -> Commit:
    position = Position("ff", "binance", 1, offset, ended=False)
    stream = STREAM._replace(last_row=max(rows), last_id=100 + max(rows))
    return Commit(messages_of([message(row) for row in rows]), [], [], [stream], {"binance": b"feed"}, [position])


def first(folder: Path) -> OpenSegment:
    meta = {**META, "segment_id": "20260101T000000Z-000001", "previous_segment": ""}
    create_segment(folder / "20260101T000000Z-000001.open.db", meta, EMPTY_STATE)
    segment = open_segment(folder)
    assert segment is not None
    return segment


def count(path: Path) -> int:
    ((rows,),) = query(path, "SELECT count(*) FROM messages")
    return int(rows)


def test_a_commit_stores_rows_state_and_position_together(tmp_path: Path) -> None:
    segment = first(tmp_path)
    segment.store(
        Commit(messages_of([message(1)]), [(1, "why")], [("binance", "_", GAP)], [STREAM], {"binance": b"s"}, [])
    )
    segment.store(commit(2, offset=77))
    segment.close()
    again = open_segment(tmp_path)
    assert again is not None
    assert again.next_row == 3
    assert again.has_rows
    state = again.load()
    assert state.streams == [STREAM._replace(last_row=2, last_id=102)]
    assert state.positions["ff"] == Position("ff", "binance", 1, 77, ended=False)
    assert state.feeds == {"binance": b"feed"}
    stored = rows_of(chain.from_iterable(again.newest(lambda *_: False)))
    assert [row[3] for row in stored] == [101, 102]


def test_a_failed_commit_stores_nothing_and_may_be_tried_again(tmp_path: Path) -> None:
    segment = first(tmp_path)
    segment.store(commit(1, offset=5))
    twice = replace(commit(2, 3, offset=9), reasons=[(2, "why"), (2, "why")])
    with pytest.raises(sqlite3.IntegrityError):
        segment.store(twice)
    assert segment.load().positions["ff"].offset == 5
    segment.store(commit(2, 3, offset=9))
    assert segment.load().positions["ff"].offset == 9


def test_the_snapshots_view_shows_readable_times_and_names(tmp_path: Path) -> None:
    segment = first(tmp_path)
    segment.store(commit(1))
    assert query(segment.path, "SELECT * FROM snapshots") == [
        (1, "binance", "BTCUSDT", "trade", 101, "2023-11-14T22:13:20.123456Z")
    ]


def test_sealing_closes_one_segment_and_opens_the_next_with_its_state(tmp_path: Path) -> None:
    segment = first(tmp_path)
    segment.store(commit(1, 2, offset=50))
    following = seal(segment, "20260101T010000Z-000002", META, segment.load(), 99)
    assert sealed_segments(tmp_path) == [tmp_path / "20260101T000000Z-000001.db"]
    assert following.path.name == "20260101T010000Z-000002.open.db"
    assert (following.has_rows, following.next_row) == (False, 1)
    assert following.meta["previous_segment"] == "20260101T000000Z-000001"
    assert read_positions_file(tmp_path) == PositionsFile(following.segment_id, segment.segment_id, following.load())
    assert not list(tmp_path.glob("*-wal")) or count(sealed_segments(tmp_path)[0]) == 2
    db = sqlite3.connect(f"file:{sealed_segments(tmp_path)[0]}?mode=ro&immutable=1", uri=True)
    assert db.execute("SELECT value FROM meta WHERE key='sealed_at'").fetchone() == ("99",)
    assert db.execute("SELECT sum(rows) FROM blocks").fetchone() == (2,)
    db.close()


def test_a_reader_delays_a_seal_and_breaks_nothing(tmp_path: Path) -> None:
    segment = first(tmp_path)
    segment.store(commit(1))
    reader = sqlite3.connect(f"file:{segment.path}?mode=ro", uri=True)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM blocks").fetchone()
    segment.store(commit(2))
    give_up_at_once(segment)
    with pytest.raises(SegmentBusyError):
        seal(segment, "20260101T010000Z-000002", META, segment.load(), 99)
    assert [p.name for p in tmp_path.glob("*.db")] == ["20260101T000000Z-000001.open.db"]
    segment.store(commit(3))
    reader.close()
    seal(segment, "20260101T010000Z-000002", META, segment.load(), 99)
    assert count(sealed_segments(tmp_path)[0]) == 3


def test_sealing_a_segment_somebody_writes_to_changes_nothing(tmp_path: Path) -> None:
    segment = first(tmp_path)
    segment.store(commit(1))
    foreign = sqlite3.connect(segment.path, isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    give_up_at_once(segment)
    with pytest.raises(SegmentBusyError, match="database is locked"):
        seal(segment, "20260101T010000Z-000002", META, segment.load(), 99)
    assert [p.name for p in tmp_path.glob("*.db*") if p.name.count(".") == 2 and "new" in p.name] == []
    foreign.execute("ROLLBACK")
    foreign.close()
    segment.store(commit(2))
    seal(segment, "20260101T010000Z-000002", META, segment.load(), 99)
    assert count(sealed_segments(tmp_path)[0]) == 2


def test_a_half_made_segment_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    baseline = PositionsFile("", "", EMPTY_STATE)
    with monkeypatch.context() as patch:
        kill_at(patch, seal_module, "store_state", call=1)
        with pytest.raises(KilledError):
            begin_segment(tmp_path, "20260101T000000Z-000001", META, baseline)
    assert open_segment(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    assert begin_segment(tmp_path, "20260101T000000Z-000001", META, baseline).segment_id == "20260101T000000Z-000001"


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [
        (seal_module, "store_state", 1),  # B is half made
        (seal_module, "sync", 1),  # B is made
        (OpenSegment, "set_meta", 1),
        (OpenSegment, "checkpoint", 1),
        (OpenSegment, "close", 1),
        (seal_module, "draft_positions_file", 1),
        (Path, "rename", 1),  # B has not yet its name
        (Path, "rename", 2),  # A is closed, not yet renamed
        (Path, "rename", 3),  # A is sealed, B not yet open
        (Path, "replace", 1),  # B is open, positions.json is A's
        (seal_module, "sync", 2),
    ],
)
def test_after_a_kill_during_a_seal_one_segment_is_open_with_all_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, call: int
) -> None:
    segment = first(tmp_path)
    segment.store(commit(1, 2, offset=50))
    with monkeypatch.context() as patch:
        kill_at(patch, owner, name, call=call)
        with pytest.raises(KilledError):
            seal(segment, "20260101T010000Z-000002", META, segment.load(), 99)
    segment.close()
    again = open_segment(tmp_path)
    assert again is not None
    assert len(list(tmp_path.glob("*.open.db"))) == 1
    assert not list(tmp_path.glob("*.new.db*"))
    assert sum(count(path) for path in [*sealed_segments(tmp_path), again.path]) == 2
    assert again.load().positions["ff"].offset == 50
    if not again.has_rows:
        assert read_positions_file(tmp_path).state == again.load()


def test_a_segment_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    segment = first(tmp_path)
    segment.close()
    db = sqlite3.connect(segment.path)
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(NewerDataError, match="version 99, this program knows 2"):
        open_segment(tmp_path)
    assert segment.path.exists()


def test_without_a_segment_open_segment_is_none(tmp_path: Path) -> None:
    assert open_segment(tmp_path) is None
    assert read_positions_file(tmp_path) == PositionsFile("", "", EMPTY_STATE)
    assert SegmentState({}, [], {}, {}) == EMPTY_STATE


@pytest.mark.parametrize("damage", ["head", "middle", "empty", "text"])
def test_an_unreadable_open_segment_is_damaged(tmp_path: Path, damage: str) -> None:
    segment = first(tmp_path)
    for start in range(1, 400, 20):
        segment.store(commit(*range(start, start + 20)))
    segment.checkpoint()
    segment.close()
    whole = segment.path.read_bytes()
    middle = len(whole) // 2
    segment.path.write_bytes(
        {
            "head": b"\0" * 100 + whole[100:],
            "middle": whole[:middle] + b"\xaa" * 4_096 + whole[middle + 4_096 :],
            "empty": b"",
            "text": b"this is no database, and never was one" * 100,
        }[damage]
    )
    with pytest.raises(DamagedError):
        open_segment(tmp_path)


def test_a_quarantined_open_segment_is_moved_whole(tmp_path: Path) -> None:
    segment = first(tmp_path)
    segment.store(commit(1))
    quarantine = tmp_path / "quarantine"
    assert segment.path.name in quarantine_open_segment(tmp_path, quarantine)
    assert open_segment(tmp_path) is None
    assert count(quarantine / segment.path.name) == 1


def test_a_damaged_positions_file_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "positions.json").write_text("{", "utf-8")
    with pytest.raises(DamagedError):
        read_positions_file(tmp_path)


@pytest.mark.parametrize("stray", ["20251231T235959Z-ffffff", "copy", "20260101T000000Z-000001 (1)"])
def test_only_the_newest_open_segment_stays(tmp_path: Path, stray: str) -> None:
    folder, quarantine = tmp_path / "segments", tmp_path / "quarantine"
    folder.mkdir()
    segment = first(folder)
    segment.store(commit(1, 2))
    kept = {path.name for path in folder.iterdir()}
    for path in beside(segment.path):
        shutil.copy(path, folder / path.name.replace(segment.segment_id, stray))
    names = set_strays_aside(folder, quarantine)
    assert sorted(names) == sorted(f"{stray}.open.db{end}" for end in ("", "-wal", "-shm"))
    assert {path.name for path in folder.iterdir()} == kept
    assert count(quarantine / f"{stray}.open.db") == 2
    assert set_strays_aside(folder, quarantine) == []
    segment.close()
