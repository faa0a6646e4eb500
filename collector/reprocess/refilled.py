"""Holes that were filled while the frames of their messages were not understood. No I/O.

What filled one, such as an answer over REST, is a row already, of this segment or of a later one.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping
from typing import Any, NamedTuple

from collector.domain.records import Envelope, StreamKey


def ids_of_hole(row: Mapping[str, Any]) -> tuple[int, int] | None:
    """The first id that a row of the ledger misses, and the one behind the last; None if it is of no hole in ids."""
    ids = row["expected_id"] or "", row["actual_id"] or ""
    if row["kind"] != "sequence" or not all(text.isascii() and text.isdigit() for text in ids):
        return None
    return int(ids[0]), int(ids[1])


class _Hole(NamedTuple):
    first: int
    end: int
    """The id behind the last one."""
    begin_us: int
    end_us: int


class Refilled:
    """The filled holes of every stream with dense ids."""

    def __init__(self) -> None:
        self._holes: dict[StreamKey, list[_Hole]] = {}

    def note_gap(self, stream: StreamKey, row: Mapping[str, Any]) -> None:
        """Note a row of the ledger, times in µs since the epoch."""
        ids = ids_of_hole(row)
        if ids is not None and row["status"] == "repaired" and row["ended_at"] is not None:
            hole = _Hole(*ids, row["started_at"], row["ended_at"])
            holes = self._holes.setdefault(stream, [])
            if hole not in holes[bisect_left(holes, hole) :][:1]:
                insort(holes, hole)

    def has(self, message: Envelope, received_us: int) -> bool:
        """Whether a message that was received then is one that filled a hole."""
        holes = self._holes.get(message.stream)
        if not holes or message.id is None or message.is_snapshot:
            return False
        # Holes of one series do not overlap, and one of another series is of another time.
        index = bisect_right(holes, message.id, key=lambda hole: hole.first) - 1
        hole = holes[index]
        return index >= 0 and message.id < hole.end and hole.begin_us <= received_us <= hole.end_us
