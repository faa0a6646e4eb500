"""Role locks: held by one process, freed by its death."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from collector.processes.roles import role_lock
from collector.storage.locks import RoleLock, supervisor_lock

HOLDER = """
import sys
from pathlib import Path
from collector.processes.roles import role_lock
lock = role_lock(Path(sys.argv[1]), "writer")
assert lock.try_acquire()
print("held", flush=True)
sys.stdin.read()
"""


def lock_of(data_dir: Path, role: str) -> RoleLock:
    return supervisor_lock(data_dir) if role == "supervisor" else role_lock(data_dir, role)


def test_a_lock_has_one_holder_and_names_it(tmp_path: Path) -> None:
    first, second = role_lock(tmp_path, "writer"), role_lock(tmp_path, "writer")
    assert first.is_free()
    assert first.holder() == "unknown"
    assert first.try_acquire()
    assert not second.try_acquire()
    assert not second.is_free()
    assert second.holder().isdigit()
    first.release()
    assert second.is_free()
    assert second.try_acquire()
    second.release()


def test_kill_9_frees_the_lock(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        lock = role_lock(tmp_path, "writer")
        assert not lock.try_acquire()
        assert lock.holder() == str(holder.pid)
        holder.kill()
        holder.wait()
        assert lock.try_acquire()
        lock.release()


def test_a_lock_can_be_held_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_given: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    lock = role_lock(tmp_path, "writer")
    assert lock.try_acquire()
    assert not role_lock(tmp_path, "writer").is_free()
    assert lock.holder() == "unknown"
    lock.release()


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"me", b"9" * 40, "١٢".encode()])
def test_a_lock_file_without_a_valid_pid_names_nobody(tmp_path: Path, content: bytes) -> None:
    lock = role_lock(tmp_path, "writer")
    lock.path.parent.mkdir()
    lock.path.write_bytes(content)
    assert lock.is_free()
    assert lock.holder() == "unknown"


@pytest.mark.parametrize("role", ["supervisor", "ingest:books", "repair", "writer", "archiver"])
def test_a_role_stays_held_if_the_lock_folder_is_removed(role: str, tmp_path: Path) -> None:
    lock, other = lock_of(tmp_path, role), lock_of(tmp_path, role)
    assert lock.try_acquire()
    assert not lock.keep()
    shutil.rmtree(tmp_path / "run")
    assert not other.is_free()
    assert not other.try_acquire()
    assert other.holder() == "unknown"
    assert lock.keep()
    assert other.holder() == str(os.getpid())
    assert not lock.keep()
    lock.release()
    assert other.is_free()


def test_different_roles_can_be_held_at_once(tmp_path: Path) -> None:
    locks = [lock_of(tmp_path, role) for role in ("supervisor", "ingest:a", "ingest:b", "repair", "writer", "archiver")]
    assert all(lock.try_acquire() for lock in locks)
    for lock in locks:
        lock.release()


def test_the_lock_file_alone_holds_the_role(tmp_path: Path) -> None:
    lock = role_lock(tmp_path, "writer")
    assert lock.try_acquire()
    (tmp_path / "segments").rename(tmp_path / "elsewhere")
    other = role_lock(tmp_path, "writer")
    assert not other.is_free()
    assert not other.try_acquire()
    lock.release()
    assert other.try_acquire()
    other.release()


def test_a_file_in_the_folders_place_refuses_the_role(tmp_path: Path) -> None:
    (tmp_path / "segments").touch()
    lock = role_lock(tmp_path, "writer")
    assert lock.is_free()
    with pytest.raises(FileExistsError):
        lock.try_acquire()


@pytest.mark.parametrize("role", ["supervisor", "ingest:books", "repair", "writer", "archiver"])
def test_a_role_stays_held_if_both_folders_are_removed_in_turn(role: str, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    lock, other = lock_of(data_dir, role), lock_of(data_dir, role)
    assert lock.try_acquire()
    lock.folder.rename(tmp_path / "elsewhere")
    assert lock.keep()
    assert not lock.keep()
    shutil.rmtree(data_dir / "run")
    assert not other.is_free()
    assert not other.try_acquire()
    lock.release()
    assert other.is_free()


def test_a_lock_on_a_new_folder_wins_until_its_release(tmp_path: Path) -> None:
    lock, other = role_lock(tmp_path, "writer"), role_lock(tmp_path, "writer")
    assert lock.try_acquire()
    shutil.rmtree(tmp_path / "segments")
    shutil.rmtree(tmp_path / "run")
    assert other.try_acquire()
    assert not lock.keep()
    other.release()
    assert lock.keep()
    assert not other.try_acquire()
    lock.release()


HEIR = """
import sys
from pathlib import Path
from collector.storage.locks import supervisor_lock
lock = supervisor_lock(Path(sys.argv[1]))
lock.adopt([int(fd) for fd in sys.argv[2:]])
print("held", flush=True)
sys.stdin.readline()
lock.sign(4321)
print("signed", flush=True)
sys.stdin.read()
"""


def test_a_lock_that_was_inherited_is_never_free_until_the_last_holder_is_dead(tmp_path: Path) -> None:
    lock, other = supervisor_lock(tmp_path), supervisor_lock(tmp_path)
    assert lock.try_acquire()
    command = [sys.executable, "-c", HEIR, str(tmp_path), *map(str, lock.descriptors)]
    with subprocess.Popen(
        command, pass_fds=lock.descriptors, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as heir:
        assert heir.stdin is not None
        assert heir.stdout is not None
        assert heir.stdout.readline() == "held\n"
        assert other.holder() == str(os.getpid())
        lock.release()
        assert not other.is_free()
        assert not other.try_acquire()
        heir.stdin.write("\n")
        heir.stdin.flush()
        assert heir.stdout.readline() == "signed\n"
        assert other.holder() == "4321"
        heir.kill()
        heir.wait()
    assert other.try_acquire()
    other.release()


def test_a_lock_that_is_not_held_is_taken_once_it_is_free(tmp_path: Path) -> None:
    first, second = role_lock(tmp_path, "writer"), role_lock(tmp_path, "writer")
    assert first.try_acquire()
    second.keep_or_take()
    assert second.descriptors == ()
    first.release()
    second.keep_or_take()
    assert len(second.descriptors) == 2
    assert not first.try_acquire()
    second.path.unlink()
    second.keep_or_take()
    assert second.path.exists()
    second.release()
