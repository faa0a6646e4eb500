"""The table of what there is: a row for each stream and host."""

from collections.abc import Iterable
from typing import Any, Final

import pyarrow as pa

from collector.domain.records import StreamKey
from collector.read.pieces import Piece

_TIME: Final = pa.timestamp("us", tz="UTC")

STREAM_SCHEMA: Final = pa.schema(
    {
        "exchange": pa.string(),
        "symbol": pa.string(),
        "data_type": pa.string(),
        "first": _TIME,
        "last": _TIME,
        "rows": pa.int64(),
        "bytes": pa.int64(),
        "state": pa.string(),
        "host": pa.string(),
    }
)

_STATES: Final = {"archive": "archived", "day": "archived", "staged": "waiting", "sealed": "waiting", "open": "open"}


def stream_rows(stream: StreamKey, pieces: Iterable[Piece]) -> list[dict[str, Any]]:
    """A row for each host that has pieces of the stream, which come oldest first; one of state `pruned` if there is none."""
    found: dict[str, dict[str, Any]] = {}
    for piece in pieces:
        row = found.setdefault(piece.host, _empty(stream) | {"host": piece.host})
        row["rows"] += piece.rows
        row["bytes"] += piece.bytes
        row["state"] = _STATES[piece.place]
        row["first"] = min(filter(None, (row["first"], piece.received_min)), default=None)
        row["last"] = max(filter(None, (row["last"], piece.received_max)), default=None)
    return [found[host] for host in sorted(found)] or [_empty(stream)]


def _empty(stream: StreamKey) -> dict[str, Any]:
    return {**stream._asdict(), "first": None, "last": None, "rows": 0, "bytes": 0, "state": "pruned", "host": None}
