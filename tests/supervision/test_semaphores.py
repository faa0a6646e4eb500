"""Semaphores in /dev/shm: a killed supervisor leaves some, the next one of the same data directory removes them."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from collector.supervision.semaphores import FOLDER, OF_A_LIFE, existing, name_prefix, placed, require, sweep
from tests.whole.running import ROOT

MAKE = """
import multiprocessing, os, sys
from pathlib import Path
from collector.supervision import semaphores

print(len(semaphores.claim(Path(sys.argv[1]))))
context = multiprocessing.get_context("spawn")
queues, event, renewal = [context.Queue(2), context.Queue(2)], context.Event(), context.Semaphore(0)
child = context.Process(target=event.is_set)
child.start()
child.join()
print(len(semaphores.existing(Path(sys.argv[1]))), flush=True)
if sys.argv[2]:
    os.kill(os.getpid(), int(sys.argv[2]))
"""


def make(data_dir: Path, number: str = "") -> tuple[int, int]:
    """A process that makes what a life consists of, and a child: how many it found, how many there are then."""
    command = [sys.executable, "-c", MAKE, str(data_dir), number]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False, encoding="utf-8")
    assert done.returncode == (-int(number) if number else 0)
    assert done.stderr == "", "also what multiprocessing's tracker has to say, which ends last"
    found, present = map(int, done.stdout.split())
    return found, present


def test_a_process_that_ends_in_order_leaves_none(tmp_path: Path) -> None:
    found, present = make(tmp_path)
    assert found == 0
    assert present == OF_A_LIFE
    assert existing(tmp_path) == []


def test_semaphores_of_a_killed_process_are_known_to_the_next(tmp_path: Path) -> None:
    _, left = make(tmp_path, str(int(signal.SIGKILL)))
    assert len(existing(tmp_path)) == left > 0
    found, present = make(tmp_path)
    assert (found, present) == (left, 2 * left)
    assert existing(tmp_path / "other") == []
    sweep(existing(tmp_path))
    assert existing(tmp_path) == []


def test_a_semaphore_that_cannot_be_removed_is_named(tmp_path: Path) -> None:
    make(tmp_path, str(int(signal.SIGKILL)))
    left = existing(tmp_path)
    stuck = FOLDER / f"sem.{name_prefix(tmp_path)}-0"
    stuck.mkdir()  # as with another user's, unlink is refused; also to root
    try:
        (error,) = sweep([stuck, *left])
        assert error.filename == str(stuck)
        assert existing(tmp_path) == [stuck]
    finally:
        stuck.rmdir()


def test_young_semaphores_are_left_to_starting_children(tmp_path: Path) -> None:
    make(tmp_path, str(int(signal.SIGKILL)))
    old, *young = existing(tmp_path)
    os.utime(old, (0, 0))
    sweep(existing(tmp_path), min_age_secs=3_600)
    assert existing(tmp_path) == young
    sweep([old, *young])
    assert existing(tmp_path) == []


def test_semaphores_made_as_a_trial_are_removed() -> None:
    before = set(FOLDER.iterdir())
    require(3, multiprocessing.get_context("spawn"))
    assert {path for path in set(FOLDER.iterdir()) - before if path.name.startswith("sem.mp-")} == set()


def test_an_error_creating_semaphores_names_their_folder() -> None:
    with pytest.raises(OSError, match="Read-only") as caught, placed():
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    assert caught.value.filename == str(FOLDER)
    with pytest.raises(OSError, match="Too many") as caught, placed():
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    assert caught.value.filename is None
