"""What it costs to read a sealed segment, stream by stream and in order, before anything is typed. Nothing is asserted.

    .venv/bin/python -m tests.bench.bench_reading [--messages 500000]

The recorded frames as one recorder stores them, 5,000 messages a commit, and spread over 3,000 streams, 10,000 a commit.
CPU is this process's while it reads; the least of three rounds, because other programs only ever add to it.
"""

import argparse
import gc
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from collector.domain.records import StreamKey
from collector.exchanges.adapter import Subscription
from collector.exchanges.registry import adapter
from collector.processes.archiver.process import _COLLECT_AFTER
from collector.storage.segment.sealed_segment import open_sealed
from collector.storage.staging.scratch import Scratch
from collector.storage.staging.stream_messages import by_stream
from tests.bench.recorded import SYMBOLS, TYPES, frames_of, many_symbols
from tests.storage.segment.segment_files import NOON_US, Message, make_segment

ROUNDS = 3


def stored(symbols: Sequence[str], messages: int) -> Iterator[Message]:
    """The messages of recorded frames, spread over these symbols."""
    decode = adapter("binance").decoder(Subscription(tuple(symbols), TYPES))
    places = {key: place for place, key in enumerate(streams_of(symbols))}
    for number, frame in enumerate(islice(frames_of(symbols), messages)):
        for found in decode(frame.text.encode()):
            received_us = NOON_US + number * 1_000
            yield places[found.stream], 0, found.id or 0, received_us, found.exchange_us, 0, found.payload


def streams_of(symbols: Sequence[str]) -> list[StreamKey]:
    """The streams of these symbols."""
    return [StreamKey("binance", symbol, data_type) for symbol in symbols for data_type in TYPES]


def read(path: Path) -> int:
    """Read everything; returns the number of messages."""
    with (
        open_sealed(path) as segment,
        Scratch(path.parent / "scratch", lambda: None) as scratch,
        segment.blocks(path.parent / "blocks", lambda: None) as blocks,
    ):
        return sum(
            len(group) for _, messages in by_stream(segment, blocks, scratch, lambda: None) for group in messages
        )


def measure(symbols: Sequence[str], messages: int, commit_rows: int) -> str:
    """Make a segment and read it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = make_segment(Path(folder), streams_of(symbols), stored(symbols, messages), commit_rows=commit_rows)
        spent = []
        for _ in range(ROUNDS):
            began = time.process_time()
            read(path)
            spent.append(time.process_time() - began)
        size = path.stat().st_size / messages
    return (
        f"{len(TYPES) * len(symbols):5} streams {size:5.1f} bytes a message  {min(spent) / messages * 1e6:5.2f} us CPU"
    )


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=500_000)
    messages = parser.parse_args().messages
    gc.set_threshold(_COLLECT_AFTER)
    print(measure(SYMBOLS, messages, 5_000), flush=True)
    print(measure(many_symbols(1_000), messages, 10_000), flush=True)


if __name__ == "__main__":
    main()
