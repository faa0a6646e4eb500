"""Writes the supervisor's files in a thread of its own: a stalled disk must not delay the watching of children."""

import threading
from collections.abc import Callable

from collector.domain.log import Log


class Scribe:
    """A background thread that runs the newest job of each name."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._changed = threading.Condition()
        self._waiting: dict[str, Callable[[], object]] = {}
        self._writing = False
        threading.Thread(target=self._run, name="scribe", daemon=True).start()

    def write(self, name: str, work: Callable[[], object]) -> None:
        """Run `work` soon, in place of any job that still waits under that name."""
        with self._changed:
            self._waiting[name] = work
            self._changed.notify_all()

    def finish(self, secs: float) -> bool:
        """Wait at most `secs` until every job is done; false if one is not."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._writing, secs)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._writing = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting)
                work = self._waiting.pop(next(iter(self._waiting)))
                self._writing = True
            try:
                work()
            except Exception:  # noqa: BLE001 -- a fault in what is shown must not end the recording
                self._log.exception("status_failed")
