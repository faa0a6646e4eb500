"""Segments whose bytes are not what was written."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from collector.domain.errors import UnreadableError
from collector.domain.gap_stretches import event_gap
from collector.domain.names import gap_id
from collector.domain.records import UNKNOWN, Gap, StreamKey
from collector.storage.segment.sealed_segment import SegmentMeta
from collector.storage.staging.salvage import SalvageContext, open_salvage
from tests.storage.segment.segment_files import (
    BOOK,
    NOON_US,
    PREVIOUS_ID,
    SEGMENT_ID,
    TRADES,
    make_gap,
    make_segment,
    message,
    trade,
)

OTHER = StreamKey("toy", UNKNOWN, "undecoded")
KNOWN = SalvageContext("elsewhere", 7, {})
NOBODY = StreamKey(UNKNOWN, UNKNOWN, UNKNOWN)
SEALED_US = NOON_US + 3_600_000_000


def sealed(folder: Path, **given: Any) -> Path:
    """A segment of many pages, with three streams and a gap."""
    messages = [message(0, id_, trade(id_) * 40) for id_ in range(100)]
    given = {"gaps": [("toy", "BTC/USD", make_gap())], **given}
    return make_segment(folder, [TRADES, BOOK, OTHER], messages, **given)


def remains(path: Path, known: SalvageContext = KNOWN) -> tuple[SegmentMeta, list[tuple[StreamKey, Gap]]]:
    """What is said in the segment's place, its gaps with the stream each concerns."""
    with open_salvage(path, known) as segment:
        assert segment.rows == len(list(segment.contents())) == 0
        gaps = [(exchange, symbol, Gap(*gap)) for exchange, symbol, _, *gap in segment.gaps()]
        return segment.meta, [(StreamKey(exchange, symbol, gap.stream_type), gap) for exchange, symbol, gap in gaps]


def damaged(stream: StreamKey, started_us: int = NOON_US, ended_us: int = SEALED_US) -> tuple[StreamKey, Gap]:
    return stream, event_gap(stream, "damaged", "disk", started_us, ended_us, expected_id=SEGMENT_ID)


def overwrite(path: Path, table: str, content: bytes = b"\xaa") -> None:
    """Make the first page of a table unreadable."""
    with closing(sqlite3.connect(path)) as db:
        page_bytes: int = db.execute("PRAGMA page_size").fetchone()[0]
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * page_bytes)
        file.write(content * (page_bytes // len(content)))


def test_every_listed_stream_gets_a_gap_row_beside_its_old_ones(tmp_path: Path) -> None:
    path = sealed(tmp_path)
    overwrite(path, "blocks")
    meta, gaps = remains(path)
    assert gaps == [(TRADES, make_gap()), damaged(TRADES), damaged(BOOK), damaged(OTHER)]
    assert meta == SegmentMeta(SEGMENT_ID, "host-1", PREVIOUS_ID, NOON_US, SEALED_US, False, 7, meta.collector_version)
    assert gaps[1][1].gap_id == gap_id(TRADES, 0, "damaged", SEGMENT_ID, NOON_US)
    assert gaps[1][1].missing is None


@pytest.mark.parametrize("content", [b"", b"SQLite format 3", os.urandom(100_000)], ids=["empty", "cut", "other bytes"])
def test_a_file_that_is_not_a_database_leaves_one_unnamed_gap_row(tmp_path: Path, content: bytes) -> None:
    path = sealed(tmp_path)
    path.write_bytes(content)
    os.utime(path, (0, SEALED_US // 1_000_000))
    meta, gaps = remains(path)
    assert gaps == [damaged(NOBODY)]
    assert (meta.host, meta.previous_segment) == ("elsewhere", None)
    assert (meta.opened_at, meta.sealed_at) == (NOON_US, SEALED_US), "from its id, and when it was last written to"


def test_a_gap_row_begins_at_the_newest_archived_message(tmp_path: Path) -> None:
    path = sealed(tmp_path, gaps=[])
    known = KNOWN._replace(archived_until_us={TRADES: NOON_US - 7, BOOK: NOON_US + 1, NOBODY: NOON_US - 9})
    _, gaps = remains(path, known)
    assert gaps == [damaged(TRADES, NOON_US - 7), damaged(BOOK), damaged(OTHER, NOON_US - 9)]


@pytest.mark.parametrize("table", ["meta", "streams", "gaps"])
def test_readable_parts_of_a_damaged_file_are_used(tmp_path: Path, table: str) -> None:
    path = sealed(tmp_path)
    overwrite(path, table)
    os.utime(path, (0, SEALED_US // 1_000_000))
    meta, gaps = remains(path)
    streams = [NOBODY] if table == "streams" else [TRADES, BOOK, OTHER]
    assert [gap for gap in gaps if gap[1].kind == "damaged"] == list(map(damaged, streams))
    assert (TRADES, make_gap()) in gaps or table == "gaps"
    assert meta.host == ("elsewhere" if table == "meta" else "host-1")


@pytest.mark.parametrize(
    "meta",
    [
        {"opened_at": "9" * 30},
        {"opened_at": "x"},
        {"opened_at": "-1"},
        {"host": "../up"},
        {"previous_segment": "yesterday"},
        {"sealed_at": "0"},
    ],
)
def test_damaged_meta_is_not_used(tmp_path: Path, meta: dict[str, str]) -> None:
    path = sealed(tmp_path, **meta)
    os.utime(path, (0, SEALED_US // 1_000_000))
    found, gaps = remains(path)
    assert (found.opened_at, found.sealed_at) == (NOON_US, SEALED_US)
    assert found.host == ("elsewhere" if "host" in meta else "host-1")
    assert found.previous_segment == (None if "previous_segment" in meta else PREVIOUS_ID)
    assert damaged(TRADES) in gaps


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE streams SET symbol = CAST(x'ff' AS TEXT) WHERE stream_id = 0",
        "UPDATE streams SET data_type = 'trad' WHERE stream_id = 0",
        "UPDATE streams SET exchange = x'00' WHERE stream_id = 0",
        "UPDATE gaps SET detected_at = 1 << 62",
        "UPDATE gaps SET kind = 'sequenc'",
        "UPDATE gaps SET cause = 'disk_budge'",
        "UPDATE gaps SET status = 'opem'",
        "UPDATE gaps SET missing = 'three'",
        "UPDATE gaps SET line = 1000",
        "UPDATE gaps SET exchange = ''",
    ],
)
def test_damaged_rows_are_left_out(tmp_path: Path, change: str) -> None:
    path = sealed(tmp_path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA ignore_check_constraints = 1")
        db.execute(change)
        db.commit()
    gone = damaged(TRADES) if "streams" in change else (TRADES, make_gap())
    whole = [(TRADES, make_gap()), damaged(TRADES), damaged(BOOK), damaged(OTHER)]
    assert remains(path)[1] == [gap for gap in whole if gap != gone]


def test_salvage_is_repeatable_and_changes_nothing(tmp_path: Path) -> None:
    path = sealed(tmp_path)
    overwrite(path, "blocks")
    before = path.read_bytes()
    assert remains(path) == remains(path)
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [path.name]


def test_a_temporarily_unreadable_file_is_not_salvaged(tmp_path: Path) -> None:
    path = sealed(tmp_path)
    path.rename(tmp_path / "aside")
    with pytest.raises(UnreadableError), open_salvage(path, KNOWN):
        pass
