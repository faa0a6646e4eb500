"""Syncs the journal in a thread of its own, so that no line reader ever waits for the disk."""

import threading

from collector.domain.disk_waits import disk_wait
from collector.domain.log import Log
from collector.processes.worker_threads import WorkerThreads
from collector.storage.journal.writer import JournalWriter


class FsyncThread:
    """Syncs a journal every `interval_secs` until it is stopped or a sync fails.

    After a failed fsync the kernel may have dropped the pages and does not report it a second time, so it is not tried
    again: the thread ends with the error. Source: https://wiki.postgresql.org/wiki/Fsync_Errors
    """

    def __init__(self, journal: JournalWriter, interval_secs: float) -> None:
        self._journal = journal
        self._interval_secs = interval_secs
        self._is_stopped = False
        self._told = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, workers: WorkerThreads, log: Log) -> None:
        """Begin to sync, as one of `workers`."""
        self._thread = workers.start(lambda: self._run(log), "fsync")

    def change_interval(self, secs: float) -> None:
        """Sync so often from now on, and once at once: the wait that is under way may be a long one."""
        if secs != self._interval_secs:
            self._interval_secs = secs
            self._told.set()

    def stop(self) -> None:
        """End; waits for a sync that is under way."""
        self._is_stopped = True
        self._told.set()
        if self._thread is not None:
            with disk_wait():
                self._thread.join()

    def _run(self, log: Log) -> None:
        durable_bytes = 0
        while not self._is_over():
            appended_bytes = self._journal.appended_bytes
            try:
                self._journal.sync()
            except OSError:
                log.exception("fsync_failed", durable_bytes=durable_bytes, appended_bytes=appended_bytes)
                raise
            durable_bytes = appended_bytes

    def _is_over(self) -> bool:
        """Whether it was stopped before the next sync is due."""
        self._told.wait(self._interval_secs)
        self._told.clear()
        return self._is_stopped
