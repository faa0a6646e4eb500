"""The counts of one run of the recorder. They are committed together with the rows, so a kill cannot make them differ.

A run lasts from a supervisor's start to its end and has an id; the counts of another run start at zero.
"""

from itertools import product
from typing import Final

import msgspec

from collector.domain.records import GAP_KINDS, GAP_STATUSES

GAP_CODES: Final = {pair: code for code, pair in enumerate(product(GAP_KINDS, GAP_STATUSES))}
"""A small number for each kind and status of a gap, to keep commits small: each holds the counts of every stream in it."""

KIND_AND_STATUS: Final = tuple(GAP_CODES)
"""Kind and status by number: the inverse of `GAP_CODES`."""

GapLabels = tuple[str, str, str, str, str]
"""Exchange, symbol, data type, kind and status of a row of the gap ledger."""


class StreamCounts(msgspec.Struct, array_like=True, frozen=True):
    """Counts of one stream. Copies count in `duplicates` and `duplicate_bytes` only."""

    run_id: str = ""
    messages: int = 0
    bytes: int = 0
    duplicates: int = 0
    duplicate_bytes: int = 0
    late: int = 0
    gaps: dict[int, int] = {}
    """Number of rows of the gap ledger by `GAP_CODES`."""
    saved: int = 0
    """Messages that one line skipped and another one brought."""
    first: dict[int, int] = {}
    """Messages by the line that brought them first, while several lines have places."""


class RunCounts(msgspec.Struct, frozen=True):
    """Counts that belong to no stream."""

    run_id: str = ""
    refused: int = 0
    """Frames that ingest refused because the journal's disk budget was used up."""
    gaps: list[tuple[GapLabels, int]] = []
    """Number of rows of the gap ledger that belong to no stream with a message, by their labels."""
    unasked: int = 0
    """Frames of channels that nobody subscribed."""
    frame_holes: int = 0
    """How often frames of a connection were lost, as the exchange's numbers of frames show."""
