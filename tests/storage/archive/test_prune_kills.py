"""A prune killed at every step leaves an archive that verifies, and the next one finishes the work."""

import os
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from collector.storage.archive import removal
from collector.storage.archive.manifest import Manifest
from collector.storage.archive.pruned import read_pruned
from collector.storage.archive.verify import Verification
from collector.storage.store.deleting import DeletingDirectoryStore, DeletingStore
from tests.processes.archiver.archiver_harness import in_a_child
from tests.seaweed import Seaweed
from tests.storage.archive import old_archive
from tests.storage.archive.old_archive import FIRST, SECOND, THIRD, entries_of, keys_of, pruned

KILLED = 9


@pytest.fixture(params=["folder", "bucket"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], DeletingStore]:
    """Opens the archive, in whichever process asks."""
    if request.param == "folder":
        return lambda: DeletingDirectoryStore(tmp_path / "archive")
    seaweed: Seaweed = request.getfixturevalue("seaweed")
    bucket = seaweed.new_bucket()
    return lambda: seaweed.deleting_store(bucket, "lake")


STEPS: dict[str, tuple[str, int, bool]] = {
    "before the record is put": ("put", 0, False),
    "after the record is put, before it is confirmed": ("put", 0, True),
    "before the first object goes": ("delete", 0, False),
    "after the first object is gone": ("delete", 0, True),
    "in the middle": ("delete", 3, False),
    "after the last object of a day is gone": ("delete", 5, True),
    "before the record of the next day is put": ("put", 1, False),
    "after the record of the next day is put": ("put", 1, True),
    "before the last object of all goes": ("delete", 9, False),
}
"""The method of the store at whose n-th call the process dies, and whether after it."""


def deadly(store: DeletingStore, method: str, nth: int, *, after: bool) -> None:
    real, calls = getattr(store, method), count()

    def dying(key: str, *arguments: Any) -> Any:
        is_question = key.startswith("exchange=_/")
        now = not is_question and next(calls) == nth
        if now and not after:
            os._exit(KILLED)
        result = real(key, *arguments)
        if now:
            os._exit(KILLED)
        return result

    setattr(store, method, dying)


def killed_prune(opened: Callable[[], DeletingStore], method: str, nth: int, *, after: bool) -> None:
    store = opened()
    removal.THREADS = 1  # type: ignore[misc]  # one after the other, so that the n-th call is the same in each try
    deadly(store, method, nth, after=after)
    pruned(store)


def assert_everything_is_there_or_written_down(store: DeletingStore, made: list[Manifest]) -> None:
    for date in (FIRST, SECOND, THIRD):
        record = read_pruned(store, date)
        written = set() if record is None else record.times().keys()
        for key in keys_of(made, date, "trade", "book_delta", "gap"):
            assert key in written or store.head(key) is not None, key


@pytest.mark.parametrize("step", STEPS)
def test_after_a_kill_at_any_step_the_archive_verifies_and_the_next_prune_finishes(
    opened: Callable[[], DeletingStore], tmp_path: Path, step: str
) -> None:
    store = opened()
    made = old_archive.fill(store, tmp_path / "made")
    method, nth, after = STEPS[step]
    assert in_a_child(partial(killed_prune, opened, method, nth, after=after)) == KILLED
    assert {finding.kind for finding in Verification(store).findings()} <= {"leftover"}
    assert_everything_is_there_or_written_down(store, made)
    pruned(store)
    assert list(Verification(store).findings()) == []
    assert list(store.keys("exchange=")) == sorted([*keys_of(made, THIRD), *keys_of(made, FIRST, "gap")])
    for date in (FIRST, SECOND):
        record = read_pruned(store, date)
        assert record is not None
        assert sorted(record.times()) == keys_of(made, date)
        assert sum(pruning.rows for pruning in record.prunings) == sum(entry.rows for entry in entries_of(made, date))
