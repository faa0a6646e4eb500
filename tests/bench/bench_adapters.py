"""What each exchange's messages take: CPU µs to decode one and to make its row, over the recordings. Nothing is asserted.

    .venv/bin/python -m tests.bench.bench_adapters [--rounds 7] [--only kraken]

A line for each recording and kind of frame. `decode` is one by one, `together` as the writer reads a burst, `rows` the typed
columns; all are per message, medians of the rounds, each of which measures every line in turn. `x` is decode and rows as a
multiple of what Binance's messages of so many bytes take, from a line through Binance's own figures of the same run.
"""

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Final, NamedTuple

import pyarrow as pa

from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope
from collector.exchanges.adapter import Adapter, Decode
from collector.exchanges.together import decode_together
from tests.bench.recorded import FRAMES
from tests.exchanges.recorded_markets import MARKETS, recording

ENOUGH: Final = 2_000
"""Messages of a measurement, at least: a frame that was seldom received is read again and again."""
BURST: Final = 400
"""Frames that are read together."""


class Line(NamedTuple):
    """Frames of one kind, and the messages in them."""

    market: str
    kind: str
    adapter: Adapter
    decode: Decode
    frames: list[bytes]
    payloads: dict[str, list[bytes]]
    """By data type."""

    @property
    def messages(self) -> int:
        """All messages of these frames."""
        return sum(map(len, self.payloads.values()))

    @property
    def bytes_each(self) -> float:
        """Of the frames, for each message."""
        return sum(map(len, self.frames)) / self.messages

    @property
    def times(self) -> int:
        """How often the frames are read in one measurement."""
        return max(1, ENOUGH // self.messages)

    def decoded(self) -> None:
        """Read each frame by itself."""
        for frame in self.frames:
            self.decode(frame)

    def decoded_together(self) -> None:
        """Read the frames of a burst at once."""
        for start in range(0, len(self.frames), BURST):
            decode_together(self.decode, self.frames[start : start + BURST])

    def typed(self) -> None:
        """Make the rows."""
        for data_type, payloads in self.payloads.items():
            self.adapter.columns(data_type, payloads)


@cache
def recorded(name: str) -> list[dict[str, Any]]:
    """A recording's lines, by its name below `frames/`."""
    with pa.input_stream(str(FRAMES.parent / f"{name}.jsonl.zst"), compression="zstd") as stream:
        return [json.loads(line) for line in stream.read().splitlines()]


def lines(only: str) -> Iterator[Line]:
    """What is measured, a recording after the other."""
    for market in MARKETS:
        if only in market.exchange or market.exchange.startswith("binance"):
            played = recording(market, recorded)
            decode = market.adapter.decoder(played.subscription)
            frames: defaultdict[str, list[bytes]] = defaultdict(list)
            payloads: defaultdict[str, defaultdict[str, list[bytes]]] = defaultdict(lambda: defaultdict(list))
            for received in played.frames:
                messages = [message for message in messages_of(decode, received.frame) if message.payload]
                kind = "+".join(dict.fromkeys(message.stream.data_type for message in messages))
                if messages:
                    frames[kind].append(received.frame)
                for message in messages:
                    payloads[kind][message.stream.data_type].append(message.payload)
            for kind, its in frames.items():
                yield Line(market.exchange, kind, market.adapter, decode, its, dict(payloads[kind]))


def messages_of(decode: Decode, frame: bytes) -> list[Envelope]:
    """What a frame holds; nothing if it is no message."""
    try:
        return decode(frame)
    except UndecodableError:
        return []


def cpu_us(line: Line, work: Callable[[], None]) -> float:
    """Processor time a message."""
    began = time.process_time()
    for _ in range(line.times):
        work()
    return (time.process_time() - began) / line.times / line.messages * 1e6


def measured(found: Iterable[Line], rounds: int) -> list[tuple[Line, tuple[float, float, float]]]:
    """Each line with its medians: decode, together, rows."""
    of: list[tuple[Line, list[tuple[float, float, float]]]] = [(line, []) for line in found]
    for _ in range(rounds):
        for line, figures in of:
            works = (line.decoded, line.decoded_together, line.typed)
            one, together, rows = (cpu_us(line, work) for work in works)
            figures.append((one, together, rows))
    return [(line, tuple(map(statistics.median, zip(*figures, strict=True)))) for line, figures in of]


def binance_line(found: list[tuple[Line, tuple[float, float, float]]]) -> Callable[[float], float]:
    """What a message of so many bytes takes at Binance: µs of decode and rows."""
    own = [(line.bytes_each, decode + rows) for line, (decode, _, rows) in found if line.market.startswith("binance")]
    slope, start = statistics.linear_regression(*zip(*own, strict=True))
    return lambda size: start + slope * size


def main() -> None:
    """A table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="exchanges with this in their name, and Binance's")
    options = parser.parse_args()
    found = measured(list(lines(options.only)), options.rounds)
    usual = binance_line(found)
    print(
        "| exchange | messages | of | bytes | decode | together | rows | x |\n|---|---:|---|---:|---:|---:|---:|---:|"
    )
    for line, (decode, together, rows) in found:
        times = (decode + rows) / usual(line.bytes_each)
        figures = f"{decode:.2f} | {together:.2f} | {rows:.2f} | {times:.1f}"
        print(f"| {line.market} | {line.messages:,} | {line.kind} | {line.bytes_each:,.0f} | {figures} |")


if __name__ == "__main__":
    main()
