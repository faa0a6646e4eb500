"""What went wrong with segments, sets and the disk, and when each may be tried again."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from collector.domain.errors import RetryError
from collector.domain.log import Log
from collector.processes.archiver.backoff import Backoffs, Deferred
from collector.processes.archiver.failures import Failures
from collector.processes.archiver.interrupted_work import InterruptedWork

DISK: Final = "disk"
"""The name of the backoff while the disk takes no new files."""

REMOVAL: Final = "removal"
"""The name of the backoff while the disk does not let archived files be removed."""


class SegmentRetries:
    """Keeps every backoff, deferral and failure count of the archiver; `forget` drops all that is known of a segment."""

    def __init__(
        self, segments: Path, staging: Path, delays: Callable[[], Iterator[float]], monotonic: Callable[[], float],
        log: Log,
    ) -> None:  # fmt: skip
        self.backoffs = Backoffs(delays, monotonic)
        self.deferred = Deferred(self.backoffs, log)
        self.interrupted = InterruptedWork(segments, staging, self.deferred, self.backoffs, log)
        self._failures = Failures(self.backoffs, log)
        self._log = log
        self._is_stopping = False
        self.trouble: str | None = None
        """What the disk refused last; None once it takes it again."""

    def begin_stop(self) -> None:
        """Let everything be tried once more now; a segment that fails from now on is not paused."""
        self._is_stopping = True
        self.backoffs.end_all()

    def disk_failed(self, name: str, trouble: str) -> None:
        """Back off from DISK or REMOVAL; `trouble` is what the report says meanwhile."""
        if self.trouble is None:
            self._log.warning("archiving_held_up", error=trouble)
        self.trouble = trouble
        self.backoffs.begin(name)

    def disk_works(self, name: str) -> None:
        """Work that needs DISK or REMOVAL succeeded."""
        self.trouble = None
        self.backoffs.forget(name)

    def segment_failed(self, path: Path, error: Exception) -> None:
        """Count a failure against the segment or set at `path`."""
        try:
            self._failures.note(path, error, pausing=not self._is_stopping)
        except RetryError as trouble:
            self.disk_failed(DISK, str(trouble))

    def segment_staged(self, segment_id: str) -> None:
        """The segment has a set now: what delayed staging it no longer counts."""
        self.deferred.release(segment_id)
        self.backoffs.forget(segment_id)
        self.interrupted.forget(segment_id)

    def forget(self, segment_id: str) -> None:
        """The segment is archived or in quarantine."""
        self._failures.forget(segment_id)
        self.interrupted.forget(segment_id)
        self.deferred.release(segment_id)
        self.backoffs.forget(segment_id)
