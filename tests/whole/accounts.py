"""Holds what an exchange sent against an archive: each frame is there once, or a gap row says that it may be missing."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import pyarrow.parquet as pq

from collector.storage.archive.verify import Verification
from collector.storage.store.directory import DirectoryStore
from tests.whole.running import Exchange

CHANNELS: Final = {
    "depth20@100ms": "book_snapshot",
    "depth@100ms": "book_delta",
    "trade": "trade",
    "aggTrade": "agg_trade",
    "bookTicker": "book_ticker",
}
ON_THE_WAY: Final = timedelta(seconds=0.5)
"""How much later than it was sent a frame may be received."""


class Sent(NamedTuple):
    """A frame the kernel took from the exchange."""

    symbol: str
    data_type: str
    at: datetime
    raw: str


def frames_sent(exchange: Exchange) -> list[Sent]:
    """Every data frame, in order. The exchange has ended."""
    return [_sent(line) for line in exchange.sent() if "event" not in line and "raw" in line]


def _sent(line: Mapping[str, Any]) -> Sent:
    symbol, _, channel = line["stream"].partition("@")
    return Sent(symbol.upper(), CHANNELS[channel], datetime.fromtimestamp(line["at_ns"] / 1e9, UTC), line["raw"])


def rows_of(archive: Path, data_type: str) -> list[dict[str, Any]]:
    """The archive's rows of a data type, each with its `symbol`, in the order written."""
    rows = []
    for path in sorted(
        archive.glob(f"exchange=*/data_type={data_type}/symbol=*/date=*/*.parquet"), key=lambda p: p.name
    ):
        symbol = unquote(path.parts[-3].removeprefix("symbol="))
        rows += [{**row, "symbol": symbol} for row in pq.ParquetFile(path).read().to_pylist()]
    return rows


def gaps_of(archive: Path) -> list[dict[str, Any]]:
    """What is missing, or may be, as the ledger says: of each gap the newest row. Nothing is where a book was unknown."""
    newest: dict[str, dict[str, Any]] = {}
    for row in sorted(rows_of(archive, "gap"), key=lambda row: row["detected_at"]):
        newest[row["gap_id"]] = row
    return [row for row in newest.values() if row["kind"] != "book_unknown"]


def missing_frames(sent: Iterable[Sent], archive: Path) -> list[Sent]:
    """What was sent and is not in the archive, which kept the frames' text (`keep_raw`).

    Fails if anything is there twice or was never sent, if the archive does not verify, and if a missing frame is
    covered by no gap of its stream.
    """
    sent = list(sent)
    rows = [row for data_type in CHANNELS.values() for row in rows_of(archive, data_type)]
    kept = Counter(row["raw"] for row in rows if row["line"] >= 0)  # what came over REST has another text
    assert [raw for raw, count in kept.items() if count > 1] == [], "archived twice"
    assert kept.keys() - {frame.raw for frame in sent} == set(), "never sent"
    assert list(Verification(DirectoryStore(archive)).findings()) == []
    missing = [frame for frame in sent if frame.raw not in kept]
    gaps = gaps_of(archive)
    assert [frame for frame in missing if not any(_covers(gap, frame) for gap in gaps)] == [], f"no gap says so: {gaps}"
    return missing


def _covers(gap: Mapping[str, Any], frame: Sent) -> bool:
    return (
        gap["symbol"] in {frame.symbol, "_"}
        and gap["stream_type"] in {frame.data_type, "_"}
        and gap["started_at"] - ON_THE_WAY <= frame.at
        and (gap["ended_at"] is None or frame.at <= gap["ended_at"])
    )
