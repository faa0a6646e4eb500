"""In real recordings of Binance nothing is missing, out of order or silent."""

import random
import re
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from collector.domain.records import StreamKey
from collector.domain.silence import Bounds
from collector.exchanges.registry import adapter
from collector.processes.rest_adapters import RepairableFeeds
from collector.processes.writer.batch import Counts
from collector.processes.writer.frame_processor import FrameProcessor
from collector.processes.writer.streams import StreamTable
from collector.storage.journal.format import FeedIdentity, RecordKind
from collector.storage.journal.journal_file import Chunk
from collector.storage.journal.reader import JournalReader
from collector.storage.journal.writer import JournalWriter
from tests.storage.segment.segment_rows import rows_of

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


def taken(folder: Path) -> FrameProcessor:
    """The processor that has read a journal to its end."""
    reader = JournalReader(folder, "f", {})
    chunks = list(iter(reader.read, None))
    _, exchange, symbols, data_types, _ = chunks[0].header.identity
    feed_of = {StreamKey(exchange, symbol, data_type): "f" for symbol in symbols for data_type in data_types}
    processor = FrameProcessor(
        StreamTable(40.0, Bounds(300.0, 30.0)), {}, adapter, RepairableFeeds(feed_of, {}), 1, Counts()
    )
    for chunk in chunks:
        rest: Chunk | None = chunk
        while rest is not None:
            rest = processor.process(rest, 0, 2**62, lambda: None)
    processor.ledger.holes.settle(1 << 60, all_due=True)
    return processor


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
        processor = taken(folder)
        # The recordings hold no answers of REST.
        assert {gap.kind for _, _, gap in processor.batch.gaps} <= {"book_unknown"}
        assert processor.counts.messages == len(frames)


def mangled(frames: list[tuple[int, bytes]], chance: random.Random, lag_us: int) -> list[tuple[int, bytes]]:
    """The frames of one of two lines: some lost, swapped, doubled, and the newest repeated after a reconnect."""
    kept = [frame for frame in frames if chance.random() > 0.02]
    for at in chance.sample(range(len(kept) - 1), 20):
        kept[at], kept[at + 1] = kept[at + 1], kept[at]
    for at in chance.sample(range(len(kept)), 20):
        kept.insert(at, kept[at])
    again = len(kept) // 2
    kept[again:again] = kept[again - 100 : again]
    newest_us, line = 0, []
    for at_us, frame in kept:
        newest_us = max(newest_us, at_us + lag_us)
        line.append((newest_us, frame))
    return line


@pytest.mark.parametrize("seed", range(5))
def test_two_lossy_lines_give_each_message_once_and_every_hole_a_row(data: Path, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    recording = received(data / "frames/binance_spot/hftbacktest_btcusdt_20240808.jsonl.zst")
    sent = [frame for frame in recording[:12_000] if b"@trade" in frame[1]]
    ids = {frame: int(frame.split(b'"t":')[1].split(b",")[0]) for _, frame in sent}
    lost = set(chance.sample(range(1, len(sent) - 1), 20))
    common = [frame for number, frame in enumerate(sent) if number not in lost]
    lines = [mangled(common, chance, lag_us) for lag_us in (0, 3_000_000)]
    arrived = sorted((at_us, line, frame) for line, frames in enumerate(lines) for at_us, frame in frames)
    journal = JournalWriter(tmp_path, FeedIdentity("f", "binance", ("BTCUSDT",), ("trade",)), 1, 1 << 30, lambda: 0)
    for at_us, line, frame in arrived:
        journal.append_frames(at_us * 1_000, line, [frame])
    journal.close()
    processor = taken(tmp_path)
    kept = {ids[frame] for _, _, frame in arrived}
    rows = rows_of(processor.batch.messages.values())
    assert sorted(row[3] for row in rows) == sorted(kept)
    assert {row[2] for row in rows} == {0}
    told = {gap.gap_id: gap for _, _, gap in processor.batch.gaps}.values()
    assert {gap.kind for gap in told} == {"sequence"}
    assert sum(gap.missing or 0 for gap in told) == max(kept) - min(kept) + 1 - len(kept)
    assert processor.counts.duplicates == len(arrived) - len(kept)
