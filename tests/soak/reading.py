"""Reads what a soak left: the exchange's log of what it sent, the archive, its ledger, and a recording's own ids."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from collector.domain.records import Gap
from collector.simulator import replay
from collector.simulator.frames import payload
from tests.soak.evidence import Connection, Handed, Ids, Sent, Stream, latest

DATA_TYPES: Final = {
    "depth20@100ms": "book_snapshot",
    "depth@100ms": "book_delta",
    "trade": "trade",
    "aggTrade": "agg_trade",
    "bookTicker": "book_ticker",
}
ID_KEYS: Final = {"trade": ("t", "t"), "agg_trade": ("a", "a"), "book_delta": ("U", "u")}
TIMES: Final = ("started_at", "ended_at", "detected_at")


def digest(frame: str) -> bytes:
    """Stands for the frame's bytes."""
    return hashlib.blake2b(frame.encode(), digest_size=16).digest()


def stream_of(name: str) -> Stream | None:
    """The stream that the exchange calls so; None for one that is not recorded."""
    symbol, _, channel = name.partition("@")
    data_type = DATA_TYPES.get(channel)
    return None if data_type is None else Stream(symbol.upper(), data_type)


def ids_of(stream: Stream, frame: str) -> Ids | None:
    """The ids the frame spans; None where the stream is not provable."""
    if not stream.provable:
        return None
    data = json.loads(frame)["data"]
    first, last = ID_KEYS[stream.data_type]
    return Ids(data[first], data[last])


class SentFrames:
    """The exchange's log, taken in line by line."""

    def __init__(self, feed_of: Callable[[Stream], str]) -> None:
        self._feed_of = feed_of
        self._known: dict[Stream, dict[bytes, Sent]] = {}
        self._connections: dict[int, Connection] = {}

    @property
    def sent(self) -> dict[Stream, list[Sent]]:
        """Each frame once, as it was sent first."""
        return {stream: list(frames.values()) for stream, frames in self._known.items()}

    @property
    def connections(self) -> list[Connection]:
        """Every connection, in the order they were opened."""
        return list(self._connections.values())

    def read(self, path: Path) -> None:
        """Take in a whole log."""
        with path.open("rb") as lines:
            for line in lines:
                self.take(json.loads(line))

    def take(self, line: Mapping[str, Any]) -> None:
        """Take in one line."""
        number, at_us = line["connection"], line["at_ns"] // 1_000
        match line.get("event"):
            case None:
                self._frame(self._connections[number], line["stream"], line["raw"], at_us)
            case "connect":
                names = line["path"].partition("streams=")[2].split("/")
                stream = next(stream for name in names if (stream := stream_of(name)))
                self._connections[number] = Connection(number, self._feed_of(stream), at_us, at_us, [])
            case "close":
                self._connections[number].closed_us = at_us

    def _frame(self, connection: Connection, name: str, raw: str, at_us: int) -> None:
        stream = stream_of(name)
        assert stream is not None, f"nobody asked for {name}"
        key, known = digest(raw), self._known.setdefault(stream, {})
        if key not in known:
            known[key] = Sent(key, ids_of(stream, raw), at_us, len(raw))
        connection.frames.append(Handed(stream, known[key]))


def archived(archive: Path, streams: Sequence[Stream]) -> dict[Stream, list[bytes]]:
    """Digests of every archived row, in the archive's order; a row without its text stands as an empty one."""
    return {
        stream: [
            digest(raw or "")
            for path in _objects(archive, stream.data_type, stream.symbol)
            for raw in pq.ParquetFile(path).read(columns=["raw"]).column("raw").to_pylist()
        ]
        for stream in streams
    }


def undecoded(archive: Path) -> int:
    """How many frames could not be read."""
    return sum(pq.ParquetFile(path).metadata.num_rows for path in _objects(archive, "undecoded", "*"))


def ledger(archive: Path) -> dict[Stream, list[Gap]]:
    """The latest row of each gap, by the stream it concerns."""
    found: dict[Stream, list[Gap]] = {}
    for path in _objects(archive, "gap", "*"):
        symbol = path.parent.parent.name.removeprefix("symbol=")
        for row in _gaps(path):
            found.setdefault(Stream(symbol, row.stream_type), []).append(row)
    return {stream: latest(rows) for stream, rows in found.items()}


def _objects(archive: Path, data_type: str, symbol: str) -> list[Path]:
    paths = archive.glob(f"exchange=*/data_type={data_type}/symbol={symbol}/date=*/*.parquet")
    return sorted(paths, key=lambda path: path.name)


def _gaps(path: Path) -> Iterator[Gap]:
    table = pq.ParquetFile(path).read()
    for name in TIMES:
        times = table.column(name).cast(pa.int64())
        table = table.set_column(table.schema.get_field_index(name), name, times)
    return (Gap(**row) for row in table.to_pylist())


class Recorded:
    """A recording that is replayed: which streams it holds, and which ids it leaves out."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.breaks: dict[Stream, list[Ids]] = {}
        last: dict[Stream, int] = {}
        for frame in replay.load(paths).frames:
            stream = stream_of(frame.stream)
            if stream is not None:
                self.breaks.setdefault(stream, [])
                ids = ids_of(stream, payload(frame.wire).decode())
                if ids is not None:
                    if ids.first > last.get(stream, ids.first - 1) + 1:
                        self.breaks[stream].append(Ids(last[stream] + 1, ids.first - 1))
                    last[stream] = ids.last

    @property
    def streams(self) -> list[Stream]:
        """What can be recorded of it."""
        return sorted(self.breaks)
