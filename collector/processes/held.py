"""Segments and sets that cannot go up at present, for reasons of their own: each is tried again, less and less often."""

from structlog.typing import FilteringBoundLogger

from collector.processes.archiver.backoff import Backoffs


class Deferred:
    """Says in the log when one begins to be held."""

    def __init__(self, pauses: Backoffs, log: FilteringBoundLogger) -> None:
        self._pauses = pauses
        self._log = log
        self.reasons: dict[str, str] = {}
        """Why each cannot go up, by segment."""

    def hold(self, segment_id: str, reason: str) -> None:
        """Leave it alone for a while, each time longer; nothing more while it is left alone."""
        if segment_id not in self.reasons:
            self._log.warning("archiving_held_up", error=reason)
        self.reasons[segment_id] = reason
        if self._pauses.is_over(segment_id):
            self._pauses.begin(segment_id)

    def due(self) -> list[str]:
        """Those that may be tried again."""
        return [segment_id for segment_id in self.reasons if self._pauses.is_over(segment_id)]

    def release(self, segment_id: str) -> None:
        """It went up, is made anew, or will never be read; nothing where it was not held."""
        if self.reasons.pop(segment_id, None) is not None:
            self._pauses.forget(segment_id)
