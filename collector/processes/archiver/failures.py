"""How often work on each segment failed: so often, and it is set aside."""

from collections import Counter
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from collector.domain.errors import RetryError
from collector.processes.archiver.backoff import Backoffs
from collector.processes.archiver.stager import MAX_ATTEMPTS
from collector.storage.segment.attempts import Attempts


class Failures:
    """Counts in memory and on the disk, and says each failure in the log with its trace."""

    def __init__(self, pauses: Backoffs, log: FilteringBoundLogger) -> None:
        self._pauses = pauses
        self._log = log
        self._counts: Counter[str] = Counter()

    def note(self, path: Path, error: Exception, *, pausing: bool) -> None:
        """One more; with `pausing`, the segment is left alone for a while, unless it is its turn to be set aside.

        Raises RetryError where the disk does not take the count: it is kept in memory.
        """
        attempts = Attempts(path)
        # Files that can be made put the count on the disk to nothing: it is there for what crashes the process.
        count = self._counts[path.stem] = max(attempts.count(), self._counts[path.stem]) + 1
        self._log.warning("segment_failed", segment=path.stem, attempts=count, exc_info=error)
        if pausing and count != MAX_ATTEMPTS:
            self._pauses.begin(path.stem)
        try:
            attempts.note(count)
        except OSError as trouble:
            raise RetryError(f"an attempt on {path.stem} cannot be noted: {trouble}") from trouble

    def forget(self, segment_id: str) -> None:
        """It is done with."""
        del self._counts[segment_id]
