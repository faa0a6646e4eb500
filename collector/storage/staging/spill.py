"""Groups rows by key in bounded memory: what does not fit goes to a file as sorted runs, and is merged when read.

The file's blocks are compressed: an archiver that makes room on a short disk must not take much of it first.
A row is a tuple that begins with three integers or texts, unique within its key; the third is the row number, which
gives the order of arrival. Reading merges only the keys whose runs overlap.
"""

import heapq
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from struct import Struct
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import pyarrow as pa

Row = tuple[Any, ...]
Order = Callable[[Row], Any]

ARRIVAL: Final[Order] = itemgetter(2)
BY_ID: Final[Order | None] = None
"""The natural order of the tuples: by their first three items, which are series, id and row."""

ROW_BYTES: Final = 300
"""Memory of a buffered row besides its payload: the tuple, its numbers and the payload's header."""

_BLOCK_BYTES = 256 << 10  # a merge holds one block of each run
_BLOCK_ROWS = 1024
_FAN_IN = 32

_HEADER = Struct("<qIII")  # offset of the key's previous block (-1: none), run number, compressed bytes, plain bytes
_CODEC = pa.Codec("lz4_raw")  # measured on real frames: a fifth to a third of the bytes for 0.15 µs a row
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple]).decode  # type: ignore[type-arg]  # rows of any shape


class _Group:
    """One key's buffered rows, and where its runs are in the file."""

    __slots__ = ("in_order", "last_block", "last_key", "order", "rows", "runs")

    def __init__(self, order: Order | None) -> None:
        self.order = order
        self.rows: list[Row] = []
        self.runs = 0
        self.last_block = -1
        self.last_key: Any = None
        self.in_order = True

    def sort(self) -> None:
        """Sort the buffered rows; rows already in order cost one comparison each."""
        self.rows.sort(key=self.order)
        if not self.rows:
            return
        key = self.order or itemgetter(0, 1, 2)
        self.in_order &= self.last_key is None or self.last_key < key(self.rows[0])
        self.last_key = key(self.rows[-1])


class Spill:
    """Rows by key. The file is created when rows first have to leave memory, and removed at the end."""

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        self._buffered_bytes = 0
        self._groups: dict[Any, _Group] = {}
        self._fd = -1
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._path.unlink()

    def rows_of(self, key: Any, order: Order | None) -> list[Row]:
        """The list to append a key's rows to; valid until `take`. Each appended row is reported to `note_bytes`."""
        if key not in self._groups:
            self._groups[key] = _Group(order)
        return self._groups[key].rows

    def note_bytes(self, row_bytes: int) -> None:
        """Count appended rows; once they exceed the limit, each key's rows are written as a run. Raises OSError."""
        self._buffered_bytes += row_bytes
        if self._buffered_bytes > self._limit_bytes:
            self._flush()

    def waiting(self) -> list[Any]:
        """Every key that has rows, sorted."""
        return sorted(key for key, group in self._groups.items() if group.rows or group.runs)

    def take(self, key: Any) -> Iterator[Row]:
        """The rows of a key in its order. The key is forgotten; other keys may get rows meanwhile."""
        group = self._groups.pop(key)
        group.sort()
        runs = self._runs(group)
        if group.in_order:
            return chain(chain.from_iterable(map(self._read, runs)), group.rows)
        return self._merge(runs, group)

    def _flush(self) -> None:
        if self._fd < 0:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        for group in self._groups.values():
            if group.rows:
                group.sort()
                self._write_run(group, iter(group.rows))
                group.rows.clear()
        self._buffered_bytes = 0

    def _write_run(self, group: _Group, rows: Iterator[Row]) -> None:
        for body in _bodies(rows):
            packed = _CODEC.compress(body, asbytes=True)
            block = memoryview(_HEADER.pack(group.last_block, group.runs, len(packed), len(body)) + packed)
            group.last_block, self._end = self._end, self._end + len(block)
            while block:
                block = block[os.write(self._fd, block) :]
        group.runs += 1

    def _runs(self, group: _Group) -> list[list[int]]:
        """Offsets of the blocks of each run, in the order written."""
        runs: list[list[int]] = [[] for _ in range(group.runs)]
        block = group.last_block
        while block >= 0:
            before, run, _, _ = _HEADER.unpack(os.pread(self._fd, _HEADER.size, block))
            runs[run].append(block)
            block = before
        for run_blocks in runs:
            run_blocks.reverse()
        return runs

    def _read(self, run: Iterable[int]) -> Iterator[Row]:
        for block in run:
            _, _, packed_bytes, plain_bytes = _HEADER.unpack(os.pread(self._fd, _HEADER.size, block))
            packed = os.pread(self._fd, packed_bytes, block + _HEADER.size)
            yield from _decode(_CODEC.decompress(packed, plain_bytes))

    def _merge(self, runs: list[list[int]], group: _Group) -> Iterator[Row]:
        while len(runs) > _FAN_IN:
            merged = _Group(group.order)
            self._write_run(merged, heapq.merge(*map(self._read, runs[:_FAN_IN]), key=group.order))
            runs = [*runs[_FAN_IN:], *self._runs(merged)]
        return heapq.merge(*map(self._read, runs), iter(group.rows), key=group.order)


def _bodies(rows: Iterator[Row]) -> Iterator[bytes]:
    while block := list(islice(rows, _BLOCK_ROWS)):
        yield from _halved(block)


def _halved(rows: list[Row]) -> Iterator[bytes]:
    body = _encode(rows)
    if len(body) <= _BLOCK_BYTES or len(rows) == 1:
        yield body
    else:
        middle = len(rows) // 2
        yield from _halved(rows[:middle])
        yield from _halved(rows[middle:])
