"""One hole in a stream's ids, or a stretch of many: how it fills, how it ends, and its rows in the gap ledger."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from operator import itemgetter
from typing import Final, NamedTuple

import msgspec

from collector.domain.gap_stretches import STRETCH_SECS
from collector.domain.names import gap_id
from collector.domain.records import Gap, StreamKey
from collector.domain.silence import LEFT
from collector.domain.steps_back import has_passed

STRETCH_HOLES: Final = 512
STRETCH_LONGEST_SECS: Final = 900
"""A stretch is closed at this number of holes or this age, so that its messages are requested while the exchange still
has them."""

REFUSED: Final = "disk_budget"
"""Cause of a hole that only refused frames explain. It gets no row of its own, because a `budget` row covers it."""

PENDING: Final = "pending"
"""State of a hole that may still fill: it has no row yet."""

_ROWLESS: Final = frozenset({REFUSED, LEFT})


class Hole(msgspec.Struct, array_like=True):
    """Missing ids; for a stretch, the missing ids of all its holes."""

    first_id: int
    """The first missing id when the hole was found: the `expected_id`."""
    next_id: int
    """The id that came after the hole, or after the last hole of a stretch: the `actual_id`."""
    since_us: int
    """When the message before the hole was received."""
    until_us: int
    """When the message after the hole was received."""
    cause: str
    parts: list[tuple[int, int]]
    """The ids still missing, as ascending ranges (first, last)."""
    state: str = PENDING
    """pending: may still fill, no row yet; reported: has a row; changed: its row is out of date; ending: nothing more
    will be requested, but no row says so yet; ended: a row says so; lasting: a stretch that other holes may still join."""
    by_rest: bool = False
    """Whether some of the ids were fetched over REST."""
    joined: int = 0
    """For a stretch: number of ids missing at first, in all of its holes; 0 while none has joined."""
    is_requested: bool = False
    """Whether the missing ids were requested and repair has not finished."""
    detected_us: int = 0
    """`detected_at` of its newest row."""
    filled_us: int = 0
    """When the newest late message that filled part of it was received."""
    row_count_is_current: bool = True
    """Whether `missing` of its newest row, if it has one, is up to date."""
    age: int = 0
    """How often it has aged since it was found or another hole last joined it; a requested hole does not age."""

    @property
    def missing(self) -> int:
        """Number of ids still missing."""
        return sum(last - first + 1 for first, last in self.parts)

    @property
    def has_rows(self) -> bool:
        """Whether the ledger gets rows of it: not of what refused frames explain, nor of what nobody asked for."""
        return self.cause not in _ROWLESS

    def fill(self, first: int, last: int, received_us: int) -> bool:
        """Note that a late message covers these ids. Returns whether any of them was missing."""
        if not self._take_out(first, last):
            return False
        self.filled_us = received_us
        if self.row_is_settled:
            self.state = "changed"
        return True

    def backfill(self, first: int, last: int) -> bool:
        """As `fill`, for a message fetched over REST. The next row is due once nothing is missing or nothing more comes."""
        if not self._take_out(first, last):
            return False
        self.by_rest = True
        if not self.parts and not self.lasts:
            self.state = "changed"
        return True

    def join(self, other: "Hole") -> None:
        """Add the missing ids of `other`, a later hole, to this stretch; `other` is empty afterwards."""
        self.joined = self.whole + other.whole
        self.parts += other.parts
        self.next_id, self.until_us, self.age = other.next_id, other.until_us, other.age
        self.row_count_is_current, other.parts = False, []

    def end(self) -> None:
        """Stop requesting the missing ids, and let no hole join any more; a late message may still fill it."""
        self.is_requested = False
        if self.parts and self.state != "ended":
            self.state = "ending"
        elif self.lasts:
            self.state = "changed"

    @property
    def row_is_settled(self) -> bool:
        """Whether its newest row stands and nothing is due."""
        return self.state in {"reported", "ended"}

    @property
    def lasts(self) -> bool:
        """Whether it is a stretch that other holes may still join; such a stretch is not requested yet."""
        return self.state == "lasting"

    @property
    def whole(self) -> int:
        """Number of ids that were missing at first."""
        return self.joined or self.next_id - self.first_id

    def is_quiet(self, now_us: int) -> bool:
        """Whether no hole has joined for STRETCH_SECS; a clock that was set back ends the stretch too."""
        return has_passed(STRETCH_SECS * 1_000_000 + 1, self.until_us, now_us)

    def is_over(self, now_us: int) -> bool:
        """Whether the stretch is to be closed."""
        long = self.until_us - self.since_us >= STRETCH_LONGEST_SECS * 1_000_000
        return long or len(self.parts) >= STRETCH_HOLES or self.is_quiet(now_us)

    def _take_out(self, first: int, last: int) -> bool:
        if last < self.first_id or first >= self.next_id:
            return False
        begin = bisect_left(self.parts, first, key=itemgetter(1))
        end = bisect_right(self.parts, last, key=itemgetter(0))
        touched = self.parts[begin:end]
        self.parts[begin:end] = [rest for part in touched for rest in _without(part, first, last)]
        self.row_count_is_current = self.row_count_is_current and not touched
        return bool(touched)


class DueRow(NamedTuple):
    """A hole whose next row is due, with that row's status."""

    series: int
    hole: Hole
    status: str
    repaired_by: str | None

    @property
    def is_final(self) -> bool:
        """Whether nothing more of the hole will be requested."""
        return self.status != "open" and not (self.hole.is_requested and self.hole.parts)

    def row(self, key: StreamKey, detected_us: int, *, chained: bool) -> Gap:
        """The row for the gap ledger. Rows of one hole have the same `gap_id` and ascending `detected_at`.

        For `chained` ids, `expected_id` is the id before the hole and `actual_id` the previous id that the message after
        it names; how many messages are missing between them is unknown.
        """
        hole, back = self.hole, int(chained)
        hole.detected_us, hole.row_count_is_current = max(detected_us, hole.until_us + 1, hole.detected_us + 1), True
        expected, actual = str(hole.first_id - back), str(hole.next_id - back)
        return Gap(
            self.gap_id(key, chained=chained), key.data_type, "sequence", hole.cause, expected, actual,
            None if chained else hole.missing, hole.since_us, None if hole.lasts else hole.until_us,
            None, self.status, self.repaired_by, hole.detected_us,
        )  # fmt: skip

    def gap_id(self, key: StreamKey, *, chained: bool) -> str:
        """The id that all rows of the hole share."""
        return gap_id(key, self.series, "sequence", str(self.hole.first_id - int(chained)), self.hole.since_us)


def _without(part: tuple[int, int], first: int, last: int) -> Iterator[tuple[int, int]]:
    if part[0] < first:
        yield (part[0], first - 1)
    if part[1] > last:
        yield (last + 1, part[1])
