"""What a clean stop must not leave is found."""

from pathlib import Path

import pytest

from collector.processes.roles import role_lock
from collector.storage.segment.open_segment import OpenSegment
from collector.storage.segment.seal import create_segment
from collector.storage.segment.state import EMPTY_STATE, Commit
from collector.supervision.semaphores import FOLDER, name_prefix
from tests.soak.remains import left_behind
from tests.soak.watch import LogTail, Processes
from tests.storage.segment.segment_rows import messages_of


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """As a clean stop leaves it: one open segment without rows."""
    for name in ("run", "staging", "segments", "journal/books"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "run/writer.lock").touch()
    create_segment(tmp_path / "segments/2.open.db", {}, EMPTY_STATE)
    return tmp_path


def found(data_dir: Path) -> list[str]:
    return [problem.text for problem in left_behind(data_dir, Processes("nobody", LogTail(data_dir / "log"), data_dir))]


def test_only_an_open_segment_without_rows_may_remain(data_dir: Path) -> None:
    assert found(data_dir) == []


@pytest.mark.parametrize(
    "name", ["staging/half.parquet", "quarantine/1.db", "journal/books/00000000000000000007.journal"]
)
def test_unfinished_files_are_remains(data_dir: Path, name: str) -> None:
    (data_dir / name).parent.mkdir(exist_ok=True)
    (data_dir / name).touch()
    assert found(data_dir) == [str(data_dir / name)]


def test_rows_that_were_not_archived_are_remains(data_dir: Path) -> None:
    segment = OpenSegment(data_dir / "segments/2.open.db")
    segment.store(Commit(messages_of([(1, 1, 0, 1, 1, None, 0, b"{}")]), [], [], [], {}, []))
    segment.close()
    assert found(data_dir) == ["1 rows in segments"]


def test_a_sealed_segment_is_a_remain(data_dir: Path) -> None:
    (data_dir / "segments/1.db").write_bytes((data_dir / "segments/2.open.db").read_bytes())
    assert found(data_dir) == ["segments ['1.db', '2.open.db'], not one open one"]


def test_a_held_lock_is_a_remain(data_dir: Path) -> None:
    with role_lock(data_dir, "archiver") as lock:
        assert lock.try_acquire()
        assert found(data_dir) == ["archiver.lock is still held"]


def test_a_semaphore_is_a_remain(data_dir: Path) -> None:
    semaphore = FOLDER / f"sem.{name_prefix(data_dir)}-x"
    semaphore.touch()
    try:
        assert found(data_dir) == [str(semaphore)]
    finally:
        semaphore.unlink()
