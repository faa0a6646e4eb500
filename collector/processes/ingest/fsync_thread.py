"""Makes the journal durable in a thread of its own, so that no reader ever waits for the disk."""

import threading
from queue import SimpleQueue

from structlog.typing import FilteringBoundLogger

from collector.domain.disk_waits import disk_wait
from collector.storage.journal.writer import JournalWriter


class FsyncThread:
    """Syncs a journal at an interval until stopped or failed.

    After a failed fsync the kernel may have dropped the pages and will not say so again, so it is not tried twice: the
    error goes to `failures` and the thread ends. Source: https://wiki.postgresql.org/wiki/Fsync_Errors
    """

    def __init__(self, journal: JournalWriter, interval_secs: float, failures: "SimpleQueue[Exception]") -> None:
        self._journal = journal
        self._interval_secs = interval_secs
        self._failures = failures
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, log: FilteringBoundLogger) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, args=(log,), name="fsync", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, after a running fsync has come back."""
        self._stop.set()
        if self._thread is not None:
            with disk_wait():
                self._thread.join()

    def _run(self, log: FilteringBoundLogger) -> None:
        durable_bytes = 0
        while not self._stop.wait(self._interval_secs):
            appended_bytes = self._journal.appended_bytes
            try:
                self._journal.sync()
            except OSError as error:
                log.exception("fsync_failed", durable_bytes=durable_bytes, appended_bytes=appended_bytes)
                self._failures.put(error)
                return
            durable_bytes = appended_bytes
