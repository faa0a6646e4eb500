"""Copies of what went to a bucket: whole or not there at all, for so many days, and first to go where the disk is short."""

import errno
import os
import shutil
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from collector.domain.names import time_us
from collector.processes.archiver import finished_sets, process
from collector.storage.archive.verify import Verification
from collector.storage.durable import sync_disk
from collector.storage.staging import local_archive
from collector.storage.staging.local_archive import UNFINISHED
from collector.storage.staging.staged_set import remove_set
from collector.storage.store.directory import DirectoryStore
from collector.storage.store.object_store import ObjectStore
from tests.processes.archiver.archiver_harness import IDS, World, in_a_child
from tests.processes.archiver.test_kills import KILLED, Die, assert_nothing_is_lost, at, killed_run, named
from tests.seaweed import Seaweed

DAY_US = 86_400_000_000
NEXT_DAY_ID = "20261124T120000Z-4f2a9c"


@pytest.fixture
def opened(seaweed: Seaweed, bucket: str) -> Callable[[], ObjectStore]:
    return lambda: seaweed.store(bucket, "lake")


@pytest.fixture
def world(tmp_path: Path, opened: Callable[[], ObjectStore]) -> World:
    """A recorder that keeps copies for two days, on the day of its segments."""
    world = World(tmp_path / "host", opened, local_days=2)
    world.now_us = lambda: time_us("2026-11-23T13:00:00Z")
    return world


def local(world: World) -> Path:
    return world.config.data_dir / "local"


def copies(world: World) -> dict[str, bytes]:
    """Every file that a reader of the copies may find."""
    store = DirectoryStore(local(world))
    return {key: store.read(key) or b"" for key in store.keys("") if not key.startswith("_incoming")}


def assert_no_copy_is_half(world: World) -> None:
    """A manifest among the copies has all its objects."""
    assert {finding.kind for finding in Verification(DirectoryStore(local(world))).findings()} <= {"orphan", "hole"}


def later(world: World, days: int) -> None:
    now_us = world.now_us()
    world.now_us = lambda: now_us + days * DAY_US


def test_what_went_to_the_bucket_is_kept_under_the_same_keys(world: World) -> None:
    for number in range(2):
        world.seal(number)
    world.run()
    assert copies(world) == world.tree()
    assert list(Verification(DirectoryStore(local(world))).findings()) == []
    assert (world.left(), world.sets()) == ([], [])


def test_the_report_says_how_much_room_the_copies_would_give_back(world: World) -> None:
    for number in range(2):
        world.seal(number)
    world.run()
    objects = sum(len(content) for key, content in copies(world).items() if key.endswith(".parquet"))
    assert world.reports[-1].local_bytes == objects > 0
    world.run()
    assert world.reports[-1].local_bytes == objects, "also in a new process"
    later(world, 3)
    world.run()
    assert world.reports[-1].local_bytes == 0


def test_copies_that_somebody_removed_count_as_no_room(world: World) -> None:
    world.seal(0)
    world.run()
    assert world.reports[-1].local_bytes > 0

    def by_hand() -> None:
        shutil.rmtree(local(world) / "_manifest", ignore_errors=True)

    looks = iter(range(5))
    world.haste, world.on_wait, world.stop_when = 10.0, by_hand, lambda: next(looks, None) is None
    world.run()
    assert world.reports[-1].local_bytes == 0


def test_a_copy_takes_no_room_twice(world: World) -> None:
    """It is the staged file itself, by another name."""
    links: list[int] = []

    def counting(folder: Path) -> None:
        links.extend(path.stat().st_nlink for path in folder.glob("*.parquet"))
        remove_set(folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finished_sets, "remove_set", counting)
        world.seal(0)
        world.run()
    assert links
    assert set(links) == {2}


