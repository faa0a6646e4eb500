"""Whatever stands in the data directory under the name of a file of ours: neither does it end a start, nor does it hold it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.processes.roles import processes_seen, report_of, role_lock
from collector.reports import WriterReport
from collector.stats_files import clear_stats, last_signs, read_reports, stats_file
from collector.storage.journal.files import journal_files, journal_path, next_number
from collector.storage.journal.format import FeedIdentity
from collector.storage.journal.writer import JournalWriter
from collector.storage.segment.attempts import FAILURES, Attempts, Begun, counted, forget_attempts
from collector.storage.segment.seal import open_segment, quarantine_open_segment, sealed_segments
from collector.storage.staging.staged_set import make_durable
from collector.storage.unarchived import Unarchived, find_unarchived
from collector.storage.version_check import refuse_newer_data
from tests.storage.segment.segment_files import TRADES, make_segment, message, trade

ID = "20261123T120000Z-4f2a9c"
NAMES = (
    "segments/20261123T110000Z-4f2a9c.db", "segments/20261123T110001Z-4f2a9c.open.db",
    "segments/20261123T110002Z-4f2a9c.new.db", "segments/20261123T110002Z-4f2a9c.copy.db",
    f"segments/{ID}.3.failures", f"segments/{ID}.begun", "journal/f/000000000002.journal",
    "repair/f/x.request", "run/stats/foo.json", "run/writer.lock", "run/ingest:f.lock",
)  # fmt: skip


@pytest.fixture(params=[Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def data_dir(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Beside each kind of file something of such a name that is none."""
    make: Callable[[Path], None] = request.param
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        make(tmp_path / name)
    return tmp_path


def journal(data_dir: Path, number: int, file_bytes: int = 1 << 20) -> JournalWriter:
    return JournalWriter(data_dir / "journal/f", FeedIdentity("f", "toy", (), ()), number, file_bytes, lambda: 1)


def test_a_start_reads_regular_files_only(data_dir: Path) -> None:
    refuse_newer_data(data_dir)
    assert find_unarchived(data_dir) == Unarchived([], [], [], [])
    assert all(role_lock(data_dir, role).is_free() for role in processes_seen(data_dir))
    clear_stats(data_dir / "run/stats")


def test_journal_numbers_are_read_from_regular_files_only(data_dir: Path) -> None:
    folder = data_dir / "run/stats"
    stats_file(folder, "writer").write(WriterReport(pid=1))
    assert read_reports(folder, report_of) == {"writer": WriterReport(pid=1)}
    assert "writer" in last_signs(folder)


def test_segments_are_regular_files_only(data_dir: Path) -> None:
    folder = data_dir / "segments"
    assert open_segment(folder) is None
    assert sealed_segments(folder) == []
    assert quarantine_open_segment(folder, data_dir / "quarantine") == []
    made = make_segment(folder, [TRADES], [message(0, 1, trade(1))], segment_id=ID)
    made.rename(made.with_suffix(".open.db"))
    segment = open_segment(folder)
    assert segment is not None
    assert segment.segment_id == ID
    segment.close()


def test_attempts_are_counted_in_regular_files_only(data_dir: Path) -> None:
    folder = data_dir / "segments"
    attempts = Attempts(folder / f"{ID}.db")
    assert (attempts.count(), counted(folder, FAILURES), Begun(folder).found()) == (0, set(), [])
    attempts.note(1)
    attempts.note(0)
    forget_attempts(folder)


def test_a_writer_skips_a_journal_number_that_is_taken(data_dir: Path) -> None:
    folder = data_dir / "journal/f"
    writer = journal(data_dir, 1, file_bytes=1)
    writer.append_frames(1, 0, [b"a"])
    writer.append_frames(1, 0, [b"b"])
    writer.close()
    numbers = [number for number, _ in journal_files(folder)]
    assert numbers == [1, *range(3, 2 + len(numbers))]
    assert len(numbers) > 1
    assert next_number(folder, data_dir / "segments/positions.json", "f") == numbers[-1] + 1


def test_a_new_incarnation_skips_a_journal_number_that_is_taken(data_dir: Path) -> None:
    writer = journal(data_dir, 2)
    writer.close()
    assert (writer.number, journal_path(data_dir / "journal/f", 3).is_file()) == (3, True)


def test_a_set_with_a_foreign_file_is_made_durable(data_dir: Path) -> None:
    folder = data_dir / "staging" / ID
    folder.parent.mkdir()
    (data_dir / "journal/f").rename(folder)
    make_durable(folder)


def test_an_unreadable_journal_is_not_called_newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal(tmp_path, 1).close()

    def refused(*_: object) -> str:
        raise PermissionError

    monkeypatch.setattr("collector.storage.version_check.file_id_of", refused)
    refuse_newer_data(tmp_path)
