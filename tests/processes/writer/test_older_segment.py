"""A writer that finds an open segment of format 1 carries its state over and goes on in one of its own format."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from collector.storage.segment import seal as seal_module
from collector.storage.segment.file_format import SEGMENT_VERSION, version_of
from collector.storage.segment.open_segment import OpenSegment
from collector.storage.segment.positions_file import read_positions_file
from collector.storage.segment.seal import sealed_segments
from collector.storage.segment.sealed_segment import open_sealed
from tests.processes.writer.writer_harness import START_NS, World, book, diff, trade
from tests.storage.segment.kills import KilledError, kill_at
from tests.storage.segment.version_1_files import as_version_1


def segments(world: World) -> Path:
    return world.config.data_dir / "segments"


def opened(world: World) -> Path:
    (path,) = segments(world).glob("*.open.db")
    return path


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return version_of(db, path)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Trades 1 to 19, diffs and books are in an open segment of format 1; trade 5 is missing."""
    world = World(tmp_path)
    journal = world.journal()
    journal.append_frames(START_NS, 0, [trade(number) for number in range(1, 20) if number != 5])
    journal.append_frames(START_NS, 0, [diff(1, 2), diff(3, 9), book(7), b"{"])
    with pytest.raises(KeyboardInterrupt):
        world.run_until_commit()
    as_version_1(opened(world))
    return world


def test_it_is_sealed_with_its_rows_and_another_one_goes_on(world: World) -> None:
    older = opened(world).name.removesuffix(".open.db")
    world.journal().append_frames(START_NS + 1, 0, [trade(18), trade(20), trade(5), diff(3, 9), diff(10, 11)])
    world.run()
    (first, second) = sealed_segments(segments(world))
    assert [first.stem, version(first), version(second)] == [older, 1, SEGMENT_VERSION]
    with open_sealed(first) as old, open_sealed(second) as new:
        assert (old.rows, new.rows) == (22, 3)
        assert new.meta.previous_segment == older
    ids = world.query("SELECT id FROM messages JOIN streams USING (stream_id) WHERE data_type = 'trade'")
    assert sorted(row[0] for row in ids) == list(range(1, 21))
    assert (world.numbers.duplicates, world.numbers.late) == (2, 1)


def test_without_rows_it_is_removed_and_the_chain_skips_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.journal().append_frames(START_NS, 0, [trade(1), trade(2)])
    world.run()
    (sealed,) = sealed_segments(segments(world))
    empty = opened(world)
    as_version_1(empty)
    world.journal().append_frames(START_NS + 1, 0, [trade(2), trade(3)])
    world.run()
    assert not empty.exists()
    assert [path.name for path in segments(world).glob(f"{empty.name.partition('.')[0]}*")] == []
    first, second = sealed_segments(segments(world))
    assert first == sealed
    with open_sealed(second) as segment:
        assert segment.meta.previous_segment == sealed.stem
        assert segment.rows == 1
    assert read_positions_file(segments(world)).previous_segment == second.stem


@pytest.mark.parametrize("has_rows", [True, False])
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (seal_module, "store_state"), (seal_module, "draft_positions_file"), (OpenSegment, "checkpoint"),
        (OpenSegment, "close"), (Path, "rename"), (Path, "replace"), (Path, "unlink"),
    ],
)  # fmt: skip
def test_a_kill_while_it_is_left_loses_and_doubles_nothing(
    world: World, owner: object, name: str, *, has_rows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_rows:
        world.run()
        as_version_1(opened(world))
    for call in range(1, 5):
        killed = False
        with monkeypatch.context() as patch:
            kill_at(patch, owner, name, call=call)
            try:
                world.writer()
            except KilledError:
                killed = True
        if not killed:
            break
    world.run()
    trades = world.query("SELECT id FROM messages JOIN streams USING (stream_id) WHERE data_type = 'trade' ORDER BY id")
    assert [row[0] for row in trades] == [number for number in range(1, 20) if number != 5]
    assert len(world.payloads()) == 22
