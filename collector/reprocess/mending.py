"""Which gaps of a ledger are closed by what is understood now. No I/O.

A gap of undecodable frames is, once each of them is understood; a hole in dense ids, once messages that were received in its
time cover all of it. Any other gap stays as it is, and so does one of which only a part was found.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from collector.domain.records import Envelope, StreamKey
from collector.reprocess.refilled import ids_of_hole

MENDED_BY: Final = "reprocess"
"""What such a gap is repaired by, in the ledger."""

_UNMENDED: Final = frozenset({"open", "unrepairable"})

Row = Mapping[str, Any]
"""A row of the ledger, times in µs since the epoch."""


@dataclass
class _Frames:
    """A gap of frames that were not understood."""

    begin_us: int
    end_us: int
    missing: int
    found: int = 0

    @property
    def is_closed(self) -> bool:
        return self.found == self.missing


@dataclass
class _Hole:
    """Ids from `first` to before `end` that did not come."""

    first: int
    end: int
    begin_us: int
    end_us: int
    found: list[tuple[int, int]] = field(default_factory=list)
    """Parts that were found, the first id and the one behind the last: sorted, none touching another."""

    def add(self, first: int, end: int) -> None:
        insort(self.found, (max(first, self.first), min(end, self.end)))
        joined: list[tuple[int, int]] = []
        for begin, behind in self.found:
            if joined and begin <= joined[-1][1]:
                joined[-1] = joined[-1][0], max(behind, joined[-1][1])
            else:
                joined.append((begin, behind))
        self.found = joined

    @property
    def is_closed(self) -> bool:
        return self.found == [(self.first, self.end)]


class Mending:
    """The gaps of one segment's ledger, and what was found of them."""

    def __init__(self) -> None:
        self._frames: dict[StreamKey, list[_Frames]] = {}
        self._holes: dict[StreamKey, list[_Hole]] = {}
        self._by_gap: dict[tuple[StreamKey, str], _Frames | _Hole] = {}

    def note_gap(self, stream: StreamKey, row: Row, *, has_dense_ids: bool) -> None:
        """Note a row of the ledger, before anything is noted as found."""
        if row["status"] not in _UNMENDED or row["ended_at"] is None or not row["missing"]:
            return
        begin_us, end_us, place = row["started_at"], row["ended_at"], (stream, row["gap_id"])
        if row["kind"] == "undecodable":
            frames = self._by_gap[place] = _Frames(begin_us, end_us, row["missing"])
            self._frames.setdefault(stream, []).append(frames)
        elif has_dense_ids and (ids := ids_of_hole(row)) is not None and place not in self._by_gap:
            hole = self._by_gap[place] = _Hole(*ids, begin_us, end_us)
            self._holes.setdefault(stream, []).append(hole)

    def begin(self) -> None:
        """All gaps are noted."""
        for gaps in self._frames.values():
            gaps.sort(key=lambda gap: gap.begin_us)
        for holes in self._holes.values():
            holes.sort(key=lambda hole: hole.first)

    def note_frame(self, stream: StreamKey, received_us: int) -> None:
        """Note that a frame is understood; `stream` is what was known of it."""
        gaps = self._frames.get(stream, ())
        index = bisect_right(gaps, received_us, key=lambda gap: gap.begin_us) - 1
        if index >= 0 and received_us <= gaps[index].end_us:
            gaps[index].found += 1

    def note_messages(self, messages: Iterable[Envelope], received_us: int) -> None:
        """Note the messages of a frame that is understood."""
        for stream, message_id, first_id, _, _, is_snapshot in messages:
            holes = self._holes.get(stream)
            if holes and message_id is not None and not is_snapshot:
                first = message_id if first_id is None else first_id
                index = max(bisect_right(holes, first, key=lambda hole: hole.first) - 1, 0)
                for hole in holes[index : bisect_left(holes, message_id + 1, key=lambda hole: hole.first)]:
                    if first < hole.end and hole.begin_us <= received_us <= hole.end_us:
                        hole.add(first, message_id + 1)

    def is_closed(self, stream: StreamKey, row: Row) -> bool:
        """Whether a row of the ledger is of a gap that is closed now."""
        gap = self._by_gap.get((stream, row["gap_id"]))
        return gap is not None and row["status"] in _UNMENDED and row["ended_at"] is not None and gap.is_closed
