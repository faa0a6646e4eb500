"""Writes the supervisor's own files in a thread of their own: a disk that stalls must not hold up the watching."""

import threading
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger


class Scribe:
    """Of what waits to be written under a name only the newest is."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._changed = threading.Condition()
        self._waiting: dict[str, Callable[[], object]] = {}
        self._writing = False
        threading.Thread(target=self._run, name="scribe", daemon=True).start()

    def write(self, name: str, work: Callable[[], object]) -> None:
        """Let the thread do it soon, and nothing that waited under that name."""
        with self._changed:
            self._waiting[name] = work
            self._changed.notify_all()

    def finish(self, secs: float) -> bool:
        """Wait until all is written, but no longer; whether it was."""
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
            except Exception:  # noqa: BLE001 -- whatever is wrong with what is shown must not end what is recorded
                self._log.exception("status_failed")
