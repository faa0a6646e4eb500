"""Holes in a stream's ids: found when a message begins behind the next id expected, judged when they had time to fill.

A message covers the ids `first_id` to `id`; the next one begins at `id + 1`. Redundant lines and the exchange itself may
deliver a message late, so a hole becomes a gap only after the reorder window.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from operator import itemgetter
from typing import Final, NamedTuple

import msgspec

from collector.domain.gaps import STRETCH_SECS, Allowance
from collector.domain.names import gap_id
from collector.domain.records import Gap, StreamKey

REORDER_SECS: Final = 2.0
"""How late a message may come and be only counted; one that comes later repairs its gap."""

MAX_HOLES: Final = 1_024
"""So many holes of a stream are remembered; ids of forgotten ones are taken as unknown, so nothing is dropped."""

MAX_ASKED_HOLES: Final = 65_536
"""So many more while they are asked for: what is answered for a forgotten one cannot be told from what is stored."""

ASKED_HOLES_OF_ALL: Final = 524_288
"""Streams share these, some 70 MB; each may have `MAX_HOLES` whatever the others have."""

STRETCH_HOLES: Final = 512
STRETCH_LONGEST_SECS: Final = 900
"""A stretch of holes is closed at this number or age, so that what is missing can be asked for while it can be had."""

REFUSED: Final = "disk_budget"
"""A hole that nothing but refused frames explains needs no row of its own: a `budget` row says so."""


class Hole(msgspec.Struct, array_like=True):
    """Ids that did not come; of a stretch, all of its holes."""

    first_id: int
    """The first id missing when it was found: the `expected_id`."""
    next_id: int
    """The first id that came behind it, or behind the last of them: the `actual_id`."""
    since_us: int
    """When the message before it was received."""
    until_us: int
    """When the message behind it was received."""
    cause: str
    parts: list[tuple[int, int]]
    """What is still missing, as (first, last), ascending."""
    state: str = "pending"
    """pending: may still fill; reported: has a row; changed: has a row that no longer says how it is; ending: nothing
    more will be asked for, and no row says so yet; ended: one does; lasting: a stretch that others still join."""
    by_rest: bool = False
    """Some of it came over REST."""
    joined: int = 0
    """How many ids were missing in those that joined it, and in itself; 0 before one does."""
    asked: bool = False
    """What is missing is asked for, and has not been answered to the end."""
    detected_us: int = 0
    """What its newest row says of when it was detected."""
    filled_us: int = 0
    """When the newest message that came late into it was received."""

    @property
    def missing(self) -> int:
        """How many ids are still missing."""
        return sum(last - first + 1 for first, last in self.parts)

    def fill(self, first: int, last: int, received_us: int) -> bool:
        """Take out what overlaps with these ids; false if nothing does."""
        if not self._take_out(first, last):
            return False
        self.filled_us = received_us
        if self.has_row:
            self.state = "changed"
        return True

    def backfill(self, first: int, last: int) -> bool:
        """As `fill`, by what came over REST: a row says so once nothing is missing, or nothing more will come."""
        if not self._take_out(first, last):
            return False
        self.by_rest = True
        if not self.parts and not self.lasts:
            self.state = "changed"
        return True

    def join(self, other: "Hole") -> None:
        """Take over another one, which is empty then."""
        self.joined = self.whole + other.whole
        self.parts += other.parts
        self.next_id, self.until_us = other.next_id, other.until_us
        other.parts = []

    def end(self) -> None:
        """What is still missing will not be asked for any more, and nothing joins it; it may yet come by itself."""
        self.asked = False
        if self.parts and self.state != "ended":
            self.state = "ending"
        elif self.lasts:
            self.state = "changed"

    @property
    def has_row(self) -> bool:
        """Whether a row says how it is."""
        return self.state in {"reported", "ended"}

    @property
    def lasts(self) -> bool:
        """Whether it is a stretch that others still join: it is not to be asked for yet."""
        return self.state == "lasting"

    @property
    def whole(self) -> int:
        """How many ids were missing at first."""
        return self.joined or self.next_id - self.first_id

    def is_quiet(self, now_us: int) -> bool:
        """Whether nothing has joined the stretch for long enough; a clock set back must not put off its end."""
        return not 0 <= now_us - self.until_us <= STRETCH_SECS * 1_000_000

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
        return bool(touched)


class Finding(NamedTuple):
    """A hole whose row is due."""

    series: int
    hole: Hole
    status: str
    repaired_by: str | None

    def row(self, key: StreamKey, detected_us: int, *, chained: bool) -> Gap:
        """The ledger's row; one for the same hole has the same `gap_id`, and a later `detected_at`.

        `chained` ids are told as the exchange tells them: the id before the hole, and the one the message behind it
        names; how much is missing between them cannot be known.
        """
        hole, back = self.hole, int(chained)
        hole.detected_us = max(detected_us, hole.until_us + 1, hole.detected_us + 1)
        expected, actual = str(hole.first_id - back), str(hole.next_id - back)
        return Gap(
            gap_id(key, self.series, "sequence", expected, hole.since_us), key.data_type, "sequence", hole.cause,
            expected, actual, None if chained else hole.missing, hole.since_us, None if hole.lasts else hole.until_us,
            None, self.status, self.repaired_by, hole.detected_us,
        )  # fmt: skip


def settle(holes: list[Hole], allowance: Allowance, series: int, now_us: int, *, all_due: bool) -> list[Finding]:
    """Say which holes have a row due, and drop those that have filled; changes `holes` and `allowance`."""
    changing = [hole for hole in holes if hole.state in {"changed", "ending", "lasting"}]
    due = [
        hole
        for hole in holes
        if hole.state == "pending" and hole.parts and (all_due or _has_waited(hole.until_us, now_us))
    ]
    findings = [*_new_ones(holes, due, allowance, series), *_changes(changing, series, now_us, all_due=all_due)]
    holes[:] = [hole for hole in holes if hole.parts or hole.lasts]
    return [finding for finding in findings if finding.hole.cause != REFUSED]


def forget(holes: list[Hole], series: int, most_asked: int) -> tuple[list[Finding], int]:
    """Drop the oldest of too many, those asked for and the others each; changes `holes`.

    Returns the final rows of those that have none, and the id behind the last one dropped; 0 if none was.
    """
    dropped = [*_surplus(holes, most_asked, asked=True), *_surplus(holes, MAX_HOLES, asked=False)]
    if not dropped:
        return [], 0
    gone = set(map(id, dropped))
    holes[:] = [hole for hole in holes if id(hole) not in gone]
    findings = []
    for hole in dropped:
        hole.end()
        if hole.state == "ending" and hole.cause != REFUSED:
            findings.append(_change(series, hole))
    return findings, max(hole.next_id for hole in dropped)


def _surplus(holes: list[Hole], most: int, *, asked: bool) -> Iterator[Hole]:
    kept = [hole for hole in holes if hole.asked is asked]
    surplus = sum(len(hole.parts) for hole in kept) - most
    for hole in kept:
        is_told = hole.has_row or (hole.state == "changed" and hole.parts)
        if surplus <= 0 or not is_told:
            return
        surplus -= len(hole.parts)
        yield hole


def _new_ones(holes: list[Hole], due: list[Hole], allowance: Allowance, series: int) -> Iterator[Finding]:
    stretch = next((hole for hole in holes if hole.lasts), None)
    for hole in due:
        if hole.cause == REFUSED:
            hole.state = "reported"
        elif stretch is not None and not stretch.is_quiet(hole.until_us):
            stretch.join(hole)
        elif allowance.grants(hole.until_us):
            hole.state = "reported"
            yield Finding(series, hole, "open", None)
        else:
            stretch, hole.state = hole, "lasting"
            yield Finding(series, hole, "open", None)


def _changes(holes: list[Hole], series: int, now_us: int, *, all_due: bool) -> Iterator[Finding]:
    for hole in holes:
        if hole.lasts and hole.is_over(now_us):
            hole.state = "reported"
            yield Finding(series, hole, "open", None) if hole.parts else _change(series, hole)
        elif hole.state == "ending":
            yield _change(series, hole)
            hole.state = "ended"
        elif hole.state == "changed" and (all_due or not hole.parts or _has_waited(hole.filled_us, now_us)):
            # While more comes, a row for each look at it would flood the ledger.
            yield _change(series, hole)
            hole.state = "reported"


def _change(series: int, hole: Hole) -> Finding:
    repaired_by = "rest" if hole.by_rest else "late"
    if not hole.parts:
        return Finding(series, hole, "repaired", repaired_by)
    if hole.state == "ending" and hole.missing == hole.whole:
        return Finding(series, hole, "unrepairable", None)
    return Finding(series, hole, "partly_repaired", repaired_by)


def _has_waited(since_us: int, now_us: int) -> bool:
    # A clock set back must not put it off: then it is due at once.
    return not 0 <= now_us - since_us < REORDER_SECS * 1_000_000


def _without(part: tuple[int, int], first: int, last: int) -> Iterator[tuple[int, int]]:
    if part[0] < first:
        yield (part[0], first - 1)
    if part[1] > last:
        yield (last + 1, part[1])
