"""The recorded Binance spot frames of 2024-08-08, in rounds of which none is a copy of another, and as bytes on the wire."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count, cycle, islice
from math import ceil
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa

from collector.domain.records import StreamKey
from collector.exchanges.adapter import Subscription
from collector.exchanges.registry import adapter
from tests.bench.wire import first_stream, framed
from tests.whole.running import ROOT

FRAMES: Final = ROOT.parent / "shared/data/frames/binance_spot"
FILES: Final = ("hftbacktest_btcusdt_20240808", "hftbacktest_ethusdt_20240808")
SYMBOLS: Final = ("BTCUSDT", "ETHUSDT")
TYPES: Final = ("book_delta", "trade", "book_ticker")
ROUND_MS: Final = 600_000
RECORD_BYTES: Final = 1 << 14
"""The most that a TLS record holds (RFC 8446 section 5.1)."""
NUMBER: Final = re.compile(r'"([UutET])":(\d+)')
HEAD: Final = re.compile(r'\{"stream":"([a-z]+)@([a-zA-Z]+)')
TYPE_OF_CHANNEL: Final = {"depth": "book_delta", "trade": "trade", "bookTicker": "book_ticker"}


class Frame(NamedTuple):
    """A message, and the stream it is of."""

    symbol: str
    data_type: str
    text: str


class Wire(NamedTuple):
    """What an exchange sends: a file of whole WebSocket frames for each connection, named by its first stream."""

    folder: Path
    symbols: tuple[str, ...]
    connections: int
    messages: int
    payload_bytes: int
    wire_bytes: int
    records: int
    """Of TLS, each frame in as few as it fits into."""


def real_frames() -> list[str]:
    """The frames of both recordings in the order in which they were received."""
    entries = []
    for name in FILES:
        with pa.input_stream(str(FRAMES / f"{name}.jsonl.zst"), compression="zstd") as stream:
            entries += [json.loads(line) for line in stream.read().splitlines()]
    entries.sort(key=lambda entry: int(entry["recv_ts_us"]))
    return [entry["raw"] for entry in entries if entry["dir"] == "in"]


def frames_of(symbols: Sequence[str]) -> Iterator[Frame]:
    """The recorded frames again and again, without end, spread evenly over these symbols.

    With the recorded symbols each frame keeps its own. Ids of trades and book updates go on without a hole from frame to
    frame of a stream, those of best prices rise as they did, and times go on from round to round.
    """
    frames = [(text, *_head(text)) for text in real_frames()]
    own = dict(zip(SYMBOLS, SYMBOLS, strict=True)) if tuple(symbols) == SYMBOLS else {}
    turns = {data_type: cycle(symbols) for data_type in TYPES}
    ids: Counter[tuple[str, str]] = Counter()
    seen: dict[tuple[str, str], int] = {}
    for number in count():
        for text, recorded, data_type in frames:
            symbol = own.get(recorded) or next(turns[data_type])
            fields = {name: int(value) for name, value in NUMBER.findall(text)}
            first = ids[symbol, data_type] + 1
            last = first + _step(data_type, fields, seen, recorded) - 1
            ids[symbol, data_type] = last
            new = {"U": first, "u": last, "t": last}
            new |= {name: fields[name] + number * ROUND_MS for name in "ET" if name in fields}
            renumbered = NUMBER.sub(lambda match, new=new: f'"{match[1]}":{new[match[1]]}', text)  # type: ignore[misc]
            yield Frame(symbol, data_type, _renamed(renumbered, recorded, symbol))


def _head(text: str) -> tuple[str, str]:
    match = HEAD.match(text)
    assert match is not None, text[:80]
    return match[1].upper(), TYPE_OF_CHANNEL[match[2]]


def _step(data_type: str, fields: dict[str, int], seen: dict[tuple[str, str], int], recorded: str) -> int:
    """How many ids the frame takes."""
    if data_type == "trade":
        return 1
    if data_type == "book_delta":
        return fields["u"] - fields["U"] + 1
    before, seen[recorded, data_type] = seen.get((recorded, data_type), 0), fields["u"]
    return fields["u"] - before if 0 < before < fields["u"] else 1


def _renamed(text: str, recorded: str, symbol: str) -> str:
    if recorded == symbol:
        return text
    return text.replace(recorded.lower(), symbol.lower(), 1).replace(f'"{recorded}"', f'"{symbol}"', 1)


def many_symbols(number: int) -> tuple[str, ...]:
    """Names of that many instruments."""
    return tuple(f"S{index:04}USDT" for index in range(number))


def write_wire(folder: Path, symbols: Sequence[str], messages: int) -> Wire:
    """Make what is sent: so many messages, each on the connection on which the recorder will subscribe to its stream."""
    plans = adapter("binance").plan(Subscription(tuple(symbols), TYPES), "")
    connection_of = {key: number for number, plan in enumerate(plans) for key in plan.keys}
    folder.mkdir()
    files = [(folder / first_stream(plan.url)).open("wb") for plan in plans]
    payload_bytes = records = 0
    try:
        for frame in islice(frames_of(symbols), messages):
            payload = frame.text.encode()
            payload_bytes += len(payload)
            file = files[connection_of[StreamKey("binance", frame.symbol, frame.data_type)]]
            whole = framed(payload)
            records += ceil(len(whole) / RECORD_BYTES)
            file.write(whole)
    finally:
        wire_bytes = sum(file.tell() for file in files)
        for file in files:
            file.close()
    return Wire(folder, tuple(symbols), len(plans), messages, payload_bytes, wire_bytes, records)
