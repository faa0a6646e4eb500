"""Messages that are decoded and judged together give the same as one by one: rows, gaps, requests, counts and state."""

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.domain.records import StreamKey
from collector.domain.silence import Bounds
from collector.exchanges.adapter import Adapter
from collector.exchanges.registry import adapter
from collector.processes.rest_adapters import RepairableFeeds
from collector.processes.writer.batch import Counts
from collector.processes.writer.frame_processor import FrameProcessor
from collector.processes.writer.streams import StreamState, StreamTable
from collector.storage.journal.format import (
    FeedIdentity,
    JournalHeader,
    RecordKind,
    encode_event,
    encode_frames,
    parse_records,
)
from collector.storage.journal.journal_file import Chunk
from collector.storage.journal.position import Position
from tests.processes.writer.gaps.test_ledger_of_recordings import MARKETS, data_types_of, received, symbols_of
from tests.processes.writer.writer_harness import START_NS, SYMBOLS, TYPES, book, connection, diff, trade
from tests.storage.segment.segment_rows import rows_of

START_US: Final = START_NS // 1_000
CHUNK_RECORDS: Final = 40
OF_A_RECORDING: Final = 20_000

encode: Final = msgspec.msgpack.Encoder().encode
Pieces = list[bytes]
Outcome = list[Any]


