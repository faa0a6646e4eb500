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
from tests.storage.segment.segment_rows import contents

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
        assert segment.rows == len(contents(segment)) == 0
        gaps = [(exchange, symbol, Gap(*gap)) for exchange, symbol, _, *gap in segment.gaps()]
        return segment.meta, [(StreamKey(exchange, symbol, gap.stream_type), gap) for exchange, symbol, gap in gaps]


def damaged(stream: StreamKey, started_us: int = NOON_US, ended_us: int = SEALED_US) -> tuple[StreamKey, Gap]:
    return stream, event_gap(stream, "damaged", "disk", started_us, ended_us, expected_id=SEGMENT_ID)


def of_many_blocks(folder: Path, **given: Any) -> Path:
    """A segment of 300 commits, a block each: odd blocks hold ten trades, even ones two trades, five books, three others."""
    shared = (0, 1, 1, 1, 2, 0, 1, 2, 1, 2)
    stream_ids = [(0,) * 10 if number % 2 else shared for number in range(1, 301)]
    messages = [message(of, id_, trade(id_)) for id_, of in enumerate(of for ids in stream_ids for of in ids)]
    reasons = [(row, f"reason {row}") for row, values in enumerate(messages, 1) if values[0] == 2]
    return make_segment(folder, [TRADES, BOOK, OTHER], messages, reasons=reasons, commit_rows=10, **given)


Salvaged = list[tuple[int, int, int, int, int | None, int, bytes, str | None]]
"""Stream id, series, id, times, line, payload and reason of each message, in order of rows."""


def salvage(path: Path) -> tuple[Salvaged, list[tuple[StreamKey, int | None]]]:
    """The messages that are salvaged, and the streams of the `damaged` rows with how many each says are missing."""
    with open_salvage(path, KNOWN, path.parent / "scratch" / "made") as segment:
        pieces = [piece for block in contents(segment) for piece in block]
        columns = [
            zip(
                piece.rows, piece.ids, piece.received_us, piece.exchange_us, piece.lines, piece.payloads,
                [(piece.stream_id, piece.series)] * len(piece), strict=True,
            )
            for piece in pieces
        ]  # fmt: skip
        messages = sorted(values for piece in columns for values in piece)
        assert [values[0] for values in messages] == list(range(1, segment.rows + 1)), "rows without a hole"
        found = [(*of, *values, segment.reason(row)) for row, *values, of in messages]
        gaps = [(StreamKey(exchange, symbol, gap[1]), Gap(*gap)) for exchange, symbol, _, *gap in segment.gaps()]
    assert list((path.parent / "scratch").iterdir()) == []
    return found, [(stream, gap.missing) for stream, gap in gaps if gap.kind == "damaged"]


def flip(path: Path, block: int) -> None:
    """Flip a bit of a block's text."""
    with closing(sqlite3.connect(path)) as db:
        (payloads,) = db.execute("SELECT payloads FROM blocks WHERE block = ?", (block,)).fetchone()
    content = bytearray(path.read_bytes())
    content[content.index(payloads) + len(payloads) // 2] ^= 4
    path.write_bytes(content)


def leaves(path: Path) -> list[int]:
    """The numbers of the pages that hold nothing but rows of `blocks`."""
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT columns FROM blocks")
        content = path.read_bytes()
        return sorted({content.index(columns) // 4096 for (columns,) in rows})


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


@pytest.mark.parametrize(
    ("block", "lost"), [(101, [(TRADES, 10)]), (100, [(TRADES, 2), (BOOK, 5), (OTHER, 3)])], ids=["own", "shared"]
)
def test_a_flipped_bit_costs_one_block(tmp_path: Path, block: int, lost: list[tuple[StreamKey, int]]) -> None:
    path = of_many_blocks(tmp_path)
    whole, _ = salvage(path)
    assert len(whole) == 3_000
    flip(path, block)
    assert salvage(path) == (whole[: (block - 1) * 10] + whole[block * 10 :], lost)


def test_two_damaged_blocks_of_a_stream_are_counted_together(tmp_path: Path) -> None:
    path = of_many_blocks(tmp_path)
    flip(path, 1)
    flip(path, 300)
    messages, lost = salvage(path)
    assert (len(messages), lost) == (2_980, [(TRADES, 12), (BOOK, 5), (OTHER, 3)])


def test_a_damaged_page_costs_the_blocks_on_it(tmp_path: Path) -> None:
    path = of_many_blocks(tmp_path)
    whole, _ = salvage(path)
    page = leaves(path)[5]
    with path.open("r+b") as file:
        file.seek(page * 4096)
        file.write(b"\xaa" * 4096)
    messages, lost = salvage(path)
    assert 2_500 < len(messages) < 3_000
    assert [values for values in whole if values in set(messages)] == messages
    assert lost == [(TRADES, None), (BOOK, None), (OTHER, None)], "nobody knows whose blocks were there"


def test_messages_are_salvaged_though_nothing_can_tell_what_is_lost(tmp_path: Path) -> None:
    path = of_many_blocks(tmp_path)
    overwrite(path, "block_streams")
    flip(path, 100)
    messages, lost = salvage(path)
    assert (len(messages), lost) == (2_990, [(TRADES, None), (BOOK, None), (OTHER, None)])


def test_no_stream_is_said_to_have_lost_what_is_there(tmp_path: Path) -> None:
    path = of_many_blocks(tmp_path)
    overwrite(path, "meta")
    messages, lost = salvage(path)
    assert (len(messages), lost) == (3_000, [])


def test_messages_of_a_stream_whose_name_is_lost_stay_in_the_file(tmp_path: Path) -> None:
    path = of_many_blocks(tmp_path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE streams SET symbol = '' WHERE stream_id = 1")
        db.commit()
    messages, lost = salvage(path)
    assert ({values[0] for values in messages}, lost) == ({0, 2}, [(TRADES, None), (OTHER, None)])


def test_a_file_with_no_readable_block_is_salvaged_as_without_messages(tmp_path: Path) -> None:
    path = of_many_blocks(tmp_path, gaps=[("toy", "BTC/USD", make_gap())])
    overwrite(path, "blocks")
    assert salvage(path) == ([], [(TRADES, None), (BOOK, None), (OTHER, None)])
    path.write_bytes(os.urandom(100_000))
    assert salvage(path) == ([], [(NOBODY, None)])


def test_a_segment_with_salvaged_messages_is_the_same_each_time(tmp_path: Path) -> None:
    path = of_many_blocks(tmp_path)
    flip(path, 7)

    def made() -> bytes:
        scratch = tmp_path / "made"
        scratch.write_bytes(b"left by a kill")
        with open_salvage(path, KNOWN, scratch):
            return scratch.read_bytes()

    before = path.read_bytes()
    assert made() == made()
    assert path.read_bytes() == before
