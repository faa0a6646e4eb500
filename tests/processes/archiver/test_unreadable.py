"""Segments that the system does not give for a while: they wait alone, and nothing is said to be damaged."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from collector.processes.archiver import stager
from collector.storage.segment.attempts import Attempts, Begun
from collector.storage.segment.sealed_blocks import SealedBlocks
from collector.storage.staging.staged_set import require_equal
from tests.processes.archiver.archiver_harness import IDS, World, manifest_ids
from tests.processes.archiver.test_outage import assert_complete, expected, no_route, seal_all
from tests.storage.segment.segment_files import failed_read


class Withheld:
    """A segment that the system does not let anybody read."""

    def __init__(self, world: World, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = world.segments / f"{IDS[number]}.db"
        self.is_held = True
        real = sqlite3.connect

        def connect(database: str, **options: Any) -> sqlite3.Connection:
            if self.is_held and self.path.as_uri() in database:
                raise failed_read()
            db: sqlite3.Connection = real(database, **options)
            return db

        monkeypatch.setattr(sqlite3, "connect", connect)

    def give_back(self) -> None:
        self.is_held = False


@pytest.fixture
def world(tmp_path: Path) -> World:
    return seal_all(World(tmp_path / "host"))


def assert_nothing_was_blamed(world: World) -> None:
    assert (world.heard("segment_failed"), world.heard("segment_quarantined")) == ([], [])
    assert not world.quarantine.exists()


def test_a_segment_that_cannot_be_read_waits_alone_until_it_can(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    withheld = Withheld(world, 1, monkeypatch)
    archived_before: list[str] = []

    def fix() -> None:
        if world.secs > 600:
            archived_before.extend(manifest_ids(world.tree()) if withheld.is_held else ())
            withheld.give_back()

    world.on_wait = fix
    world.stop_when = lambda: world.waiting() == []
    world.run()
    assert archived_before == [IDS[0], *IDS[2:]]
    (line,) = world.heard("archiving_held_up")
    assert IDS[1] in line["error"]
    assert line["error"] in {report.last_error for report in world.reports}
    assert world.reports[-1].last_error is None
    assert_nothing_was_blamed(world)
    assert_complete(world, expected(tmp_path / "whole"))


def test_a_segment_that_cannot_be_read_at_a_stop_stays(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    withheld = Withheld(world, 1, monkeypatch)
    world.run()
    assert world.left() == [withheld.path.name]
    assert [entry["segments"] for entry in world.heard("segments_left_waiting")] == [1]
    assert_nothing_was_blamed(world)
    withheld.give_back()
    world.run()
    assert_complete(world, expected(tmp_path / "whole"))


def test_a_read_that_fails_half_way_counts_no_failure(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = SealedBlocks.require_whole, iter(range(9))

    def require_whole(blocks: SealedBlocks) -> None:
        if blocks.name == f"{IDS[1]}.db" and next(failures, None) is not None:
            assert Begun(world.staging).found() == [IDS[1]], "it may kill the process"
            raise failed_read()
        real(blocks)

    monkeypatch.setattr(SealedBlocks, "require_whole", require_whole)
    world.stop_when = lambda: world.waiting() == []
    world.run()
    assert next(failures, None) is None
    assert_nothing_was_blamed(world)
    assert_complete(world, expected(tmp_path / "whole"))


def test_an_unreadable_segment_is_not_quarantined(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    withheld = Withheld(world, 1, monkeypatch)
    Attempts(withheld.path).note(3)
    world.run()
    assert world.left() == [f"{IDS[1]}.3.failures", withheld.path.name]
    assert manifest_ids(world.tree()) == [IDS[0], *IDS[2:]], "nobody was told that it is damaged"
    assert_nothing_was_blamed(world)
    withheld.give_back()
    world.run()
    assert [path.name for path in world.quarantine.iterdir()] == [withheld.path.name]


def test_a_set_stays_while_its_segment_cannot_be_read(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = require_equal, iter(range(3))

    def compare(*given: Any) -> None:
        if next(failures, None) is not None:
            raise failed_read()
        real(*given)

    monkeypatch.setattr(stager, "require_equal", compare)
    world.store.before = no_route
    world.stop_when = lambda: world.left() == []
    world.run()
    assert len(world.heard("segment_not_replaced")) == 3
    assert sorted(entry["segment"] for entry in world.heard("segment_replaced")) == IDS
    world.store.before = lambda _call, _key: None
    world.run()
    assert_nothing_was_blamed(world)
    assert_complete(world, expected(tmp_path / "whole"))


def test_a_segment_that_somebody_removes_is_forgotten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    withheld = Withheld(world, 1, monkeypatch)

    def take_away() -> None:
        if world.secs > 100 and withheld.path.exists():
            withheld.path.unlink()

    world.on_wait = take_away
    world.stop_when = lambda: world.waiting() == [] and world.secs > 600
    world.run()
    assert (world.reports[-1].last_error, world.reports[-1].backlog_segments) == (None, 0)
    assert_nothing_was_blamed(world)