def test_a_copy_is_durable_before_it_counts_as_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []

    def looking(folder: Path) -> None:
        sync_disk(folder)
        seen.append((len(list(folder.rglob("*.parquet"))), len(list(folder.glob("_manifest/*/*.json")))))

    monkeypatch.setattr(local_archive, "sync_disk", looking)
    world.seal(0)
    world.run()
    assert seen == [(3, 0)]
    assert len(copies(world)) == 4


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM])
def test_where_files_cannot_be_linked_they_are_copied(world: World, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refusing(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refusing)
    world.seal(0)
    world.run()
    assert copies(world) == world.tree()


def test_without_days_no_copies_are_made_and_the_folder_is_left_alone(
    tmp_path: Path, opened: Callable[[], ObjectStore]
) -> None:
    world = World(tmp_path / "host", opened)
    local(world).mkdir(parents=True)
    (local(world) / "mine").write_bytes(b"mine")
    world.seal(0)
    world.run()
    assert [path.name for path in local(world).rglob("*")] == ["mine"]


def test_a_folder_with_files_of_somebody_else_is_refused_and_left_alone(world: World) -> None:
    local(world).mkdir(parents=True)
    (local(world) / "mine").write_bytes(b"mine")
    later(world, 100)
    world.seal(0)
    world.run()
    assert [path.name for path in local(world).rglob("*")] == ["mine"]
    assert [event["folder"] for event in world.heard("local_copies_refused")] == [str(local(world))]
    assert world.waiting() == []


def test_copies_stay_for_so_many_whole_days(world: World) -> None:
    world.seal(0)
    world.run()
    later(world, 2)
    world.run()
    assert copies(world) == world.tree()
    later(world, 1)
    world.run()
    assert copies(world) == {}
    assert [path.name for path in local(world).rglob("*") if path.is_file()] == []
    (event,) = world.heard("local_copies_removed")
    assert (event["date"], event["segments"], event["why"]) == ("2026-11-23", 1, "age")
    assert len(world.tree()) == 4, "the bucket keeps everything"


def test_where_the_disk_is_short_the_oldest_copies_go_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.seal(0)
    world.seal(1, segment_id=NEXT_DAY_ID)
    world.run()
    limit = world.config.journal.min_free_bytes
    monkeypatch.setattr(
        process, "free_bytes", lambda _folder: limit * 3 // 2 - len(list(local(world).glob("_manifest/*/*"))) + 1
    )
    world.run()
    assert {key for key in copies(world) if key.startswith("_manifest")} == {
        f"_manifest/date=2026-11-24/host-1-{NEXT_DAY_ID}.json"
    }
    assert [(event["date"], event["why"]) for event in world.heard("local_copies_removed")] == [("2026-11-23", "disk")]


def test_while_the_disk_is_short_no_copy_is_made(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "free_bytes", lambda _folder: world.config.journal.min_free_bytes)
    world.seal(0)
    world.run()
    assert (copies(world), world.waiting()) == ({}, [])


def test_a_disk_that_takes_no_copy_holds_up_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.link, count()

    def full(source: Path, target: Path) -> None:
        if next(calls) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "link", full)
    for number in range(2):
        world.seal(number)
    world.run()
    assert (world.waiting(), world.left(), world.sets()) == ([], [], [])
    (event,) = world.heard("local_copy_failed")
    assert (event["segment"], event["level"]) == (IDS[0], "warning")
    assert "No space left" in event["error"]
    kept = [key for key in world.tree() if IDS[1] in key]
    assert list(copies(world)) == kept, "what was half made is gone, and the next copy is whole"


def goes_to_unfinished(path: Path, target: Path) -> bool:
    return "_manifest" in path.parts and UNFINISHED in target.parts


def becomes_whole(path: Path, target: Path) -> bool:
    return UNFINISHED in path.parts and "_manifest" in target.parts


MAKING: dict[str, Die] = {
    "before the copy is begun": at(local_archive, "write_durably"),
    "after it is begun": at(local_archive, "write_durably", after=True),
    "after its first file": at(os, "link", after=True),
    "before its last file": at(os, "link", nth=2),
    "before it becomes whole": at(Path, "replace", only=becomes_whole),
    "after it became whole, before the segment is unlinked": at(Path, "replace", only=becomes_whole, after=True),
    "after the segment is unlinked": at(finished_sets, "remove_segment", after=True),
}


