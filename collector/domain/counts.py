"""What one run of the recorder has counted. It commits with the rows, so no kill makes it differ from them.

A run is a supervisor's life, known by its id: another one's counts begin at nothing.
"""

from itertools import product
from typing import Final

import msgspec

from collector.domain.records import GAP_KINDS, GAP_STATUSES

GAP_CODES: Final = {pair: code for code, pair in enumerate(product(GAP_KINDS, GAP_STATUSES))}
"""A small number for each kind and status of a gap: every stream's counts are part of every commit."""

KIND_AND_STATUS: Final = tuple(GAP_CODES)
"""What each number stands for."""

GapLabels = tuple[str, str, str, str, str]
"""Exchange, symbol, data type, kind and status of a row of the gap ledger."""


class StreamCounts(msgspec.Struct, array_like=True, frozen=True):
    """Of one stream; copies are in `duplicates` alone."""

    run_id: str = ""
    messages: int = 0
    bytes: int = 0
    duplicates: int = 0
    duplicate_bytes: int = 0
    late: int = 0
    gaps: dict[int, int] = {}
    """Rows of the gap ledger by their `GAP_CODES`."""


class RunCounts(msgspec.Struct, frozen=True):
    """Beside the streams."""

    run_id: str = ""
    refused: int = 0
    """Frames that ingest refused for want of room."""
    gaps: list[tuple[GapLabels, int]] = []
    """Rows of the gap ledger that are of no stream that ever spoke."""
