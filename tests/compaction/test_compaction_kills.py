"""A compaction killed at every step leaves what there was, and the next one makes what it would have made."""

import os
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from collector.compaction.day import Trees
from collector.compaction.survey import Dates
from collector.storage.archive.object_check import differences
from collector.storage.archive.verify import Verification
from collector.storage.store.directory import DirectoryStore
from tests.compaction.compaction_archive import FIRST, SECOND, add_late, compact, counting_manifests, fill
from tests.processes.archiver.archiver_harness import in_a_child
from tests.seaweed import Seaweed

KILLED = 9
ONE_DAY = Dates(FIRST, FIRST)

STEPS: dict[str, tuple[int, bool]] = {
    "before the first file is put": (0, False),
    "after the first file is put": (0, True),
    "before the manifest is put": (3, False),
    "after the manifest is put": (3, True),
}
"""The put at which the process dies, and whether after it. A day of the first host has three files."""


@pytest.fixture
def folders(tmp_path: Path) -> Callable[[], Trees]:
    """Opens both trees, in whichever process asks."""
    return lambda: Trees(DirectoryStore(tmp_path / "archive"), DirectoryStore(tmp_path / "archive-daily"))


def killed_compaction(opened: Callable[[], Trees], nth: int, *, after: bool) -> None:
    trees = opened()
    real, calls = trees.daily.put, count()

    def dying(*arguments: Any) -> None:
        now = next(calls) == nth
        if now and not after:
            os._exit(KILLED)
        real(*arguments)
        if now:
            os._exit(KILLED)

    trees.daily.put = dying  # type: ignore[method-assign, assignment]
    compact(trees, ONE_DAY)


def everything_in(trees: Trees) -> dict[str, Any]:
    return {key: trees.daily.head(key) for key in trees.daily.keys("")}


def kill_and_repeat(opened: Callable[[], Trees], step: str) -> None:
    """Kill a compaction, and hold what the next one makes against what one makes that nobody killed."""
    trees = opened()
    before = counting_manifests(trees.daily)
    nth, after = STEPS[step]
    assert in_a_child(partial(killed_compaction, opened, nth, after=after)) == KILLED
    if step != "after the manifest is put":
        assert counting_manifests(trees.daily) == before
    found = list(Verification(trees.daily, differences).findings())
    assert {finding.kind for finding in found} <= {"orphan"}
    compact(trees, ONE_DAY)
    assert list(Verification(trees.daily, differences).findings()) == []


@pytest.mark.parametrize("step", STEPS)
def test_after_a_kill_in_a_folder_the_next_run_makes_the_same_files(
    folders: Callable[[], Trees], tmp_path: Path, step: str
) -> None:
    fill(folders().archive, tmp_path / "made")
    undisturbed = Trees(folders().archive, DirectoryStore(tmp_path / "undisturbed"))
    compact(undisturbed, ONE_DAY)
    kill_and_repeat(folders, step)
    assert everything_in(folders()) == everything_in(undisturbed)


def test_after_a_kill_rows_that_came_in_between_are_in_the_files_and_the_leftovers_are_named(
    folders: Callable[[], Trees], tmp_path: Path
) -> None:
    fill(folders().archive, tmp_path / "made")
    assert in_a_child(partial(killed_compaction, folders, 3, after=False)) == KILLED
    add_late(folders().archive, tmp_path / "made")
    compact(folders(), ONE_DAY)
    found = list(Verification(folders().daily, differences).findings())
    assert [finding.kind for finding in found] == ["orphan"] * 3
    (manifest,) = [one for one in counting_manifests(folders().daily) if one.host == "host-1"]
    assert manifest.rows == 17


def test_after_a_kill_in_a_bucket_the_next_run_makes_the_same_files(
    seaweed: Seaweed, bucket: str, tmp_path: Path
) -> None:
    def opened() -> Trees:
        return Trees(seaweed.store(bucket, "lake"), seaweed.store(bucket, "lake-daily"))

    fill(opened().archive, tmp_path / "made")
    kill_and_repeat(opened, "before the manifest is put")
    assert SECOND not in str(list(opened().daily.keys("")))
