"""Segments of several formats: what an older one lacks is empty, what one of its own format lacks is damage."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from collector.domain.errors import DamagedError, NewerDataError
from collector.storage.segment import file_format
from collector.storage.segment.positions_file import PositionsFile, read_positions_file, write_positions_file
from collector.storage.segment.seal import create_segment, open_segment
from collector.storage.segment.sealed_segment import open_sealed
from collector.storage.segment.state import EMPTY_STATE, SegmentState, StreamRow
from tests.storage.segment.segment_files import TRADES, make_segment, message, trade

META = {"segment_id": "20260101T000000Z-000001", "previous_segment": "", "host": "h", "opened_at": "1"}
STREAM = StreamRow(1, "binance", "BTCUSDT", "trade", "binance", "dense", b"state")


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


def first(folder: Path, state: SegmentState = EMPTY_STATE) -> Path:
    path = folder / f"{META['segment_id']}.open.db"
    create_segment(path, META, state)
    return path


def test_a_table_missing_from_its_own_format_is_damage(tmp_path: Path) -> None:
    path = make_segment(tmp_path, [TRADES], [message(0, 1, trade(1))])
    change(path, "DROP TABLE reasons")
    with pytest.raises(DamagedError, match="no such table: reasons"), open_sealed(path) as segment:
        segment.reason(1)


@pytest.mark.parametrize(
    "table",
    [table.name for table in file_format.TABLES if file_format.has_table(table.name, file_format.SEGMENT_VERSION)],
)
def test_an_open_segment_without_a_table_of_its_format_is_damaged(tmp_path: Path, table: str) -> None:
    change(first(tmp_path), f"DROP TABLE {table}")
    with pytest.raises(DamagedError):
        open_segment(tmp_path)


def test_a_file_without_a_format_is_not_a_segment(tmp_path: Path) -> None:
    change(first(tmp_path), "PRAGMA user_version=0")
    with pytest.raises(DamagedError, match="its version is 0"):
        open_segment(tmp_path)


def test_state_without_a_version_is_version_1(tmp_path: Path) -> None:
    path = first(tmp_path)
    change(path, "DELETE FROM meta WHERE key='state_version'")
    segment = open_segment(tmp_path)
    assert segment is not None
    assert segment.load().version == 1
    segment.replace_state(SegmentState({}, [STREAM], {1: b"ids"}, {"f": b"feed"}))
    segment.close()
    again = open_segment(tmp_path)
    assert again is not None
    assert again.load() == SegmentState({}, [STREAM], {1: b"ids"}, {"f": b"feed"}, file_format.STATE_VERSION)
    again.close()


@pytest.mark.parametrize("version", ["x", "-1", "٣"])
def test_state_with_an_invalid_version_is_damage(tmp_path: Path, version: str) -> None:
    change(first(tmp_path), f"UPDATE meta SET value='{version}' WHERE key='state_version'")
    with pytest.raises(DamagedError, match="has state of version"):
        open_segment(tmp_path)


def test_state_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    change(first(tmp_path), "UPDATE meta SET value='99' WHERE key='state_version'")
    with pytest.raises(NewerDataError, match=r"the state in .* is of version 99"):
        open_segment(tmp_path)


def test_the_positions_file_holds_its_and_the_states_version(tmp_path: Path) -> None:
    of_form_1 = SegmentState({}, [], {}, {}, 1)
    for state in (EMPTY_STATE, of_form_1):
        write_positions_file(tmp_path, PositionsFile("a", "b", state))
        assert read_positions_file(tmp_path).state == state
    path = tmp_path / "positions.json"
    path.write_bytes(path.read_bytes().replace(b',"version":1,"state_version":1', b""))
    assert b"version" not in path.read_bytes()
    assert read_positions_file(tmp_path) == PositionsFile("a", "b", of_form_1)


@pytest.mark.parametrize("name", ["version", "state_version"])
def test_a_newer_positions_file_is_refused_whatever_it_holds(tmp_path: Path, name: str) -> None:
    (tmp_path / "positions.json").write_text(f'{{"{name}": 99, "streams": "elsewhere"}}', "utf-8")
    with pytest.raises(NewerDataError, match="version 99"):
        read_positions_file(tmp_path)