def outcome(
    header: JournalHeader,
    records: Sequence[Pieces],
    limit: int,
    *,
    together: bool,
    adapter_of: Callable[[str], Adapter] = adapter,
) -> Outcome:
    """Everything that a writer stores, asks for and reports of these records, commit by commit, and what it remembers."""
    exchange, symbols, data_types = header.identity[1:4]
    streams = StreamTable(40.0, Bounds(300.0, 30.0))
    keys = [StreamKey(exchange, symbol, data_type) for symbol in symbols for data_type in data_types]
    rest = adapter_of(exchange).rest
    repaired = RepairableFeeds(dict.fromkeys(keys, "f"), {} if rest is None else {"f": rest})
    processor = FrameProcessor(streams, {}, adapter_of, repaired, 1, Counts(), together=together)
    told: Outcome = []
    row = 1
    for chunk in chunks(header, records):
        left: Chunk | None = chunk
        while left is not None:
            left = processor.process(left, 0, limit, lambda: None)
            if processor.batch.is_full(limit):
                told.append(committed(processor))
                row += processor.batch.count
                processor.begin(row)
    processor.ledger.close(chunk.records[-1].received_ns // 1_000)
    told += [committed(processor), processor.counts]
    return told + [(stream.row(), remembered(stream), stream.numbers()) for stream in streams]


def chunks(header: JournalHeader, records: Sequence[Pieces]) -> Iterator[Chunk]:
    """The records as they are read from a journal file, some at once."""
    offset = 0
    for start in range(0, len(records), CHUNK_RECORDS):
        data = b"".join(piece for pieces in records[start : start + CHUNK_RECORDS] for piece in pieces)
        parsed = parse_records(data, offset)
        offset = parsed.end
        yield Chunk(header, parsed.records, None, Position("f", "f", 1, offset, ended=False))


def committed(processor: FrameProcessor) -> Any:
    """What a commit stores, asks for and logs."""
    batch = processor.batch
    return (
        rows_of(batch.messages.values()), batch.reasons, batch.gaps, batch.positions, batch.size_bytes, batch.requests,
        batch.withdrawn, sorted(batch.touched), {name: encode(processor.ledger.feeds[name]) for name in batch.feeds},
        processor.sample,
    )  # fmt: skip


def remembered(stream: StreamState) -> Any:
    """The ids by which copies are known, in order, and when which of them will be forgotten."""
    recent = stream.dedup._recent
    generations = [list(recent.young.items()), list(recent.old.items())]
    return generations, list(stream.dedup.recent.items()), recent.full_at, recent._since_us


def same_both_ways(
    header: JournalHeader, records: Sequence[Pieces], limit: int, adapter_of: Callable[[str], Adapter] = adapter
) -> None:
    one_by_one = outcome(header, records, limit, together=False, adapter_of=adapter_of)
    together = outcome(header, records, limit, together=True, adapter_of=adapter_of)
    for found, expected in zip(together, one_by_one, strict=True):
        assert found == expected


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("market", MARKETS)
def test_of_every_recording_however_it_is_cut(data: Path, market: str, seed: int) -> None:
    chance = random.Random(seed)
    for path in sorted((data / "frames" / market).iterdir()):
        frames = received(path)
        start = chance.randrange(max(1, len(frames) - OF_A_RECORDING))
        frames = frames[start : start + OF_A_RECORDING]
        identity = FeedIdentity("f", MARKETS[market], symbols_of(frames), data_types_of(frames))
        header = JournalHeader("f", "w", 1, 0, identity, 0)
        cuts = sorted(chance.sample(range(1, len(frames)), len(frames) // chance.choice([3, 30, 300])))
        records = [
            encode_frames(frames[end - 1][0] * 1_000, 0, [frame for _, frame in frames[start:end]], (), 1)
            for start, end in pairwise([0, *cuts, len(frames)])
        ]
        same_both_ways(header, records, chance.choice([1 << 62, 1_000]))


class Exchange:
    """Sends messages, now and then other ones than it should."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._ids = dict.fromkeys((*SYMBOLS, "diff", "book"), 1_000)
        self._sent: list[bytes] = [trade(1_000)]
        self.odd = chance.choice([0.0, 0.0, 0.002, 0.02, 0.2])
        """How often."""

    def frames(self, count: int, at_us: int) -> list[bytes]:
        """The next frames, each of them something else with the same chance."""
        return [self._frame(at_us // 1_000) for _ in range(count)]

    def _frame(self, at_ms: int) -> bytes:
        if self._chance.random() >= self.odd:
            frame = self._message(at_ms)
            self._sent.append(frame)
            return frame
        at_ms += self._chance.choice([0, 0, -70_000, 70_000, 90_000_000_000, -1_700_000_000_000])
        kind = self._chance.choice(["hole", "hole", "hole", "copy", "copy", "other", "fall", "reset", "leap", "odd"])
        if kind == "hole":
            self._ids[self._chance.choice(list(self._ids))] += self._chance.randint(1, 3)
        elif kind == "reset":
            self._ids[self._chance.choice(list(self._ids))] = self._chance.randint(1, 50)
        elif kind == "fall":
            self._ids[self._chance.choice(list(self._ids))] -= self._chance.randint(1, 3)
        elif kind == "copy":
            return self._chance.choice(self._sent[-100:])
        elif kind == "other":
            return self._chance.choice(self._sent[-100:]).replace(b'"p":"1.5"', b'"p":"7.5"')
        elif kind == "odd":
            return self._chance.choice(
                [
                    b"", b"{", b"\xff", b'{"result":null,"id":1}', trade(1, symbol="XRPUSDT"),
                    self._message(at_ms).replace(b'"s":', b'"s" :'), self._message(at_ms).replace(b'"e"', b'"e":"e","e"'),
                    self._message(at_ms).replace(b'"data":{', b'"data":{"new":"\xc3\xa4",'),
                    self._message(at_ms).replace(b"}}", b',"a":"\xff"}}'), self._message(at_ms)[:-1],
                    self._message(at_ms).replace(b"BTCUSDT", b"ETHUSDT"), *[_spaced(self._message(at_ms))] * 3,
                ]
            )  # fmt: skip
        return self._message(at_ms)

    def _message(self, at_ms: int) -> bytes:
        name = self._chance.choice([*SYMBOLS, "diff", "book"])
        first = self._ids[name] + 1
        self._ids[name] = last = max(0, first) + (self._chance.randint(0, 3) if name in {"diff", "book"} else 0)
        if name == "book":
            return book(last)
        if name == "diff":
            moved = b'"E":%d,' % max(0, at_ms)
            head, _, tail = diff(max(0, first), last).partition(b'"E":')
            return head + moved + tail.partition(b",")[2]
        return trade(last, symbol=name, at=at_ms - 1_700_000_000_000)


def _spaced(frame: bytes) -> bytes:
    return frame.replace(b'{"stream":', b'{"stream": ')


def journal_of(seed: int) -> list[Pieces]:
    """Records of one or two connections, on one or two lines, that come and go."""
    chance = random.Random(seed)
    exchange, at_us = Exchange(chance), START_US
    links, lines = chance.choice([1, 1, 1, 2]), chance.choice([1, 1, 2])
    size = chance.choice([1, 3, 30, 300])
    records = [
        encode_event(RecordKind.CONNECT, at_us * 1_000, link % lines, connection(link)) for link in range(1, links + 1)
    ]
    for _ in range(chance.randint(1, 100)):
        at_us += chance.choice([0, 1_000, 50_000, 300_000, 300_000, 6_000_000])
        if chance.random() < exchange.odd:
            at_us += chance.choice([-100_000_000, -1_000, 50_000_000, 400_000_000])
        link = chance.randint(1, links)
        if chance.random() < exchange.odd:
            since = {"connection": link, "cause": "disconnect", "alive_ns": at_us * 1_000}
            records.append(encode_event(RecordKind.DISCONNECT, at_us * 1_000, link % lines, since))
            records.append(encode_event(RecordKind.CONNECT, at_us * 1_000, link % lines, connection(link)))
        frames = exchange.frames(chance.randint(0, size), at_us)
        binary = [index for index in range(len(frames)) if chance.random() < exchange.odd / 50]
        records.append(encode_frames(at_us * 1_000, link % lines, frames, binary, link))
    return records


@settings(max_examples=150)
@given(st.integers(0, 2**32), st.sampled_from([1, 7, 100, 1 << 62]))
def test_of_whatever_exchange_and_connections_do(seed: int, limit: int) -> None:
    header = JournalHeader("f", "w", 1, 0, FeedIdentity("f", "binance", SYMBOLS, TYPES), 0)
    same_both_ways(header, journal_of(seed), limit)


def test_a_frame_in_another_form_keeps_its_place_among_those_of_its_stream() -> None:
    header = JournalHeader("f", "w", 1, 0, FeedIdentity("f", "binance", SYMBOLS, TYPES), 0)
    books = [book(number) for number in range(1, 30)]
    books[20] = _spaced(books[20])
    records = [encode_frames(START_NS + at, 0, part, (), 1) for at, part in enumerate((books[:10], books[10:]))]
    same_both_ways(header, records, 1 << 62)
    assert [row[3] for row in outcome(header, records, 1 << 62, together=True)[0][0]] == list(range(1, 30))
