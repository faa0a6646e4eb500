"""The flags of a coverage cell, and the verdict that follows from them. No I/O, no clock."""

import re
from functools import lru_cache
from typing import Final

from collector.domain.records import StreamKey
from collector.exchanges import registry

ROWS: Final = 1
"""Durable rows lie in the cell, or both before and after it."""
SILENT: Final = 2
"""The stream was silent for longer than its limit."""
LOST: Final = 4
"""A gap that is not repaired overlaps the cell."""
REPAIRED: Final = 8
"""A repaired gap overlaps the cell."""
SETTLED: Final = 16
"""As LOST, by a gap that is no longer followed: a later repair does not clear it."""

_ALL: Final = ROWS | SILENT | LOST | REPAIRED | SETTLED

_PROVING: Final = frozenset(
    (exchange, data_type)
    for exchange in registry.data_types()
    for data_type in registry.adapter(exchange).id_rules
    if registry.proves_whole(exchange, data_type)
)


def proves_continuity(key: StreamKey) -> bool:
    """Whether the stream's ids, tickets or checksums show it if anything is missing between two rows."""
    return (key.exchange, key.data_type) in _PROVING


@lru_cache(maxsize=4_096)  # most streams share their cells with others, or with themselves a second ago
def runs(cells: bytes, *, proves: bool) -> str:
    """The verdicts as a letter and a count for each run of equal cells, oldest first, such as `.12r270g6`.

    `r`ecorded, `u`nverifiable (rows, but nothing that proves continuity), re`p`aired, `g`ap, or `.` where nothing is known.
    """
    found = _RUN.finditer(cells.translate(_PROVEN if proves else _UNPROVEN))
    return "".join(f"{chr(run[0][0])}{len(run[0])}" for run in found)


def with_flag(cells: bytes, first: int, last: int, flag: int) -> bytes:
    """The cells with `flag` added to those from `first` to `last`; indexes outside the strip are ignored."""
    start, end = max(0, first), min(len(cells) - 1, last) + 1
    if start >= end:
        return cells
    return cells[:start] + bytes(flags | flag for flags in cells[start:end]) + cells[end:]


def without_gaps(cells: bytes) -> bytes:
    """The cells without the flags of the gaps that are still followed."""
    return cells.translate(_WITHOUT_GAPS)


def _verdict(flags: int, *, proves: bool) -> str:
    if flags & (LOST | SETTLED):
        return "g"
    # A later row of a stream whose ids prove continuity also proves that nothing was lost in the silence.
    if flags & SILENT and not (proves and flags & ROWS):
        return "g"
    if flags & REPAIRED:
        return "p"
    return ("r" if proves else "u") if flags & ROWS else "."


_PROVEN, _UNPROVEN = (
    "".join(_verdict(flags & _ALL, proves=proves) for flags in range(256)).encode() for proves in (True, False)
)
_WITHOUT_GAPS: Final = bytes(flags & ~(LOST | REPAIRED) for flags in range(256))
_RUN: Final = re.compile(rb"(.)\1*")
