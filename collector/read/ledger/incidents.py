"""Groups rows of the gap ledger into incidents, over all streams of an exchange.

Rows belong to one incident when their exchange and cause are the same and each begins before the incident is over, or
at most `ADJOINING_SECS` later. A silence lasts until its own stream speaks, and nobody knows how long a row that is not
closed will last: such rows admit others only within `SILENCE_ADMITS_SECS` of their start, or one dead stream would
gather everything that happens in the days after it.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from collector.domain.names import iso_time
from collector.domain.records import StreamKey
from collector.read.ledger.gaps import LedgerRow

ADJOINING_SECS: Final = 2
"""Streams notice the same trouble up to this long after one another."""

SILENCE_ADMITS_SECS: Final = 60

LASTING: Final = "lasting"
"""The status of a row that is not closed. `open` is left for gaps that are over and may still be repaired."""

STATUSES: Final = ("repaired", "partly_repaired", "unrepairable", "open", LASTING)


_LOSE_NOTHING: Final = frozenset({"reset", "book_unknown"})
"""Kinds of rows that are final once they are over, although no message is missing."""


class Incident(NamedTuple):
    """Rows of one exchange and one cause that belong together in time, the earliest first; never empty."""

    rows: tuple[LedgerRow, ...]

    @property
    def exchange(self) -> str:
        """The exchange of all its rows."""
        return self.rows[0].exchange

    @property
    def cause(self) -> str:
        """The cause of all its rows."""
        return self.rows[0].gap.cause

    @property
    def started_at(self) -> int:
        """The earliest start of its rows, in microseconds."""
        return self.rows[0].gap.started_at

    @property
    def ended_at(self) -> int | None:
        """The latest end of its rows, in microseconds; None while one of them lasts."""
        ends = [row.gap.ended_at for row in self.rows]
        return None if None in ends else max(end for end in ends if end is not None)

    @property
    def streams(self) -> frozenset[StreamKey]:
        """The streams concerned."""
        return frozenset(row.stream for row in self.rows)

    @property
    def kinds(self) -> Counter[str]:
        """How many rows there are of each kind."""
        return Counter(row.gap.kind for row in self.rows)

    @property
    def statuses(self) -> Counter[str]:
        """How many rows there are of each of STATUSES."""
        return Counter(status(row) for row in self.rows)

    @property
    def outcomes(self) -> Counter[str]:
        """The statuses of its rows, except that what is over and has lost nothing counts by its kind: it needs no repair."""
        return Counter(
            row.gap.kind if row.gap.kind in _LOSE_NOTHING and status(row) == "unrepairable" else status(row)
            for row in self.rows
        )

    def as_object(self) -> dict[str, Any]:
        """The incident for `--json`, with the ids of its rows."""
        return {
            "exchange": self.exchange,
            "cause": self.cause,
            "started_at": iso_time(self.started_at),
            "ended_at": None if self.ended_at is None else iso_time(self.ended_at),
            "streams": len(self.streams),
            "kinds": dict(self.kinds),
            **{name: self.statuses[name] for name in STATUSES},
            "gap_ids": [row.gap.gap_id for row in self.rows],
        }


def incidents(rows: Iterable[LedgerRow]) -> list[Incident]:
    """Put each row, the latest of its gap, into exactly one incident; the earliest incident first."""
    of_trouble: dict[tuple[str, str], list[LedgerRow]] = {}
    for row in sorted(rows, key=_order):
        of_trouble.setdefault((row.exchange, row.gap.cause), []).append(row)
    found = [incident for alike in of_trouble.values() for incident in _split(alike)]
    return sorted(found, key=lambda incident: _order(incident.rows[0]))


def status(row: LedgerRow) -> str:
    """The row's status; LASTING while it is not closed."""
    return LASTING if row.gap.ended_at is None else row.gap.status


def _split(ordered: list[LedgerRow]) -> list[Incident]:
    """Begin a new incident where a row starts after the ones before it admit no more."""
    groups: list[list[LedgerRow]] = []
    until_us = 0
    for row in ordered:
        if groups and row.gap.started_at <= until_us:
            groups[-1].append(row)
            until_us = max(until_us, _admits_until_us(row))
        else:
            groups.append([row])
            until_us = _admits_until_us(row)
    return [Incident(tuple(group)) for group in groups]


def _admits_until_us(row: LedgerRow) -> int:
    """Until when rows may begin that belong to the same incident as this one."""
    gap = row.gap
    until_us = gap.started_at + SILENCE_ADMITS_SECS * 1_000_000
    if gap.ended_at is not None:
        until_us = min(gap.ended_at, until_us) if gap.kind == "silence" else gap.ended_at
    return until_us + ADJOINING_SECS * 1_000_000


def _order(row: LedgerRow) -> tuple[int, str, str, str]:
    return row.gap.started_at, row.gap.gap_id, *row.stream[1:]
