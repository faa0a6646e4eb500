"""Damaged journals: a row says what is damaged, and the rest is recorded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from collector.config import FeedConfig
from collector.domain.errors import CannotStartError
from collector.storage.journal.files import journal_files, journal_path, next_number
from tests.processes.writer.writer_harness import START_NS, World, trade

SEC_NS = 1_000_000_000
DAMAGED = "SELECT exchange, symbol, stream_type, cause, status FROM gaps WHERE kind = 'damaged'"
SEQUENCE = "SELECT symbol, cause, expected_id, actual_id FROM gaps WHERE kind = 'sequence'"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def path_of(world: World, number: int) -> Path:
    return journal_path(world.config.data_dir / "journal/f", number)


def ids(world: World) -> list[Any]:
    return [row[0] for row in world.query("SELECT id FROM messages ORDER BY id")]


def zeros(data: bytes) -> bytes:
    return bytes(len(data))


def noise(data: bytes) -> bytes:
    return b"\x9e" * len(data)


def one_bit(data: bytes) -> bytes:
    return data[:20] + bytes([data[20] ^ 1]) + data[21:]


spoilt = pytest.mark.parametrize("spoil", [zeros, noise, one_bit])
Spoil = Callable[[bytes], bytes]


@spoilt
def test_a_damaged_head_in_the_middle_is_one_row_and_causes_the_hole(world: World, spoil: Spoil) -> None:
    for number in (1, 2, 3):
        world.journal().append_frames(START_NS, 0, [trade(number)])
    path_of(world, 2).write_bytes(spoil(path_of(world, 2).read_bytes()))
    world.run()
    world.run()
    assert ids(world) == [1, 3]
    assert world.query(DAMAGED) == [("binance", "_", "_", "disk", "unrepairable")]
    assert world.query(SEQUENCE) == [("BTCUSDT", "disk", "2", "3")]


@spoilt
def test_a_damaged_head_of_the_last_file_is_reported_at_the_next_start(world: World, spoil: Spoil) -> None:
    world.journal().append_frames(START_NS, 0, [trade(1)])
    world.journal().append_frames(START_NS, 0, [trade(2)])
    path_of(world, 2).write_bytes(spoil(path_of(world, 2).read_bytes()))
    world.run_for(10)
    assert world.query(DAMAGED) == []
    world.gone = True
    world.run()
    assert world.query(DAMAGED) == [("binance", "_", "_", "disk", "unrepairable")]
    world.journal().append_frames(START_NS, 0, [trade(3)])
    world.run()
    assert ids(world) == [1, 3]
    assert len(world.query(DAMAGED)) == 1
    assert journal_files(world.config.data_dir / "journal/f") == []


@pytest.mark.parametrize("stored_before", [False, True])
def test_a_damaged_head_names_the_exchange_known_from_the_streams(world: World, *, stored_before: bool) -> None:
    if stored_before:
        world.journal().append_frames(START_NS, 0, [trade(1)])
    world.journal().append_frames(START_NS, 0, [trade(2)])
    path_of(world, world._numbers["f"]).write_bytes(bytes(1_000))
    world.config = replace(world.config, feed=(FeedConfig(symbols=("SOLUSDT",), name="g"),))
    world.gone = True
    world.run()
    assert [row[0] for row in world.query(DAMAGED)] == ["binance" if stored_before else "_"]


def restart_ingest(world: World) -> int:
    """Give the next journal the number that ingest would."""
    positions = world.config.data_dir / "segments/positions.json"
    world._numbers["f"] = next_number(world.config.data_dir / "journal/f", positions, "f") - 1
    return world._numbers["f"] + 1


@pytest.mark.parametrize("positions", [None, b"", bytes(9), b"\xff\xfe{", b"{}", b'{"positions": [7]}'])
def test_a_number_given_again_after_positions_were_lost_costs_nothing(world: World, positions: bytes | None) -> None:
    world.journal().append_frames(START_NS, 0, [trade(1)])
    world.gone = True
    world.run()
    kept = world.config.data_dir / "segments/positions.json"
    if positions is None:
        kept.unlink()
    else:
        kept.write_bytes(positions)
    assert restart_ingest(world) == 1
    world.gone = False
    journal = world.journal()
    journal.append_frames(START_NS, 0, [trade(2)])
    world.run_for(world.secs + 10)
    journal.append_frames(START_NS, 0, [trade(3)])
    journal.close()
    world.run()
    world.run()
    assert ids(world) == [1, 2, 3]
    assert journal_files(world.config.data_dir / "journal/f") == []
    assert world.query("SELECT kind FROM gaps") == []


def test_unreadable_positions_are_logged_and_rewritten_by_the_next_seal(world: World) -> None:
    world.journal().append_frames(START_NS, 0, [trade(1)])
    world.run_for(10)
    kept = world.config.data_dir / "segments/positions.json"
    kept.write_bytes(bytes(100))
    assert restart_ingest(world) == 2
    world.run()
    assert world.events.count("positions_unreadable") == 1
    assert ids(world) == [1]
    world.run()
    assert world.events.count("positions_unreadable") == 1


def gone(path: Path) -> None:
    path.unlink()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def cut_in_its_head(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:30])


@pytest.mark.parametrize("stop_before", [False, True])
@pytest.mark.parametrize("harm", [gone, emptied, cut, cut_in_its_head])
def test_a_closed_file_with_lost_bytes_is_one_damaged_row(
    world: World, harm: Callable[[Path], None], *, stop_before: bool
) -> None:
    journal, lost = world.journal(file_bytes=1), 4
    for number in range(1, 7):
        if number == lost - 1 and stop_before:
            world.run_for(world.secs + 10)
        world.now_ns = START_NS + number * SEC_NS
        journal.append_frames(world.now_ns, 0, [trade(number)])
        if number == lost:
            written = journal.number
    harm(path_of(world, written))
    world.run()
    assert ids(world) == [number for number in range(1, 7) if number != lost]
    assert world.query(DAMAGED) == [("binance", "_", "_", "disk", "unrepairable")]
    assert world.query(SEQUENCE) == [("BTCUSDT", "disk", "4", "5")]
    lost_us = (START_NS + lost * SEC_NS) // 1_000
    ((since_us, until_us),) = world.query("SELECT started_at, ended_at FROM gaps WHERE kind = 'damaged'")
    assert since_us <= lost_us <= until_us


def test_incarnations_seals_and_torn_tails_are_no_damage(world: World) -> None:
    for trade_id in range(1, 8):
        world.gone = False
        journal = world.journal(file_bytes=1)
        journal.append_frames(START_NS, 0, [trade(2 * trade_id - 1)])
        journal.append_frames(START_NS, 0, [trade(2 * trade_id)])
        with path_of(world, journal.number).open("ab") as file:
            file.write(b"\xd3JRC")  # killed here
        world._numbers["f"] = journal.number
        if trade_id % 3 == 1:
            world.gone = True
            world.run()
        if trade_id % 3 == 2:
            world._numbers["f"] += 1
            path_of(world, world._numbers["f"]).touch()  # killed there
    world.run()
    assert ids(world) == list(range(1, 15))
    assert world.query(DAMAGED) == []


def test_without_segment_and_positions_the_error_names_the_files(world: World) -> None:
    world.journal().append_frames(START_NS, 0, [trade(1)])
    world.run_for(10)
    kept = world.config.data_dir / "segments/positions.json"
    kept.write_bytes(bytes(100))
    (opened,) = kept.parent.glob("*.open.db")
    opened.write_bytes(b"no database" * 1_000)
    for path in kept.parent.glob("*-wal"):
        path.unlink()
    for _ in range(2):
        with pytest.raises(CannotStartError, match="positions"):
            world.writer()
    kept.unlink()
    world.run()
    assert ids(world) == [1]
