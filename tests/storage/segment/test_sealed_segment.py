import os
import resource
import sqlite3
from contextlib import closing
from itertools import chain
from pathlib import Path

import pytest

from collector.domain.errors import DamagedError, NewerDataError, UnreadableError
from collector.domain.records import Gap
from collector.storage.segment.sealed_segment import open_sealed, read_through
from tests.storage.segment.segment_files import (
    NOON_US,
    PREVIOUS_ID,
    SEGMENT_ID,
    TRADES,
    UNKNOWN,
    failed_read,
    make_gap,
    make_segment,
    message,
    trade,
)
from tests.storage.segment.segment_rows import contents, rows_of


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement)
        db.commit()


def test_a_segment_returns_everything_in_the_order_stored(tmp_path: Path) -> None:
    messages = [message(1, 0, b"?"), message(0, 9, trade(9)), message(0, 8, trade(8), exchange_us=None)]
    gaps: list[tuple[str, str, Gap]] = [("toy", "b", make_gap()), ("toy", "a", make_gap())]
    path = make_segment(tmp_path, [TRADES, UNKNOWN], messages, gaps=gaps, reasons=[(1, "no JSON")])
    with open_sealed(path) as segment:
        assert (segment.meta.segment_id, segment.meta.previous_segment) == (SEGMENT_ID, PREVIOUS_ID)
        assert (segment.meta.opened_at, segment.meta.keep_raw, segment.meta.compression_level) == (NOON_US, False, 3)
        assert {number: (stream.key, stream.has_ids) for number, stream in segment.streams.items()} == {
            0: (TRADES, True),
            1: (UNKNOWN, False),
        }
        assert [(row[0], row[1], row[3], row[5]) for row in rows_of(chain.from_iterable(contents(segment)))] == [
            (1, 1, 0, NOON_US - 1_000),
            (2, 0, 9, NOON_US + 8_999_000),
            (3, 0, 8, None),
        ]
        assert list(segment.gaps()) == [("toy", "b", 1, *make_gap()), ("toy", "a", 2, *make_gap())]
        assert (segment.reason(1), segment.reason(2)) == ("no JSON", None)


def test_reading_leaves_no_files_beside_the_segment(tmp_path: Path) -> None:
    path = make_segment(tmp_path, [TRADES], [message(0, 1, trade(1))])
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
    path.chmod(0o400)
    with open_sealed(path) as segment:
        assert len(contents(segment)) == 1
        assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_the_first_segment_has_no_previous_one(tmp_path: Path) -> None:
    with open_sealed(make_segment(tmp_path, [], [], previous_segment="")) as segment:
        assert segment.meta.previous_segment is None


def test_a_segment_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = make_segment(tmp_path, [], [])
    change(path, "PRAGMA user_version = 99")
    with (
        pytest.raises(NewerDataError, match="version 99, this program knows 2: use the newer program"),
        open_sealed(path),
    ):
        pass


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_not_a_segment_is_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / f"{SEGMENT_ID}.db"
    path.write_bytes(content)
    with pytest.raises(DamagedError, match=SEGMENT_ID), open_sealed(path):
        pass


def test_damage_found_while_reading_is_damage(tmp_path: Path) -> None:
    path = make_segment(tmp_path, [TRADES], [message(0, number, trade(number)) for number in range(2_000)])
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = b"\xff" * (len(content) - len(content) // 2)
    path.write_bytes(content)
    with pytest.raises(DamagedError), open_sealed(path) as segment:
        contents(segment)


def test_text_that_is_not_utf_8_is_damage(tmp_path: Path) -> None:
    path = make_segment(tmp_path, [TRADES], [], gaps=[("toy", "BTC/USD", make_gap())])
    path.write_bytes(path.read_bytes().replace(b"disconnect", b"\xff" * 10))
    with pytest.raises(DamagedError, match="UTF-8"), open_sealed(path) as segment:
        list(segment.gaps())


def test_a_file_the_system_refuses_to_open_is_not_damaged(tmp_path: Path) -> None:
    path = make_segment(tmp_path, [TRADES], [message(0, 1, trade(1))])
    aside = path.rename(tmp_path / "aside")
    with pytest.raises(UnreadableError, match=f"{SEGMENT_ID}.*unable to open"), open_sealed(path):
        pass
    path.mkdir()
    with pytest.raises(UnreadableError, match="disk I/O error"), open_sealed(path):
        pass
    path.rmdir()
    aside.rename(path)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
    try:
        with pytest.raises(UnreadableError, match="unable to open"), open_sealed(path):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    read_through(path, lambda: None)


@pytest.mark.parametrize("error", [failed_read(), MemoryError()], ids=["failed read", "no memory"])
def test_a_temporary_read_error_is_not_damage(tmp_path: Path, error: Exception) -> None:
    path = make_segment(tmp_path, [TRADES], [message(0, 1, trade(1))])
    with pytest.raises(UnreadableError, match=f"{SEGMENT_ID}.*(disk I/O|MemoryError)"), open_sealed(path):
        raise error


def test_a_segment_under_another_name_is_damaged(tmp_path: Path) -> None:
    path = make_segment(tmp_path, [], [])
    other = path.rename(tmp_path / "20261123T120000Z-ffffff.db")
    with pytest.raises(DamagedError, match=SEGMENT_ID), open_sealed(other):
        pass


@pytest.mark.parametrize(
    "statement", ["DELETE FROM meta WHERE key = 'host'", "UPDATE meta SET value = 'noon' WHERE key = 'sealed_at'"]
)
def test_invalid_meta_is_damage(tmp_path: Path, statement: str) -> None:
    path = make_segment(tmp_path, [], [])
    change(path, statement)
    with pytest.raises(DamagedError, match="meta"), open_sealed(path):
        pass


def test_a_folder_name_may_hold_characters_reserved_in_urls(tmp_path: Path) -> None:
    path = make_segment(tmp_path / "a?b#c%41 d", [TRADES], [message(0, 1, trade(1))])
    with open_sealed(path) as segment:
        assert len(contents(segment)) == 1
