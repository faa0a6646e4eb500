"""How often work on each segment failed; MAX_ATTEMPTS failures put it into quarantine."""

from collections import Counter
from pathlib import Path

from collector.domain.errors import RetryError
from collector.domain.log import Log
from collector.processes.archiver.backoff import Backoffs
from collector.processes.archiver.stager import MAX_ATTEMPTS
from collector.storage.segment.attempts import Attempts


class Failures:
    """Counts failures in memory and on disk, and logs each with its traceback."""

    def __init__(self, pauses: Backoffs, log: Log) -> None:
        self._pauses = pauses
        self._log = log
        self._counts: Counter[str] = Counter()

    def note(self, path: Path, error: Exception, *, pausing: bool) -> None:
        """Count one more failure. With `pausing` the segment backs off, unless it goes into quarantine next.

        Raises RetryError if the count cannot be written; it is kept in memory.
        """
        attempts = Attempts(path)
        # A set that could be made resets the count on disk, which is there for crashes; the one in memory stays.
        count = self._counts[path.stem] = max(attempts.count(), self._counts[path.stem]) + 1
        self._log.warning("segment_failed", segment=path.stem, attempts=count, exc_info=error)
        if pausing and count != MAX_ATTEMPTS:
            self._pauses.begin(path.stem)
        try:
            attempts.note(count)
        except OSError as trouble:
            raise RetryError(f"a failure of {path.stem} cannot be noted: {trouble}") from trouble

    def forget(self, segment_id: str) -> None:
        """The segment is archived or in quarantine."""
        del self._counts[segment_id]
