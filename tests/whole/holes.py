"""What an archive of one Binance symbol lacks, and what its gap ledger says of that."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from tests.whole.running import Recorder

Holes = Mapping[str, list[tuple[int, int]]]


def missing(recorded: Recorder) -> Holes:
    """What the archive lacks, by data type: the first missing id and the next one that is there."""
    trades = sorted(int(row["trade_id"]) for row in recorded.table("trade"))
    deltas = sorted((row["first_id"], row["last_id"]) for row in recorded.table("book_delta"))
    assert trades
    assert deltas
    return {"trade": holes([(id_, id_) for id_ in trades]), "book_delta": holes(deltas)}


def holes(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(last + 1, first) for (_, last), (first, _) in pairwise(ranges) if first > last + 1]


def told(recorded: Recorder) -> Holes:
    """What the ledger says is missing, by data type: what came late after all is not."""
    rows: dict[str, Any] = {row["gap_id"]: row for row in recorded.table("gap") if row["kind"] == "sequence"}
    told: dict[str, list[tuple[int, int]]] = {"trade": [], "book_delta": []}
    for row in (row for row in rows.values() if row["status"] != "repaired"):
        told[row["stream_type"]].append((int(row["expected_id"]), int(row["actual_id"])))
    return {data_type: sorted(found) for data_type, found in told.items()}
