"""When to begin again from where storage is. Pure.

What the servers confirmed may be lost all the same, with their disks. Then storage tells of a hole, or its place stands still
and the stream does not hold what was confirmed. While the stream does hold it nothing is missing, however long storage is away.
To begin again sends everything behind the place once more, so each time that brings nothing it waits twice as long before the
next.
"""

from typing import Final

LONGEST_SECS: Final = 300.0


class Rewinds:
    """Watches how the place moves. Times are monotonic."""

    def __init__(self, rewind_secs: float) -> None:
        """`rewind_secs`: how long a place stands still before the stream is looked at, and between the first two rewinds."""
        self._first_secs = rewind_secs
        self._patience_secs = rewind_secs
        self._still_since: float | None = None
        self._begun_at: float | None = None

    def moved(self) -> None:
        """The place has moved, or nothing that was confirmed is behind it."""
        self._still_since = self._begun_at = None
        self._patience_secs = self._first_secs

    def stands_still(self, now: float) -> bool:
        """The place has not moved, and something is behind it; whether it is time to look at the stream, and again."""
        if self._still_since is None:
            self._still_since = now
        if now - self._still_since < self._first_secs:
            return False
        self._still_since = now
        return True

    def may_begin(self, now: float) -> bool:
        """Storage lacks what was confirmed; whether to begin again now."""
        return self._begun_at is None or now - self._begun_at >= self._patience_secs

    def begun(self, now: float) -> None:
        """It was begun again."""
        if self._begun_at is not None:
            self._patience_secs = min(2 * self._patience_secs, LONGEST_SECS)
        self._begun_at = self._still_since = now