@pytest.mark.parametrize("die", named(MAKING))
def test_after_a_kill_while_a_copy_is_made_none_is_half_and_all_come(
    world: World, opened: Callable[[], ObjectStore], die: Die
) -> None:
    for number in range(2):
        world.seal(number)
    assert in_a_child(partial(killed_run, world, die)) == KILLED
    assert_no_copy_is_half(world)
    assert_nothing_is_lost(world)
    world.run()
    assert copies(world) == world.tree()
    assert list(Verification(world.store.inner).findings()) == []
    assert list((local(world) / UNFINISHED).iterdir()) == []


def test_a_folder_that_cannot_be_made_is_said_once_and_holds_up_nothing(world: World) -> None:
    local(world).parent.mkdir(parents=True)
    local(world).write_bytes(b"a file")
    for number in range(2):
        world.seal(number)
    looks = iter(range(50))
    world.haste = 10.0
    world.stop_when = lambda: next(looks, None) is None
    world.run()
    assert (world.waiting(), local(world).read_bytes()) == ([], b"a file")
    assert len(world.heard("local_copy_failed")) == 1


def is_a_copy(path: Path, *_: object) -> bool:
    return "local" in path.parts and path.suffix == ".parquet"


def is_unfinished(path: Path, *_: object) -> bool:
    return UNFINISHED in path.parts


def unlinks(only: Callable[..., bool], *, nth: int = 0, after: bool = False) -> Die:
    return at(Path, "unlink", nth=nth, after=after, only=only)


REMOVING: dict[str, Die] = {
    "before the first copy goes": at(Path, "replace", only=goes_to_unfinished),
    "after its manifest is set aside": at(Path, "replace", only=goes_to_unfinished, after=True),
    "after its first file": unlinks(is_a_copy, after=True),
    "before its last file": unlinks(is_a_copy, nth=2),
    "before its manifest goes": unlinks(is_unfinished),
    "after it is gone": unlinks(is_unfinished, after=True),
}


@pytest.mark.parametrize("die", named(REMOVING))
def test_after_a_kill_while_old_copies_go_the_next_run_removes_the_rest(world: World, die: Die) -> None:
    for number in range(2):
        world.seal(number)
    world.run()
    whole = world.tree()
    later(world, 3)
    assert in_a_child(partial(killed_run, world, die)) == KILLED
    assert_no_copy_is_half(world)
    world.run()
    assert copies(world) == {}
    assert [path.name for path in local(world).rglob("*") if path.is_file()] == []
    assert world.tree() == whole


def test_an_unfinished_copy_whose_manifest_is_damaged_is_found_by_its_name(world: World) -> None:
    for number in range(2):
        world.seal(number)
    world.run()
    manifest = local(world) / f"_manifest/date=2026-11-23/host-1-{IDS[0]}.json"
    manifest.write_bytes(b"{")
    manifest.rename(local(world) / UNFINISHED / manifest.name)
    world.run()
    assert list(copies(world)) == [key for key in world.tree() if IDS[1] in key]


def test_a_damaged_manifest_removes_nobody_elses_files(world: World, tmp_path: Path) -> None:
    world.seal(0)
    world.run()
    outside = tmp_path / "host" / "outside.parquet"
    outside.write_bytes(b"mine")
    manifest = local(world) / f"_manifest/date=2026-11-23/host-1-{IDS[0]}.json"
    content = manifest.read_text("utf-8")
    first = content.split('"key": "')[1].split('"')[0]
    manifest.write_text(content.replace(first, "../outside.parquet"), "utf-8")
    later(world, 3)
    world.run()
    assert outside.read_bytes() == b"mine"
    assert list(copies(world)) == [first], "whose it is nobody knows"
