"""A pass killed at every step leaves no manifest without its objects, and the next one gives what an undisturbed one does."""

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from collector.exchanges import registry
from collector.reprocess.job import Job
from collector.reprocess.scope import Scope
from collector.storage.archive.verify import MISSING, Verification
from collector.storage.store.directory import DirectoryStore
from collector.storage.store.object_store import ObjectStore
from tests.processes.archiver.archiver_harness import in_a_child
from tests.reprocess.stored import store_segment, trade_frame, typed, undecoded
from tests.seaweed import Seaweed
from tests.storage.archive.archive_files import IDS

Opened = Callable[[], ObjectStore]

PUTS = 5
"""Of the first segment trades and what is left of its frames, of the second trades, and a manifest each."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DirectoryStore:
    folder = tmp_path_factory.mktemp("source")
    store_segment(folder, [typed(1), undecoded(1, 2, trade_frame(2)), undecoded(1, 3, b"?")])
    return store_segment(folder, [undecoded(1, 3_601, trade_frame(3_601))], number=1, previous=IDS[0])


@pytest.fixture(scope="module")
def whole(source: DirectoryStore, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes | None]:
    """What an undisturbed pass gives."""
    target = DirectoryStore(tmp_path_factory.mktemp("whole"))
    read_again(source, target)
    return contents(target)


def read_again(source: ObjectStore, target: ObjectStore) -> None:
    job = Job(source, target, Scope(), registry.adapter)
    assert [result.problem for result in job.read(job.look(lambda: None), lambda: None)] == [None, None]


def contents(store: ObjectStore) -> dict[str, bytes | None]:
    return {key: store.read(key) for key in store.keys("")}


def killed(source: ObjectStore, opened: Opened) -> None:
    """A pass that is killed once it has put a file."""
    target = opened()
    real = target.put

    def dying(*arguments: Any) -> None:
        real(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    # In this process alone, which ends here.
    vars(target)["put"] = dying
    read_again(source, target)


def test_each_pass_that_is_killed_leaves_a_file_more_and_the_last_one_all(
    source: DirectoryStore, whole: dict[str, bytes | None], tmp_path: Path
) -> None:
    target = DirectoryStore(tmp_path / "again")
    assert len(whole) == PUTS
    for files in range(1, PUTS + 1):
        assert in_a_child(partial(killed, source, lambda: target)) == -signal.SIGKILL
        found = contents(target)
        assert len(found) == files
        assert found.items() <= whole.items()
        assert MISSING not in [one.kind for one in Verification(target).findings()]
    read_again(source, target)
    assert contents(target) == whole


def test_so_it_is_with_a_bucket(source: DirectoryStore, whole: dict[str, bytes | None], seaweed: Seaweed) -> None:
    bucket = seaweed.new_bucket()
    assert in_a_child(partial(killed, source, lambda: seaweed.store(bucket, "lake"))) == -signal.SIGKILL
    target = seaweed.store(bucket, "lake")
    assert len(contents(target)) == 1
    read_again(source, target)
    assert contents(target) == whole
