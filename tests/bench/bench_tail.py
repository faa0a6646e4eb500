"""What it costs to read the newest rows of a stream while its segment is large and open. Nothing is asserted.

    .venv/bin/python -m tests.bench.bench_tail [--segment-mib 1024] [--symbols 33]

The last minute of the segment has the recorded frames, spread over three streams a symbol, 36,000 messages a commit and a
commit every 5 seconds; before it stand copies of its first commit, up to the size. Read is one stream's last minute of
each data type, by `collector tail` from the end, and by `collector.read` with a start; then tail looks with nothing new.
CPU is this process's, the median of nine rounds, of which the first warms up.
"""

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Final

import collector.read
from collector.domain.records import StreamKey
from collector.exchanges.adapter import Subscription
from collector.exchanges.registry import adapter
from collector.read.archive import Archive
from collector.read.segment_ends import SegmentEnds
from collector.read.tail import Tail
from collector.storage.segment.blocks import Block, BlockEncoder
from collector.storage.segment.file_format import insert_blocks
from collector.storage.segment.seal import create_segment
from collector.storage.segment.state import EMPTY_STATE, SegmentState, StreamRow
from collector.storage.store.directory import DirectoryStore
from tests.bench.recorded import TYPES, frames_of, many_symbols
from tests.storage.segment.segment_files import META, NOON_US, SEGMENT_ID
from tests.storage.segment.segment_rows import messages_of

COMMIT_MESSAGES: Final = 36_000
COMMIT_US: Final = 5_000_000
COMMITS: Final = 12
HOUR_US: Final = 3_600_000_000
ROUNDS: Final = 9


def last_minute(symbols: Sequence[str]) -> Iterator[list[Block]]:
    """The blocks of each commit of the minute before the full hour; the rows of streams are numbered from 1."""
    decode, encoder = adapter("binance").decoder(Subscription(tuple(symbols), TYPES)), BlockEncoder()
    numbers = {stream: number for number, stream in enumerate(streams_of(symbols))}
    frames = frames_of(symbols)
    step = COMMIT_US // COMMIT_MESSAGES
    for commit in range(COMMITS):
        begins = NOON_US + HOUR_US - (COMMITS - commit) * COMMIT_US
        found = (one for frame in frames for one in decode(frame.text.encode()))
        rows = [
            (commit * COMMIT_MESSAGES + number + 1, numbers[one.stream], 0, one.id or 0, begins + number * step,
             one.exchange_us, 0, one.payload)
            for number, one in enumerate(islice(found, COMMIT_MESSAGES))
        ]  # fmt: skip
        yield list(encoder.blocks(messages_of(rows)))


def streams_of(symbols: Sequence[str]) -> list[StreamKey]:
    """The streams of these symbols."""
    return [StreamKey("binance", symbol, data_type) for symbol in symbols for data_type in TYPES]


def make(segments: Path, symbols: Sequence[str], size_bytes: int) -> int:
    """Make an open segment; returns its bytes."""
    segments.mkdir(parents=True)
    path = segments / f"{SEGMENT_ID}.open.db"
    rules = {"trade": "dense", "book_delta": "dense", "book_ticker": "rising"}
    streams = [
        StreamRow(number, *stream, "f", rules[stream.data_type], b"", 1, 1, NOON_US)
        for number, stream in enumerate(streams_of(symbols))
    ]
    state = SegmentState({}, streams, {}, {}, counts=EMPTY_STATE.counts)
    create_segment(path, META, state)
    commits = list(last_minute(symbols))
    bytes_of_one = sum(len(block.columns) + len(block.payloads) for block in commits[0])
    number = 1
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA synchronous=OFF")
        for copy in range(max(0, size_bytes // bytes_of_one - COMMITS)):
            begins = NOON_US + copy * COMMIT_US
            old = [block._replace(received_min=begins, received_max=begins + COMMIT_US) for block in commits[0]]
            number = _insert(db, number, old)
        for blocks in commits:
            number = _insert(db, number, blocks)
        db.commit()
    return path.stat().st_size


def _insert(db: sqlite3.Connection, number: int, blocks: list[Block]) -> int:
    insert_blocks(db, number, blocks)
    db.commit()
    return number + len(blocks)


def cpu_ms(what: Callable[[], int]) -> str:
    """The median CPU of a call, and how many rows it read."""
    spent = []
    for _ in range(ROUNDS):
        began = time.process_time()
        rows = what()
        spent.append((time.process_time() - began) * 1_000)
    return f"{median(spent[1:]):7.1f} ms CPU  {rows:7,} rows"


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segment-mib", type=int, default=1_024)
    parser.add_argument("--symbols", type=int, default=33)
    arguments = parser.parse_args()
    symbols = many_symbols(arguments.symbols)
    with tempfile.TemporaryDirectory(prefix="bench-tail-") as folder:
        data_dir = Path(folder)
        size = make(data_dir / "segments", symbols, arguments.segment_mib << 20)
        (data_dir / "archive").mkdir()
        print(f"open segment of {size / 2**30:.2f} GiB, {len(TYPES) * len(symbols)} streams")
        archive = collector.read.open(data_dir / "archive", data_dir=data_dir)
        for data_type in TYPES:
            measure(archive, data_dir, StreamKey("binance", symbols[0], data_type))


def measure(archive: Archive, data_dir: Path, stream: StreamKey) -> None:
    """Read one stream's last minute in each way."""
    since = NOON_US + HOUR_US - COMMITS * COMMIT_US

    def asked() -> int:
        return len(archive.rows(stream.data_type, stream.symbol, since, gaps="ignore").arrow())

    rows = asked()
    ends = SegmentEnds(stream, data_dir, lambda: DirectoryStore(data_dir / "archive"), "host-1", print)
    with Tail(ends, print) as tail:
        print(f"{stream.data_type:12} tail -n {rows:<6}  ", cpu_ms(lambda: len(tail.newest(rows))), flush=True)
        print(f"{stream.data_type:12} tail, one more look", cpu_ms(lambda: sum(map(len, tail.more()))), flush=True)
    print(f"{stream.data_type:12} rows(since)        ", cpu_ms(asked), flush=True)


if __name__ == "__main__":
    main()
