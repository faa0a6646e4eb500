"""On what Binance really sent nothing is missing, nothing out of order, and nobody silent."""

import re
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from collector.domain.rhythm import Bounds
from collector.exchanges.registry import adapter
from collector.processes.intake import Intake
from collector.processes.streams import Streams
from collector.storage.journal import JournalWriter
from collector.storage.journal_format import FeedIdentity, RecordKind
from collector.storage.journal_reader import JournalReader

MARKETS = {"binance_spot": "binance", "binance_usdm": "binance_usdm", "binance_coinm": "binance_coinm"}
NAMES = {b"depth": "book_delta", b"trade": "trade", b"aggTrade": "agg_trade", b"bookTicker": "book_ticker"}
"""What is recorded beside these (funding rates, liquidations, candles) has no data type."""
BATCH = 50

_ANY_DEPTH = re.compile(rb'@depth(?:@\w+)?(")')
_NAME = re.compile(rb'{"stream": ?"([^"@]+)@(\w+)')


class Line(msgspec.Struct):
    dir: str
    raw: str
    recv_ts_us: int = 0


def received(path: Path) -> list[tuple[int, bytes]]:
    decode = msgspec.json.Decoder(Line).decode
    with pa.input_stream(str(path), compression="zstd") as stream:
        lines = [decode(line) for line in stream.read().splitlines() if b'"dir":"in"' in line or b'"dir": "in"' in line]
    frames = [(line.recv_ts_us, _ANY_DEPTH.sub(rb"@depth@100ms\1", line.raw.encode(), 1)) for line in lines]
    return [(at_us, frame) for at_us, frame in frames if (name := _NAME.match(frame)) and name[2] in NAMES]


def data_types_of(frames: list[tuple[int, bytes]]) -> tuple[str, ...]:
    names = (_NAME.match(frame) for _, frame in frames)
    return tuple(sorted({NAMES[name[2]] for name in names if name is not None}))


def symbols_of(frames: list[tuple[int, bytes]]) -> tuple[str, ...]:
    heads = {frame[: frame.find(b"@")] for _, frame in frames}
    return tuple(sorted({head.rpartition(b'"')[2].decode().upper() for head in heads}))


@pytest.mark.parametrize("market", MARKETS)
def test_the_ledger_stays_empty(data: Path, tmp_path: Path, market: str) -> None:
    read = adapter(MARKETS[market])
    for path in sorted((data / "frames" / market).iterdir()):
        frames = received(path)
        folder = tmp_path / path.name
        journal = JournalWriter(
            folder, FeedIdentity("f", read.exchange, symbols_of(frames), data_types_of(frames)), 1, 1 << 30, lambda: 0
        )
        for plan in range(2):
            about = {"connection": plan, "plan": plan, "url": "", "streams": 1}
            journal.append_event(RecordKind.CONNECT, frames[0][0] * 1_000, 0, about)
        for start in range(0, len(frames), BATCH):
            part = frames[start : start + BATCH]
            journal.append_frames(part[-1][0] * 1_000, 0, [frame for _, frame in part])
        journal.close()
        intake = Intake(Streams({}, Bounds(300.0, 30.0)), {}, adapter, {}, 1)
        reader = JournalReader(folder, "f", {}, lambda: True)
        while (chunk := reader.read()) is not None:
            for _ in intake.take(chunk, 0, lambda: False):
                pass
        intake.ledger.settle(1 << 60, all_due=True)
        assert intake.batch.gaps == []
        assert intake.counts.messages == len(frames)
