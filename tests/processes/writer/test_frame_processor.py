"""Where a batch ends, and which part of the chunk is left then."""

from collections.abc import Sequence

import pytest

from collector.domain.silence import Bounds
from collector.exchanges.adapter import Decode
from collector.exchanges.registry import adapter
from collector.exchanges.together import Decoded, decode_together
from collector.processes.rest_adapters import RepairableFeeds
from collector.processes.writer import batch, frame_processor
from collector.processes.writer.batch import Counts
from collector.processes.writer.frame_processor import FrameProcessor
from collector.processes.writer.streams import StreamTable
from collector.storage.journal.format import FeedIdentity, JournalHeader, encode_frames, parse_records
from collector.storage.journal.journal_file import Chunk, Damage
from collector.storage.journal.position import Position
from tests.processes.writer.writer_harness import trade
from tests.storage.segment.segment_rows import Row, rows_of

HEADER = JournalHeader("f", "w", 1, 0, FeedIdentity("f", "binance", ("BTCUSDT",), ("trade",)), 0)
NO_LIMIT = 1 << 62


def processor() -> FrameProcessor:
    return FrameProcessor(StreamTable(40.0, Bounds(300.0, 30.0)), {}, adapter, RepairableFeeds({}, {}), 1, Counts())


def chunk_of(*records: list[bytes], damage: Damage | None = None) -> Chunk:
    pieces = [piece for frames in records for piece in encode_frames(1_700_000_000_000_000_000, 0, frames, ())]
    parsed = parse_records(b"".join(pieces), 0).records
    end = parsed[-1].end + (7 if damage else 0)
    return Chunk(HEADER, parsed, damage, Position("f", "f", 1, end, ended=True))


def process(frames: FrameProcessor, chunk: Chunk, limit: int) -> Chunk | None:
    return frames.process(chunk, 0, limit, lambda: None)


def test_a_chunk_that_fits_is_processed_whole() -> None:
    frames, chunk = processor(), chunk_of([trade(1)], [trade(2)])
    assert process(frames, chunk, 2) is None
    assert frames.batch.count == 2
    assert frames.batch.positions == {"f": chunk.position}


def test_a_full_batch_ends_with_its_record_and_the_rest_is_returned() -> None:
    frames, chunk = processor(), chunk_of([trade(1), trade(2)], [trade(3)])
    rest = process(frames, chunk, 1)
    assert rest is not None
    assert frames.batch.count == 2
    assert frames.batch.positions == {"f": chunk.position._replace(offset=chunk.records[0].end, ended=False)}
    assert rest == chunk._replace(records=chunk.records[1:])


def test_a_batch_is_full_also_by_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "MAX_BATCH_BYTES", len(trade(1)))
    assert process(processor(), chunk_of([trade(1)], [trade(2)]), NO_LIMIT) is not None


def test_small_batches_hold_the_rows_of_one_large_batch() -> None:
    chunk = chunk_of(*[[trade(number), trade(number + 1)] for number in range(1, 20, 2)], [trade(5)], [trade(40)])
    whole, piecewise = processor(), processor()
    process(whole, chunk, NO_LIMIT)
    rows: list[Row] = []
    rest = process(piecewise, chunk, 1)
    while rest is not None:
        rows += rows_of(piecewise.batch.messages.values())
        piecewise.begin(len(rows) + 1)
        rest = process(piecewise, rest, 1)
    assert rows + rows_of(piecewise.batch.messages.values()) == rows_of(whole.batch.messages.values())
    assert piecewise.counts == whole.counts


@pytest.mark.parametrize(("symbols", "attempts"), [(1, 40), (60, 3)])
def test_frames_are_seldom_read_together_where_few_are_of_the_same_stream(
    monkeypatch: pytest.MonkeyPatch, symbols: int, attempts: int
) -> None:
    each, names = 60 // symbols, tuple(f"A{number}USDT" for number in range(symbols))
    header = HEADER._replace(identity=FeedIdentity("f", "binance", names, ("trade",)))
    sizes = []

    def noted(decode: Decode, frames: Sequence[bytes]) -> Decoded:
        sizes.append(len(frames))
        return decode_together(decode, frames)

    monkeypatch.setattr(frame_processor, "decode_together", noted)
    frames = processor()
    for start in range(1_000, 1_000 + 40 * each, each):
        record = [trade(start + step, symbol=name) for step in range(each) for name in names]
        process(frames, chunk_of(record)._replace(header=header), NO_LIMIT)
    assert sizes == [60] * attempts
    assert frames.batch.count == 40 * 60
    assert frames.batch.gaps == []


def test_damage_behind_the_last_record_is_noted_once() -> None:
    frames, chunk = processor(), chunk_of([trade(1)], damage=Damage(99, 7, "torn"))
    rest = process(frames, chunk, 1)
    assert frames.batch.gaps == []
    assert rest is not None
    assert process(frames, rest, 1) is None
    assert [gap.kind for _, _, gap in frames.batch.gaps] == ["damaged"]
