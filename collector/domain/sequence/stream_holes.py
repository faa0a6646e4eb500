"""The holes of one stream: adds them, fills them when messages come late, and returns the rows that are due."""

from collector.domain.sequence.hole import DueRow, Hole
from collector.domain.sequence.hole_rules import MAX_REQUESTED_HOLES, Finder, forget, grow_older, outdated, settle
from collector.domain.sequence.stream_progress import StreamProgress


class StreamHoles:
    """Manages the holes in a stream's progress. It only keeps rows that are still due for series that ended."""

    __slots__ = ("_finder", "_of_ended_series", "_progress")

    def __init__(self, progress: StreamProgress) -> None:
        self._progress = progress
        self._of_ended_series: list[DueRow] = []
        self._finder: Finder | None = None

    @property
    def unsettled(self) -> bool:
        """Whether a row is due for any hole, now or after the reorder window."""
        return bool(self._of_ended_series) or not all(hole.row_is_settled for hole in self._progress.holes)

    @property
    def broken_until(self) -> tuple[int, int]:
        """The id after the newest hole whose reorder window has passed, and when that id came; zeros if there is none."""
        judged = (hole for hole in self._progress.holes if hole.state != "pending")
        return max(((hole.next_id, hole.until_us) for hole in judged), default=(0, 0))

    def cause_of(self, next_id: int) -> str:
        """The cause of the hole that ends before this id."""
        return next((hole.cause for hole in self._progress.holes[::-1] if hole.next_id == next_id), "unknown")

    def add(self, first_id: int, next_id: int, received_us: int) -> None:
        """Add a hole: `next_id` has come, and the ids from `first_id` up to it are missing."""
        progress = self._progress
        cause = progress.suspect or "exchange"
        parts = [(first_id, next_id - 1)]
        progress.holes.append(Hole(first_id, next_id, progress.last_received_us, received_us, cause, parts))
        self._finder = None

    def fill(self, first: int, last: int, received_us: int) -> bool:
        """Note that a late message covers these ids. Returns whether any of them was missing."""
        filled = [hole.fill(first, last, received_us) for hole in self._touched(first, last)]
        return any(filled)

    def backfill(self, first: int, last: int) -> bool:
        """Note that a message fetched over REST covers these ids. Returns whether any of them was missing."""
        filled = [hole.backfill(first, last) for hole in self._touched(first, last)]
        return any(filled)

    def end(self, first: int, last: int) -> None:
        """Stop requesting whatever is still missing of these ids."""
        for hole in self._touched(first, last):
            if hole.next_id > first:
                hole.end()

    def settle(self, now_us: int, *, all_due: bool = False, max_requested: int = MAX_REQUESTED_HOLES) -> list[DueRow]:
        """The rows that are due. Call it while `unsettled`.

        At most `max_requested` requested holes are kept.
        """
        progress = self._progress
        self._finder = None
        # Holes are forgotten first, because those found below are requested only after this call.
        forgotten, behind = forget(progress.holes, progress.series, max_requested)
        progress.known_from_id = max(progress.known_from_id, behind)
        found = settle(progress.holes, progress.allowance, progress.series, now_us, all_due=all_due)
        return [*self.take_ended(), *forgotten, *found]

    def take_ended(self) -> list[DueRow]:
        """The last rows of series that have ended. They are stored nowhere, so they belong into the commit that ends them."""
        due_rows, self._of_ended_series = self._of_ended_series, []
        return due_rows

    def outdated(self) -> list[DueRow]:
        """New rows for the holes whose row says that more is missing than is."""
        return outdated(self._progress.holes, self._progress.series)

    def grow_older(self, oldest: int, kept: int = 0) -> bool:
        """Age each hole by one and forget those of age `oldest` that nothing can fill, but for the newest `kept`.

        Returns whether any was forgotten.
        """
        progress, self._finder = self._progress, None
        behind = grow_older(progress.holes, oldest, kept)
        progress.known_from_id = max(progress.known_from_id, behind)
        return behind > 0

    def end_series(self, progress: StreamProgress, now_us: int) -> None:
        """Begin a new series with this progress: the holes of the previous series get their final rows."""
        ended = self._progress
        for hole in ended.holes:
            hole.end()
        self._of_ended_series += settle(ended.holes, ended.allowance, ended.series, now_us, all_due=True)
        self._progress, self._finder = progress, None

    def _touched(self, first: int, last: int) -> list[Hole]:
        if self._finder is None:
            self._finder = Finder(self._progress.holes)
        return self._finder.touched(first, last)
