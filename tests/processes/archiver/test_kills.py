"""The archiver killed at every step of its protocol, on every store: a second run completes it, nothing goes early."""

import os
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from collector.domain.errors import StoreError
from collector.processes.archiver import finished_sets, segment_replacement, stager
from collector.storage.archive import parquet
from collector.storage.archive.catalog import find_whole
from collector.storage.archive.verify import Verification
from collector.storage.staging import staged_set
from collector.storage.staging.staged_set import is_sound, uploads_of
from collector.storage.store.directory import DirectoryStore
from collector.storage.store.object_store import ObjectStore
from tests.processes.archiver.archiver_harness import IDS, World, in_a_child
from tests.seaweed import Seaweed

Die = Callable[[World], None]
KILLED = 9


@pytest.fixture(params=["folder", "bucket"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], ObjectStore]:
    """Opens the store of the test, in whichever process asks."""
    if request.param == "folder":
        return lambda: DirectoryStore(tmp_path / "archive")
    seaweed: Seaweed = request.getfixturevalue("seaweed")
    bucket = seaweed.new_bucket()
    return lambda: seaweed.store(bucket, "lake")


def expected(folder: Path) -> dict[str, bytes]:
    """What is in the store when nobody is killed."""
    whole = World(folder)
    for number in range(2):
        whole.seal(number)
    whole.run()
    return whole.tree()


def at(owner: Any, name: str, *, nth: int = 0, after: bool = False, only: Callable[..., bool] = lambda *_: True) -> Die:
    """Die before (or after) the n-th call of that function for which `only` is true."""

    def install(_world: World) -> None:
        real, calls = getattr(owner, name), count()

        def deadly(*args: Any, **kwargs: Any) -> Any:
            now = only(*args) and next(calls) == nth
            if now and not after:
                os._exit(KILLED)
            result = real(*args, **kwargs)
            if now:
                os._exit(KILLED)
            return result

        setattr(owner, name, deadly)

    return install


def asked(call: str, *, manifest: bool = False, nth: int = 0) -> Die:
    """Die when the store is asked for the n-th time for that, of an object or of a manifest."""

    def install(world: World) -> None:
        calls = count()

        def before(name: str, key: str) -> None:
            if name == call and key.startswith("_manifest") == manifest and key and next(calls) == nth:
                os._exit(KILLED)

        world.store.before = before

    return install


def becomes_whole(path: Path, _target: object) -> bool:
    return path.name.endswith(".part")


def is_going(path: Path) -> bool:
    return path.name.endswith(".part") and path.is_dir() and any(path.iterdir())


STEPS: dict[str, Die] = {
    "before a segment is staged": at(stager.Stager, "stage"),
    "while its files are made": at(parquet.ParquetFile, "close", nth=1),
    "after its files are made, before the set is whole": at(Path, "rename", only=becomes_whole),
    "after the set is whole": at(Path, "rename", only=becomes_whole, after=True),
    "before the first object is put": asked("put"),
    "after an object is put, before it is confirmed": asked("head", nth=1),
    "after some objects are confirmed": asked("put", nth=2),
    "after all objects are confirmed, before the manifest is put": asked("put", manifest=True),
    "after the manifest is put, before it is confirmed": asked("head", manifest=True),
    "after the manifest is confirmed, before the segment is unlinked": at(finished_sets, "remove_segment"),
    "after the segment is unlinked, before its set goes": at(finished_sets, "remove_set"),
    "while the set goes": at(staged_set, "_remove", only=is_going),
    "after the set is gone": at(finished_sets, "remove_set", after=True),
}

STEPS_OF_AN_OUTAGE: dict[str, Die] = {
    "after the set is whole, before it is durable": at(stager, "make_durable"),
    "after the set is durable, before it is read back": at(stager, "require_equal"),
    "after it is read back, before the segment is unlinked": at(segment_replacement, "remove_segment"),
    "after the segment is unlinked": at(segment_replacement, "remove_segment", after=True),
    "before the next segment is staged": at(stager.Stager, "stage", nth=1),
}


def named(steps: dict[str, Die]) -> list[Any]:
    return [pytest.param(die, id=name) for name, die in steps.items()]


def killed_run(world: World, die: Die) -> None:
    """Run in a process that is on its way to its death."""
    world.store.reopen()
    die(world)
    world.run()


def assert_nothing_is_lost(world: World) -> None:
    """Of each segment the store has all, or its file is there, or a set with every file as it was made."""
    for number in range(2):
        has_segment = (world.segments / f"{IDS[number]}.db").exists()
        folder = world.staging / IDS[number]
        has_set = folder.exists() and all(map(is_sound, uploads_of(folder)))
        assert has_segment or has_set or find_whole(world.store.inner, IDS[number]), IDS[number]


def assert_complete(world: World, tree: dict[str, bytes]) -> None:
    assert world.tree() == tree, "every object once, with its bytes, and no other"
    assert (world.left(), world.sets(), world.waiting()) == ([], [], [])
    assert list(Verification(world.store.inner).findings()) == []
    assert not world.quarantine.exists()


@pytest.mark.parametrize("die", named(STEPS))
def test_after_a_kill_at_any_step_nothing_is_lost(tmp_path: Path, opened: Callable[[], ObjectStore], die: Die) -> None:
    tree, world = expected(tmp_path / "whole"), World(tmp_path / "host", opened)
    for number in range(2):
        world.seal(number)
    assert in_a_child(partial(killed_run, world, die)) == KILLED
    assert_nothing_is_lost(world)
    world.run()
    assert_complete(world, tree)


@pytest.mark.parametrize("die", named(STEPS_OF_AN_OUTAGE))
def test_after_a_kill_while_the_store_is_away_nothing_is_lost(
    tmp_path: Path, opened: Callable[[], ObjectStore], die: Die
) -> None:
    tree, world = expected(tmp_path / "whole"), World(tmp_path / "host", opened)
    for number in range(2):
        world.seal(number)

    def away(_world: World) -> None:
        die(_world)
        _world.store.before = no_route
        _world.stop_when = lambda: _world.left() == []

    assert in_a_child(partial(killed_run, world, away)) == KILLED
    assert_nothing_is_lost(world)
    assert world.tree() == {}
    world.run()
    assert_complete(world, tree)


def no_route(_call: str, _key: str) -> None:
    raise StoreError("no route")


def test_after_kills_at_every_step_of_an_outage_nothing_is_lost(tmp_path: Path) -> None:
    """Each life goes a step further than the one before; the store comes back in the end."""
    tree, world = expected(tmp_path / "whole"), World(tmp_path / "host")
    for number in range(2):
        world.seal(number)
    for die in STEPS_OF_AN_OUTAGE.values():

        def away(_world: World, die: Die = die) -> None:
            die(_world)
            _world.store.before = no_route
            _world.stop_when = lambda: _world.left() == []

        in_a_child(partial(killed_run, world, away))
        assert_nothing_is_lost(world)
    world.run()
    assert_complete(world, tree)
