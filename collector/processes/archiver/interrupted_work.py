"""What was being worked on when the archiver died, and what follows from it.

A crash (a fault of the process's own, which this supervisor saw) counts like any other failure of the segment's. Any
other death may have come from outside: a power cut, a container's end, an operator, the kernel short of memory, a
supervisor that took it for hung. It counts as a kill, which is no reason to set a segment aside, however often: but
what was being worked on comes behind everything else, and after some kills waits longer each time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from structlog.typing import FilteringBoundLogger

from collector.domain.errors import RetryError
from collector.processes.archiver.backoff import Backoffs, Deferred
from collector.storage.segment.attempts import FAILURES, KILLS, Attempts, Begun, counted

MAX_KILLS: Final = 3
"""So many are still told from bad luck by nothing."""

KILLED_SECS: Final = 60.0
"""The first pause; each further kill doubles it,"""

_DOUBLINGS: Final = 6
"""but not more often."""


class InterruptedWork:
    """Every method raises RetryError where the disk does not take or give what is noted."""

    def __init__(
        self, segments: Path, staging: Path, held: Deferred, pauses: Backoffs, log: FilteringBoundLogger
    ) -> None:
        self._segments = segments
        self._staging = staging
        self._begun = Begun(staging)
        self._held = held
        self._pauses = pauses
        self._log = log
        self._kills: dict[str, int] = {}

    def charge_previous_run(self, *, after_crash: bool) -> None:
        """Lay what an earlier process died of to the charge of what it had begun."""
        with _noting("what an earlier process had begun"):
            for segment_id in self._begun.found():
                self._charge(segment_id, FAILURES if after_crash else KILLS)
                self._begun.forget(segment_id)
            ids = counted(self._segments, KILLS)
            self._kills = {id_: Attempts(self._segments / f"{id_}.db", KILLS).count() for id_ in ids}
        self.defer_killed()

    def defer_killed(self) -> None:
        """Leave alone for a while what the process was killed at too often."""
        for segment_id, kills in self._kills.items():
            if kills >= MAX_KILLS:
                secs = KILLED_SECS * 2 ** min(kills - MAX_KILLS, _DOUBLINGS)
                self._pauses.begin_for(segment_id, secs)
                self._held.hold(segment_id, f"the archiver was killed {kills} times while it worked on {segment_id}")

    def comes_last(self, segment_id: str) -> bool:
        """Whether the process was killed while it worked on it."""
        return segment_id in self._kills

    @contextmanager
    def working_on(self, segment_id: str) -> Iterator[None]:
        """While this lasts, the segment is what is being worked on."""
        with _noting(segment_id):
            self._begun.note(segment_id)
        try:
            yield
        finally:
            with _noting(segment_id):
                self._begun.forget(segment_id)

    def forget(self, segment_id: str) -> None:
        """It has become a set, or is done with."""
        self._kills.pop(segment_id, None)

    def _charge(self, segment_id: str, suffix: str) -> None:
        path = self._segments / f"{segment_id}.db"
        if not path.exists():
            # Its set took its place. That one is not made any more, so no kill makes it wait.
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
        raise RetryError(f"the work on {what} cannot be noted: {error}") from error
