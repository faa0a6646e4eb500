"""Which segments the archiver was working on when it died, and how they are treated after that.

A crash (the process failed by itself, as this supervisor saw) counts as a failure of the segment. Any other death may
have a cause outside: a power cut, a stopped container, an operator, the kernel's out-of-memory killer, a supervisor
that took the process for hung. It counts as a kill. Kills never put a segment into quarantine, however many there are;
but the segment is staged after all others, and from MAX_KILLS on it also waits, longer with each kill.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from collector.domain.errors import RetryError
from collector.domain.log import Log
from collector.processes.archiver.backoff import Backoffs, Deferred
from collector.storage.segment.attempts import FAILURES, KILLS, Attempts, Begun, counted

MAX_KILLS: Final = 3
"""Kills from which on a segment waits; fewer may be bad luck."""

KILLED_SECS: Final = 60.0
"""The first wait; each further kill doubles it, up to _DOUBLINGS times."""

_DOUBLINGS: Final = 6


class InterruptedWork:
    """Notes on disk what is being worked on. Every method raises RetryError where the disk fails."""

    def __init__(self, segments: Path, staging: Path, held: Deferred, pauses: Backoffs, log: Log) -> None:
        self._segments = segments
        self._staging = staging
        self._begun = Begun(staging)
        self._held = held
        self._pauses = pauses
        self._log = log
        self._kills: dict[str, int] = {}

    def charge_previous_run(self, *, after_crash: bool) -> None:
        """Count a failure or a kill against each segment that the previous process was working on when it died."""
        with _noting("what the previous process was working on"):
            for segment_id in self._begun.found():
                self._charge(segment_id, FAILURES if after_crash else KILLS)
                self._begun.forget(segment_id)
            ids = counted(self._segments, KILLS)
            self._kills = {id_: Attempts(self._segments / f"{id_}.db", KILLS).count() for id_ in ids}
        self.defer_killed()

    def defer_killed(self) -> None:
        """Defer the segments at which the process was killed MAX_KILLS times or more."""
        for segment_id, kills in self._kills.items():
            if kills >= MAX_KILLS:
                secs = KILLED_SECS * 2 ** min(kills - MAX_KILLS, _DOUBLINGS)
                self._pauses.begin_for(segment_id, secs)
                self._held.hold(segment_id, f"the archiver was killed {kills} times while it worked on {segment_id}")

    def comes_last(self, segment_id: str) -> bool:
        """Whether the process was killed while it worked on this segment."""
        return segment_id in self._kills

    @contextmanager
    def working_on(self, segment_id: str) -> Iterator[None]:
        """Within the `with` block, the segment is the one being worked on."""
        with _noting(segment_id):
            self._begun.note(segment_id)
        try:
            yield
        finally:
            with _noting(segment_id):
                self._begun.forget(segment_id)

    def forget(self, segment_id: str) -> None:
        """The segment has a set, or is archived, or in quarantine: its kills no longer count."""
        self._kills.pop(segment_id, None)

    def _charge(self, segment_id: str, suffix: str) -> None:
        path = self._segments / f"{segment_id}.db"
        if not path.exists():
            # Its set took its place. A set is not staged again, so its kills do not count.
            path = self._staging / segment_id
            if suffix == KILLS or not path.exists():
                return
        count = Attempts(path, suffix).count() + 1
        Attempts(path, suffix).note(count)
        self._log.warning("segment_interrupted", segment=segment_id, crashed=suffix == FAILURES, times=count)


@contextmanager
def _noting(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RetryError(f"work on {what} cannot be noted: {error}") from error
