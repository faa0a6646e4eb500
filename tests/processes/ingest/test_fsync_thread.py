"""The thread that syncs the journal, on a real disk."""

from pathlib import Path

from collector.processes.ingest.fsync_thread import FsyncThread
from collector.processes.worker_threads import WorkerThreads
from collector.storage.journal.format import FeedIdentity
from collector.storage.journal.writer import JournalWriter
from tests.processes.ingest.ingest_harness import capturing_log, wait_for


class Counting(JournalWriter):
    """Counts its syncs."""

    syncs = 0

    def sync(self) -> None:
        self.syncs += 1
        super().sync()


def test_a_changed_interval_does_not_wait_for_the_end_of_a_long_one(tmp_path: Path) -> None:
    journal = Counting(tmp_path, FeedIdentity("f", "e", (), ()), 1, 1 << 20, lambda: 1)
    thread = FsyncThread(journal, 3_600.0)
    thread.start(WorkerThreads(), capturing_log()[0])
    begun = journal.syncs
    thread.change_interval(0.01)
    wait_for(lambda: journal.syncs >= begun + 3)
    thread.stop()
    assert journal.syncs >= begun + 3
