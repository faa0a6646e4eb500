"""Rules for the holes of one stream: when a hole gets a ledger row, when it joins a stretch, and when it is forgotten.

A message covers the ids `first_id` to `id`, and the next one should begin at `id + 1`; if it begins above, the ids
between are a hole. Redundant lines and the exchange itself may deliver a message late, so a hole becomes a gap only after
the reorder window.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from operator import attrgetter
from typing import Final

from collector.domain.gap_stretches import RowAllowance
from collector.domain.sequence.hole import DueRow, Hole
from collector.domain.steps_back import has_passed

REORDER_SECS: Final = 2.0
"""Reorder window: a message at most this late is only counted as late; one that comes later repairs a gap."""

MAX_HOLES: Final = 1_024
"""Maximum number of holes kept per stream. Ids of forgotten holes count as unknown, so no message is dropped as a copy."""

MAX_REQUESTED_HOLES: Final = 65_536
"""Maximum number of requested holes kept per stream besides those. They are kept because an answer for a forgotten hole
could not be told from what is stored."""

MAX_REQUESTED_HOLES_IN_ALL: Final = 131_072
"""Upper limit over all streams; about 90 MB."""

MIN_REQUESTED_HOLES: Final = 32
"""Every stream may have at least this many."""


def max_requested(streams: int) -> int:
    """Maximum number of requested holes kept per stream if there are `streams` streams."""
    return max(MIN_REQUESTED_HOLES, min(MAX_REQUESTED_HOLES, MAX_REQUESTED_HOLES_IN_ALL // max(1, streams)))


class Finder:
    """Finds a stream's holes by id, by bisection. Rebuild it after the list changes."""

    def __init__(self, holes: list[Hole]) -> None:
        """`holes` ascend by first id. A hole may lie inside a stretch, so the running maximum of the ends is searched."""
        self._holes = holes
        self._ends = list(accumulate((hole.next_id for hole in holes), max))

    def touched(self, first: int, last: int) -> list[Hole]:
        """The holes in which these ids may be missing."""
        begin = bisect_right(self._ends, first)
        end = bisect_right(self._holes, last, lo=begin, key=attrgetter("first_id"))
        return self._holes[begin:end]


def settle(holes: list[Hole], allowance: RowAllowance, series: int, now_us: int, *, all_due: bool) -> list[DueRow]:
    """The rows that are due. Drops the holes that have filled; changes `holes` and `allowance`."""
    unsettled = [hole for hole in holes if not hole.row_is_settled]
    changing = [hole for hole in unsettled if hole.state != "pending"]
    due = [
        hole
        for hole in unsettled
        if hole.state == "pending" and hole.parts and (all_due or _has_waited(hole.until_us, now_us))
    ]
    due_rows = list(_new_ones(changing, due, allowance, series))
    # With `all_due`, a stretch that begins now also ends now, and needs only one row.
    due_rows += _changes([*changing, *(hole for hole in due if hole.lasts)], series, now_us, all_due=all_due)
    due_rows = list({id(due_row.hole): due_row for due_row in due_rows}.values())
    if not all(hole.parts or hole.lasts for hole in unsettled):
        holes[:] = [hole for hole in holes if hole.parts or hole.lasts]
    return [due_row for due_row in due_rows if due_row.hole.has_rows]


def outdated(holes: list[Hole], series: int) -> list[DueRow]:
    """New rows for the holes whose row is out of date, although the next one is not due yet."""
    found = [hole for hole in holes if not hole.row_count_is_current and hole.state != "pending" and hole.has_rows]
    return [DueRow(series, hole, "open", None) if hole.lasts else _change(series, hole) for hole in found]


def forget(holes: list[Hole], series: int, max_requested: int) -> tuple[list[DueRow], int]:
    """Drop the oldest holes beyond `max_requested` requested ones and MAX_HOLES others; changes `holes`.

    Returns the final rows of dropped holes that still need one, and the id after the last dropped hole, or 0.
    """
    dropped = [*_surplus(holes, max_requested, requested=True), *_surplus(holes, MAX_HOLES, requested=False)]
    behind = _drop(holes, dropped)
    due_rows = []
    for hole in dropped:
        hole.end()
        if hole.state == "ending" and hole.has_rows:
            due_rows.append(_change(series, hole))
    return due_rows, behind


def grow_older(holes: list[Hole], oldest: int, kept: int = 0) -> int:
    """Age each hole by one, and drop those that nothing can fill any more; changes `holes`.

    A hole is dropped if its row is up to date, it is not requested, and it is so old that no connection can still deliver
    messages sent before it. The newest `kept` of those stay. Returns the id after the last dropped hole, or 0.
    """
    for hole in holes:
        hole.age += not hole.is_requested
    old = [hole for hole in holes if hole.age >= oldest and hole.row_is_settled and not hole.is_requested]
    gone = [hole for hole in old if hole.row_count_is_current or not hole.has_rows]
    return _drop(holes, gone[: max(0, len(gone) - kept)])


def _drop(holes: list[Hole], dropped: list[Hole]) -> int:
    if dropped:
        gone = set(map(id, dropped))
        holes[:] = [hole for hole in holes if id(hole) not in gone]
    return max((hole.next_id for hole in dropped), default=0)


def _surplus(holes: list[Hole], limit: int, *, requested: bool) -> Iterator[Hole]:
    kept = [hole for hole in holes if hole.is_requested is requested]
    surplus = sum(len(hole.parts) for hole in kept) - limit
    for hole in kept:
        has_row = hole.row_is_settled or (hole.state == "changed" and hole.parts)
        if surplus <= 0 or not has_row:
            return
        surplus -= len(hole.parts)
        yield hole


def _new_ones(changing: list[Hole], due: list[Hole], allowance: RowAllowance, series: int) -> Iterator[DueRow]:
    stretch = next((hole for hole in changing if hole.lasts), None)
    for hole in due:
        if not hole.has_rows:
            hole.state = "reported"
        elif stretch is not None and not stretch.is_quiet(hole.until_us):
            stretch.join(hole)
        elif allowance.grants(hole.until_us):
            hole.state = "reported"
            yield DueRow(series, hole, "open", None)
        else:
            stretch, hole.state = hole, "lasting"
            yield DueRow(series, hole, "open", None)


def _changes(holes: list[Hole], series: int, now_us: int, *, all_due: bool) -> Iterator[DueRow]:
    for hole in holes:
        if hole.lasts and (all_due or hole.is_over(now_us)):
            hole.state = "reported"
            yield DueRow(series, hole, "open", None) if hole.parts else _change(series, hole)
        elif hole.state == "ending":
            yield _change(series, hole)
            hole.state = "ended"
        elif hole.state == "changed" and (all_due or not hole.parts or _has_waited(hole.filled_us, now_us)):
            # While more late messages come, a row for each check would flood the ledger.
            yield _change(series, hole)
            hole.state = "reported"


def _change(series: int, hole: Hole) -> DueRow:
    repaired_by = "rest" if hole.by_rest else "late"
    if not hole.parts:
        return DueRow(series, hole, "repaired", repaired_by)
    if hole.state == "ending" and hole.missing == hole.whole:
        return DueRow(series, hole, "unrepairable", None)
    return DueRow(series, hole, "partly_repaired", repaired_by)


def _has_waited(since_us: int, now_us: int) -> bool:
    # If the clock was set back it is due at once, so that it is not put off.
    return has_passed(round(REORDER_SECS * 1_000_000), since_us, now_us)
