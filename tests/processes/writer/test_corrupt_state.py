"""SQLite does not detect a corrupt byte in a value; the writer then starts again from the last seal and loses nothing."""

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.domain.errors import CannotStartError
from collector.storage.version_check import refuse_newer_data
from tests.processes.writer.writer_harness import START_NS, World, diff, trade

ROT = {
    "a stream's state": "UPDATE streams SET state = x'c1' WHERE data_type = 'trade'",
    "a state cut short": "UPDATE streams SET state = substr(state, 1, 5)",
    "a stream's rule": "UPDATE streams SET id_rule = 'dens'",
    "the newest ids": "INSERT OR REPLACE INTO recents VALUES (1, x'00', 0)",
    "a feed's state": "UPDATE feeds SET state = x'ffff'",
    "a block's stream": "UPDATE blocks SET stream_id = 77",
    "a block's columns": "UPDATE blocks SET columns = substr(columns, 1, 40)",
    "a block's texts": "UPDATE blocks SET payloads = x'28b52ffd00'",
    "columns that are a number": "UPDATE blocks SET columns = 7",
    "texts that are a text": "UPDATE blocks SET payloads = 'text'",
    "a receive time that is a text": "UPDATE blocks SET received_min = 'noon'",
    "a row that is a text": "UPDATE blocks SET first_row = 'one'",
    "an id beyond 64 bits": "INSERT OR REPLACE INTO recents VALUES (1, x'81cfffffffffffffffff01', 0)",
    "an id's time below zero": "INSERT OR REPLACE INTO recents VALUES (1, x'8101ff', 0)",
    "when it was opened": "UPDATE meta SET value = '12x4' WHERE key = 'opened_at'",
    "a lost note": "DELETE FROM meta WHERE key = 'opened_at'",
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One segment is sealed, and the next one's writer is killed after a commit."""
    world = World(tmp_path)
    journal = world.journal()
    journal.append_frames(START_NS, 0, [trade(1)])
    world.run()
    journal.append_frames(START_NS + 1, 0, [trade(number) for number in range(2, 30)])
    journal.append_frames(START_NS + 2, 0, [diff(1, 2)])
    with pytest.raises(KeyboardInterrupt):
        world.run_until_commit()
    return world


def opened(world: World) -> Path:
    (path,) = (world.config.data_dir / "segments").glob("*.open.db")
    return path


@pytest.mark.parametrize("change", ROT.values(), ids=ROT)
def test_corrupt_state_in_the_open_segment_rebuilds_it(world: World, change: str) -> None:
    with sqlite3.connect(opened(world)) as db:
        assert db.execute(change).rowcount > 0
    db.close()
    world.run()
    assert "segment_rebuilt" in world.events
    stored = world.query("SELECT data_type, id FROM messages JOIN streams USING (stream_id)")
    assert sorted(stored) == [("book_delta", 2), *(("trade", number) for number in range(1, 30))]


def test_corrupt_positions_are_logged_while_not_needed(world: World) -> None:
    path = world.config.data_dir / "segments/positions.json"
    content = json.loads(path.read_bytes())
    content["streams"][0][-1] = "wQ=="
    path.write_text(json.dumps(content), "utf-8")
    world.run()
    assert "positions_unreadable" in world.events
    assert len(world.payloads()) == 30


ROTTEN_POSITIONS = (b"", b"no json", b"{}")


@pytest.mark.parametrize("content", ROTTEN_POSITIONS)
def test_without_segment_and_positions_the_error_says_what_to_do(world: World, content: bytes) -> None:
    opened(world).unlink()
    path = world.config.data_dir / "segments/positions.json"
    path.write_bytes(content)
    with pytest.raises(CannotStartError) as refused:
        world.run()
    assert str(path) in str(refused.value)
    assert "move it away" in str(refused.value)
    assert "\n" not in str(refused.value)
    path.rename(path.with_suffix(".away"))
    world.run()
    assert len(world.payloads()) > 1


def test_corrupt_positions_that_are_needed_stop_the_start(world: World) -> None:
    opened(world).unlink()
    path = world.config.data_dir / "segments/positions.json"
    content = json.loads(path.read_bytes())
    content["streams"][0][-1] = "wQ=="
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(CannotStartError, match=r"positions\.json"):
        world.run()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_positions_that_are_not_a_file_are_reported_at_the_start(world: World, make: Callable[[Path], None]) -> None:
    path = world.config.data_dir / "segments/positions.json"
    path.unlink()
    make(path)
    refuse_newer_data(world.config.data_dir)
    with pytest.raises(CannotStartError, match="is not a regular file; move it away"):
        world.run()
