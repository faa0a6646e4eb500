"""Each incarnation that appends to a journal holds a lock of its own: whoever looks knows which of them live."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from collector.storage.journal import incarnations
from collector.storage.journal.format import FeedIdentity
from collector.storage.journal.incarnations import IncarnationLock, is_alive, living_beside, remove_dead
from collector.storage.journal.writer import JournalWriter
from tests.storage.journal.dead_journals import let_go

IDENTITY = FeedIdentity("f", "binance", ("BTCUSDT",), ("trade",))
ROUNDS = 300

HOLD = """
import sys
from pathlib import Path
from collector.storage.journal.format import FeedIdentity
from collector.storage.journal.writer import JournalWriter
journal = JournalWriter(Path(sys.argv[1]), FeedIdentity("f", "binance", (), ()), 1, 1 << 20, lambda: 1)
print(journal.incarnation, flush=True)
sys.stdin.read()
"""


def make_writer(folder: Path, *, number: int = 1, continues: str = "") -> JournalWriter:
    return JournalWriter(folder, IDENTITY, number, 1 << 20, lambda: 1, continues)


def locks_in(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.lock"))


@contextmanager
def another_process(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A real process that appends to a journal, and its incarnation."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
        process.kill()


def test_an_incarnation_is_alive_until_its_process_is_killed(tmp_path: Path) -> None:
    with another_process(tmp_path) as (incarnation, process):
        assert is_alive(tmp_path, incarnation)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not is_alive(tmp_path, incarnation)
        assert locks_in(tmp_path) == [incarnation]


def test_an_incarnation_is_alive_until_it_closes_and_leaves_no_lock(tmp_path: Path) -> None:
    journal = make_writer(tmp_path)
    assert is_alive(tmp_path, journal.incarnation)
    assert locks_in(tmp_path) == [journal.incarnation]
    journal.close()
    assert not is_alive(tmp_path, journal.incarnation)
    assert locks_in(tmp_path) == []


def test_whoever_begins_removes_the_locks_of_the_dead_and_no_other(tmp_path: Path) -> None:
    living, dead = make_writer(tmp_path), make_writer(tmp_path)
    let_go([dead])
    new = make_writer(tmp_path)
    assert locks_in(tmp_path) == sorted([living.incarnation, new.incarnation])


def test_a_folder_named_like_a_lock_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "folder.lock").mkdir()
    os.mkfifo(tmp_path / "pipe.lock")
    journal = make_writer(tmp_path)
    assert living_beside(tmp_path, journal.incarnation) is None
    assert locks_in(tmp_path) == sorted(["folder", "pipe", journal.incarnation])


def test_a_journal_that_cannot_be_begun_leaves_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, pieces: list[bytes], position: int) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwritev", full)
    with pytest.raises(OSError, match="No space left"):
        make_writer(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("removed", ["lock", "folder", "replaced"])
def test_a_removed_lock_is_made_again(tmp_path: Path, removed: str) -> None:
    folder = tmp_path / "f"
    journal = make_writer(folder)
    path = folder / f"{journal.incarnation}.lock"
    shutil.rmtree(folder) if removed == "folder" else path.unlink()
    if removed == "replaced":
        path.touch()
    assert not is_alive(folder, journal.incarnation)
    assert journal.keep() == (removed == "folder")
    assert is_alive(folder, journal.incarnation)
    journal.close()
    assert locks_in(folder) == []


def test_a_lock_being_made_is_never_taken_for_a_dead_one(tmp_path: Path) -> None:
    ends: list[bool] = []

    def sweep() -> None:
        while not ends:
            remove_dead(tmp_path)

    sweeper = Thread(target=sweep)
    sweeper.start()
    try:
        for number in range(ROUNDS):
            lock = IncarnationLock(tmp_path, f"{number:x}")
            assert is_alive(tmp_path, f"{number:x}")
            lock.release()
    finally:
        ends.append(True)
        sweeper.join()
    assert locks_in(tmp_path) == []


def test_a_lock_removed_between_its_making_and_its_holding_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, path, sweeps = os.open, tmp_path / "a.lock", iter([True])

    def opened(name: Path, flags: int, mode: int = 0o777) -> int:
        fd = real(name, flags, mode)
        if flags & os.O_EXCL and next(sweeps, False):
            monkeypatch.setattr(os, "open", real)
            remove_dead(tmp_path)
            assert not path.exists()
            monkeypatch.setattr(os, "open", opened)
        return fd

    monkeypatch.setattr(os, "open", opened)
    lock = IncarnationLock(tmp_path, "a")
    monkeypatch.undo()
    assert is_alive(tmp_path, "a")
    lock.release()


def test_the_newest_head_of_a_living_incarnation_beside_ones_own_is_found(tmp_path: Path) -> None:
    assert living_beside(tmp_path / "none", "") is None
    old = make_writer(tmp_path)
    assert living_beside(tmp_path, old.incarnation) is None
    old.resubscribe(IDENTITY._replace(symbols=("ETHUSDT",)))
    new = make_writer(tmp_path, number=3, continues=old.writer_id)
    beside = living_beside(tmp_path, new.incarnation)
    assert beside is not None
    assert (beside.incarnation, beside.number, beside.identity.symbols) == (old.incarnation, 2, ("ETHUSDT",))
    let_go([old])
    assert living_beside(tmp_path, new.incarnation) is None
    found = living_beside(tmp_path, "")
    assert found is not None
    assert found.incarnation == new.incarnation
    new.close()
    assert living_beside(tmp_path, "") is None


def test_an_incarnation_without_a_file_is_none_to_go_on_from(tmp_path: Path) -> None:
    lock = IncarnationLock(tmp_path, "a")
    make_writer(tmp_path).close()
    assert living_beside(tmp_path, "") is None
    lock.release()


def test_alone_no_head_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = make_writer(tmp_path)
    read: list[Path] = []
    monkeypatch.setattr(incarnations, "header_at", read.append)
    assert living_beside(tmp_path, journal.incarnation) is None
    assert read == []
    other = make_writer(tmp_path)
    assert living_beside(tmp_path, journal.incarnation) is None
    assert len(read) == 2
    other.close()
