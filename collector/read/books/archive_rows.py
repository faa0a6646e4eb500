"""Reads the book and ticker rows of an archive in the order of their ids, a few files at a time."""

import heapq
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import pyarrow as pa
from pyarrow import parquet as pq

from collector.domain.errors import StoreError
from collector.domain.records import BookRow, BookTickerRow
from collector.exchanges import registry
from collector.read.books.checksum_check import RawRow
from collector.read.books.columns import columns_of, values_of
from collector.storage.archive.manifest import Manifest, ManifestObject
from collector.storage.archive.restore import Selection
from collector.storage.store.object_store import ObjectInfo, ObjectStore

OPEN_FILES = 4
"""A row may be stored up to this many files later than its id suggests, if it came late or over REST."""

BATCH_ROWS = 1024

Row = TypeVar("Row")


class KeyedRow(NamedTuple):
    """A row and its place in the order."""

    key: tuple[int, int]
    """Series and id, which order the rows."""
    received_us: int
    row: Any


class BookObjects(NamedTuple):
    """The objects of one symbol, as recorded by one host."""

    host: str
    exchange: str
    symbol: str
    deltas: list[ManifestObject]
    tickers: list[ManifestObject]


def book_objects(manifests: Iterable[Manifest], selection: Selection) -> list[BookObjects]:
    """The selected objects, in order, of every symbol that has both deltas and tickers."""
    found: dict[tuple[str, str, str], BookObjects] = {}
    for manifest in sorted(manifests, key=lambda manifest: manifest.segment_id):
        for entry in sorted(filter(selection.wants, manifest.objects), key=lambda entry: entry.date):
            if entry.data_type in {"book_delta", "book_ticker"}:
                key = manifest.host, entry.exchange, entry.symbol
                books = found.setdefault(key, BookObjects(*key, [], []))
                (books.deltas if entry.data_type == "book_delta" else books.tickers).append(entry)
    return [found[key] for key in sorted(found) if found[key].deltas and found[key].tickers]


def checksum_objects(manifests: Iterable[Manifest], selection: Selection) -> list[BookObjects]:
    """The selected deltas, in order, of every symbol whose exchange sends checksums of its books."""
    known = {name for name in registry.data_types() if "book_delta" in registry.adapter(name).checks}
    found: dict[tuple[str, str, str], BookObjects] = {}
    for manifest in sorted(manifests, key=lambda manifest: manifest.segment_id):
        for entry in sorted(filter(selection.wants, manifest.objects), key=lambda entry: entry.date):
            if entry.data_type == "book_delta" and entry.exchange in known:
                key = manifest.host, entry.exchange, entry.symbol
                found.setdefault(key, BookObjects(*key, [], [])).deltas.append(entry)
    return [found[key] for key in sorted(found)]


def raw_rows(store: ObjectStore, objects: Sequence[ManifestObject], tick: Callable[[], None]) -> Iterator[RawRow]:
    """The original text of every row, in the order of the archive. Raises StoreError as `rows` does."""
    with tempfile.TemporaryDirectory(prefix="check-books-") as folder:
        for number, one in enumerate(objects):
            yield from _Object(store, one, _raw_rows, Path(folder, str(number)), tick)


def rows(
    store: ObjectStore,
    objects: Sequence[ManifestObject],
    row_type: type[BookRow | BookTickerRow],
    tick: Callable[[], None],
) -> Iterator[KeyedRow]:
    """Every row with an id, by series and id. Raises StoreError for an object that differs from its manifest."""
    with tempfile.TemporaryDirectory(prefix="check-books-") as folder:
        yield from merged(
            [
                _Object(store, one, partial(_rows, row_type), Path(folder, str(number)), tick)
                for number, one in enumerate(objects)
            ]
        )


def merged(files: Sequence[Iterable[KeyedRow]]) -> Iterator[KeyedRow]:
    """Merge files that are each in order; at most OPEN_FILES are open at a time."""
    waiting = iter(enumerate(files))
    heads: list[tuple[tuple[int, int], int, KeyedRow, Iterator[KeyedRow]]] = []
    while True:
        while len(heads) < OPEN_FILES and (entering := next(waiting, None)):
            number, file = entering
            _push(heads, number, iter(file))
        if not heads:
            return
        _, number, head, rest = heapq.heappop(heads)
        yield head
        _push(heads, number, rest)


def _push(
    heads: list[tuple[tuple[int, int], int, KeyedRow, Iterator[KeyedRow]]], number: int, rest: Iterator[KeyedRow]
) -> None:
    head = next(rest, None)
    if head is not None:
        heapq.heappush(heads, (head.key, number, head, rest))


class _Object(Generic[Row]):
    """The rows of an object, fetched when iteration begins."""

    def __init__(
        self,
        store: ObjectStore,
        entry: ManifestObject,
        read: Callable[[Path], Iterator[Row]],
        path: Path,
        tick: Callable[[], None],
    ) -> None:
        self._store = store
        self._entry = entry
        self._read = read
        self._path = path
        self._tick = tick

    def __iter__(self) -> Iterator[Row]:
        entry = self._entry
        if self._store.fetch(entry.key, self._path) != ObjectInfo(entry.bytes, entry.sha256):
            raise StoreError(f"{entry.key} differs from its manifest; collector verify says how")
        try:
            yield from self._read(self._path)
        except (pa.ArrowException, OSError, KeyError) as error:
            raise StoreError(f"{entry.key} cannot be read: {error}") from error
        finally:
            self._path.unlink()
            self._tick()


def _raw_rows(path: Path) -> Iterator[RawRow]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=["received_at", "raw"]):
            times = values_of(pa.chunked_array([batch.column("received_at").cast(pa.int64())]))
            yield from map(RawRow, times, batch.column("raw").to_pylist())


def _rows(row_type: type[BookRow | BookTickerRow], path: Path) -> Iterator[KeyedRow]:
    id_at = row_type._fields.index("last_id" if row_type is BookRow else "update_id")
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=["received_at", "series", *row_type._fields]):
            table = pa.Table.from_batches([batch])
            times = values_of(table["received_at"].cast(pa.int64()))
            columns = columns_of(table, ["series", *row_type._fields])
            for received_us, run, *values in zip(times, *columns, strict=True):
                if values[id_at] is not None:
                    yield KeyedRow((run, values[id_at]), received_us, row_type(*values))
