"""Holes in a stream's ids: found when a message begins behind the next id expected, judged when they had time to fill.

A message covers the ids `first_id` to `id`; the next one begins at `id + 1`. Redundant lines and the exchange itself may
deliver a message late, so a hole becomes a gap only after the reorder window.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from operator import attrgetter
from typing import Final

from collector.domain.gaps import RowAllowance
from collector.domain.sequence.hole import REFUSED, Finding, Hole

REORDER_SECS: Final = 2.0
"""How late a message may come and be only counted; one that comes later repairs its gap."""

MAX_HOLES: Final = 1_024
"""So many holes of a stream are remembered; ids of forgotten ones are taken as unknown, so nothing is dropped."""

MAX_ASKED_HOLES: Final = 65_536
"""So many more while they are asked for: what is answered for a forgotten one cannot be told from what is stored."""

ASKED_HOLES_OF_ALL: Final = 131_072
"""Streams share these, some 90 MB in memory;"""

LEAST_ASKED_HOLES: Final = 32
"""but each may have so many."""


def most_asked(streams: int) -> int:
    """How many holes that are asked for are remembered of each of so many streams."""
    return max(LEAST_ASKED_HOLES, min(MAX_ASKED_HOLES, ASKED_HOLES_OF_ALL // max(1, streams)))


class Finder:
    """Finds holes of a stream by their ids, by bisection; made anew once one was added, joined another or was dropped."""

    def __init__(self, holes: list[Hole]) -> None:
        """`holes` ascend by their first id. One may lie between those of a stretch, so what ends is the farthest so far."""
        self._holes = holes
        self._ends = list(accumulate((hole.next_id for hole in holes), max))

    def touched(self, first: int, last: int) -> list[Hole]:
        """Those that these ids may be missing in."""
        begin = bisect_right(self._ends, first)
        end = bisect_right(self._holes, last, lo=begin, key=attrgetter("first_id"))
        return self._holes[begin:end]


def settle(holes: list[Hole], allowance: RowAllowance, series: int, now_us: int, *, all_due: bool) -> list[Finding]:
    """Say which holes have a row due, and drop those that have filled; changes `holes` and `allowance`."""
    untold = [hole for hole in holes if not hole.has_row]
    changing = [hole for hole in untold if hole.state != "pending"]
    due = [
        hole
        for hole in untold
        if hole.state == "pending" and hole.parts and (all_due or _has_waited(hole.until_us, now_us))
    ]
    findings = list(_new_ones(changing, due, allowance, series))
    # A stretch that begins at the end ends there, too, and needs but one row.
    findings += _changes([*changing, *(hole for hole in due if hole.lasts)], series, now_us, all_due=all_due)
    findings = list({id(finding.hole): finding for finding in findings}.values())
    if not all(hole.parts or hole.lasts for hole in untold):
        holes[:] = [hole for hole in holes if hole.parts or hole.lasts]
    return [finding for finding in findings if finding.hole.cause != REFUSED]


def outdated(holes: list[Hole], series: int) -> list[Finding]:
    """Those whose row no longer says how much is missing, though none is due yet."""
    found = [hole for hole in holes if not hole.is_told and hole.state != "pending" and hole.cause != REFUSED]
    return [Finding(series, hole, "open", None) if hole.lasts else _change(series, hole) for hole in found]


def forget(holes: list[Hole], series: int, most_asked: int) -> tuple[list[Finding], int]:
    """Drop the oldest of too many, those asked for and the others each; changes `holes`.

    Returns the final rows of those that have none, and the id behind the last one dropped; 0 if none was.
    """
    dropped = [*_surplus(holes, most_asked, asked=True), *_surplus(holes, MAX_HOLES, asked=False)]
    behind = _drop(holes, dropped)
    findings = []
    for hole in dropped:
        hole.end()
        if hole.state == "ending" and hole.cause != REFUSED:
            findings.append(_change(series, hole))
    return findings, behind


def grow_older(holes: list[Hole], oldest: int) -> int:
    """Let each hole age by one, and drop those that nothing fills any more; changes `holes`.

    Those have a row that says how they are, are not asked for, and are so old that no connection can still bring what
    was sent before them. Returns the id behind the last one dropped; 0 if none was.
    """
    for hole in holes:
        hole.age += not hole.asked
    old = [hole for hole in holes if hole.age >= oldest and hole.has_row and not hole.asked]
    return _drop(holes, [hole for hole in old if hole.is_told or hole.cause == REFUSED])


def _drop(holes: list[Hole], dropped: list[Hole]) -> int:
    if dropped:
        gone = set(map(id, dropped))
        holes[:] = [hole for hole in holes if id(hole) not in gone]
    return max((hole.next_id for hole in dropped), default=0)


def _surplus(holes: list[Hole], most: int, *, asked: bool) -> Iterator[Hole]:
    kept = [hole for hole in holes if hole.asked is asked]
    surplus = sum(len(hole.parts) for hole in kept) - most
    for hole in kept:
        is_told = hole.has_row or (hole.state == "changed" and hole.parts)
        if surplus <= 0 or not is_told:
            return
        surplus -= len(hole.parts)
        yield hole


def _new_ones(changing: list[Hole], due: list[Hole], allowance: RowAllowance, series: int) -> Iterator[Finding]:
    stretch = next((hole for hole in changing if hole.lasts), None)
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
        if hole.lasts and (all_due or hole.is_over(now_us)):
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
