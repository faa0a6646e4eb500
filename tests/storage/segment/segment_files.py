"""Sealed segments as tests need them, and an adapter of a toy exchange to type them with."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from collector.domain.decimals import to_double
from collector.domain.records import AggTradeRow, BookRow, BookTickerRow, Gap, StreamKey, TradeRow, TypedColumns
from collector.storage.segment.blocks import BlockEncoder
from collector.storage.segment.file_format import make_tables
from collector.storage.segment.open_segment import OpenSegment
from tests.exchanges.rows import TypedRow, as_columns
from tests.storage.segment.segment_rows import Row, messages_of

NOON_US = 1_795_435_200_000_000  # 2026-11-23T12:00:00Z
COMMIT_ROWS = 1_000
DAY_US = 86_400_000_000
SEGMENT_ID = "20261123T120000Z-4f2a9c"
PREVIOUS_ID = "20261123T110000Z-000001"
TRADES = StreamKey("toy", "BTC/USD", "trade")
BOOK = StreamKey("toy", "BTC/USD", "book_delta")
TICKER = StreamKey("toy", "ETH/USD", "book_ticker")
UNKNOWN = StreamKey("toy", "_", "undecoded")

Message = tuple[int, int, int, int, int | None, int, bytes]
"""stream_id, series, id, received_us, exchange_us, line, payload"""

META = {
    "segment_id": SEGMENT_ID,
    "host": "host-1",
    "previous_segment": PREVIOUS_ID,
    "opened_at": str(NOON_US),
    "sealed_at": str(NOON_US + 3_600_000_000),
    "keep_raw": "0",
    "compression_level": "3",
    "collector_version": "0.1.0",
}


def trade(id_: int, price: str = "64000.1", size: str = "0.5", side: str | None = "buy") -> bytes:
    """A trade as the toy exchange says it."""
    return json.dumps({"t": id_, "p": price, "q": size, "s": side}).encode()


def message(stream_id: int, id_: int, payload: bytes, **changed: Any) -> Message:
    """One message, received `id_` seconds after noon unless told otherwise."""
    received_us = NOON_US + id_ * 1_000_000
    values = {"series": 0, "received_us": received_us, "exchange_us": received_us - 1_000, "line": 0, **changed}
    return (
        stream_id,
        values["series"],
        id_,
        values["received_us"],
        values["exchange_us"],
        values["line"],
        payload,
    )


def make_gap(**changed: Any) -> Gap:
    """A hole of three ids, found at noon."""
    gap = Gap(
        "00112233445566ff", "trade", "sequence", "disconnect", "7", "10", 3,
        NOON_US, NOON_US + 1, None, "open", None, NOON_US + 2,
    )  # fmt: skip
    return gap._replace(**changed)


def make_segment(
    folder: Path,
    streams: Sequence[StreamKey],
    messages: Iterable[Message],
    *,
    gaps: Iterable[tuple[str, str, Gap]] = (),
    reasons: Iterable[tuple[int, str]] = (),
    id_rules: dict[str, str] | None = None,
    commit_rows: int = COMMIT_ROWS,
    **meta: str,
) -> Path:
    """Write a sealed segment; stream ids count from 0 in the order of `streams`."""
    folder.mkdir(parents=True, exist_ok=True)
    messages = list(messages)
    values = META | meta
    path = folder / f"{values['segment_id']}.db"
    rules = {"trade": "dense", "book_delta": "dense", "book_ticker": "rising"} | (id_rules or {})
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=OFF")
        make_tables(db)
        db.executemany("INSERT INTO meta VALUES (?,?)", values.items())
        db.executemany(
            "INSERT INTO streams VALUES (?,?,?,?,'feed',?,x'',NULL,NULL,NULL)",
            [(number, *stream, rules.get(stream.data_type, "none")) for number, stream in enumerate(streams)],
        )
        db.executemany(
            "UPDATE streams SET last_row = ? WHERE stream_id = ?",
            [(row, message[0]) for row, message in enumerate(messages, 1)],
        )
        put_messages(db, [(row, *values) for row, values in enumerate(messages, 1)], commit_rows)
        db.executemany("INSERT INTO reasons VALUES (?,?)", reasons)
        db.executemany(
            f"INSERT INTO gaps VALUES (NULL,?,?{',?' * len(Gap._fields)})",
            [(exchange, symbol, *gap) for exchange, symbol, gap in gaps],
        )
        db.commit()
    return path


def put_messages(db: sqlite3.Connection, rows: Sequence[Row], commit_rows: int) -> None:
    """Store messages as the writer would with commits of so many."""
    encoder = BlockEncoder()
    commits = (rows[start : start + commit_rows] for start in range(0, len(rows), commit_rows))
    blocks = (block for commit in commits for block in encoder.blocks(messages_of(commit)))
    for number, block in enumerate(blocks, 1):
        db.execute("INSERT INTO blocks VALUES (?,?,?,?,?,?,?,?,?,?,?)", (number, *block[:-1]))
        db.executemany("INSERT INTO block_streams VALUES (?,?,?)", [(id_, number, n) for id_, n in block.shared])


def give_up_at_once(segment: OpenSegment) -> None:
    """Let a commit or a checkpoint wait 10 ms for whoever reads or locks the segment, instead of a second."""
    segment._db.execute("PRAGMA busy_timeout = 10")


def failed_read() -> sqlite3.OperationalError:
    """What SQLite says of a disk that does not give what it holds."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    return error


class ToyRowReader:
    """Types what the toy exchange says; a payload that is no JSON object with the right keys is untyped."""

    def columns(self, data_type: str, payloads: Sequence[bytes]) -> TypedColumns:
        return as_columns(data_type, [_typed(data_type, payload) for payload in payloads])

    def decimals(self, data_type: str, payload: bytes) -> Iterable[str]:
        says = json.loads(payload)
        if data_type == "trade":
            return [says["p"], says["q"]]
        return [text for side in ("b", "a") for level in says[side] for text in level]


def _typed(data_type: str, payload: bytes) -> TypedRow | None:
    try:
        says = json.loads(payload)
        match data_type:
            case "trade":
                return TradeRow(str(says["t"]), to_double(says["p"]), to_double(says["q"]), says["s"], None, "market")
            case "agg_trade":
                return AggTradeRow(str(says["t"]), to_double(says["p"]), to_double(says["q"]), says["s"], None, None)
            case "book_ticker":
                (bid,), (ask,) = says["b"], says["a"]
                return BookTickerRow(says["u"], *map(to_double, bid), *map(to_double, ask))
            case _:
                bids, asks = ([tuple(map(to_double, level)) for level in says[side]] for side in "ba")
                sides = [tuple(level[i] for level in levels) for levels in (bids, asks) for i in (0, 1)]
                return BookRow(says["U"], says["u"], None, data_type == "book_snapshot", *sides)
    except (ValueError, KeyError, TypeError):
        return None
