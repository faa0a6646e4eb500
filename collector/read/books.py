"""The rows of an archive's books and tickers, in the order of their ids, read a few files at a time."""

import heapq
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import parquet as pq

from collector.domain.errors import StoreError
from collector.domain.records import BookRow, BookTickerRow
from collector.storage.archive.manifest import Manifest, ManifestObject
from collector.storage.archive.restore import Selection
from collector.storage.store.object_store import ObjectInfo, ObjectStore

OPEN_FILES = 4
"""A row may stand this many files later than its id says: one that came over REST, or late, is stored later."""

BATCH_ROWS = 1024


class Kept(NamedTuple):
    """A row and where it belongs."""

    key: tuple[int, int]
    """Series and id."""
    received_us: int
    row: Any


class Recorded(NamedTuple):
    """The objects of one symbol as one host recorded it."""

    host: str
    exchange: str
    symbol: str
    deltas: list[ManifestObject]
    tickers: list[ManifestObject]


def recorded(manifests: Iterable[Manifest], selection: Selection) -> list[Recorded]:
    """What there is to compare: every symbol of which both deltas and tickers are wanted, the objects in order."""
    found: dict[tuple[str, str, str], Recorded] = {}
    for manifest in sorted(manifests, key=lambda manifest: manifest.segment_id):
        for described in sorted(filter(selection.wants, manifest.objects), key=lambda described: described.date):
            if described.data_type in {"book_delta", "book_ticker"}:
                key = manifest.host, described.exchange, described.symbol
                books = found.setdefault(key, Recorded(*key, [], []))
                (books.deltas if described.data_type == "book_delta" else books.tickers).append(described)
    return [found[key] for key in sorted(found) if found[key].deltas and found[key].tickers]


def rows(
    store: ObjectStore,
    objects: Sequence[ManifestObject],
    row_type: type[BookRow | BookTickerRow],
    tick: Callable[[], None],
) -> Iterator[Kept]:
    """Every row that has an id, by series and id. Raises StoreError for an object that is not what its manifest says."""
    with tempfile.TemporaryDirectory(prefix="check-books-") as folder:
        yield from merged(
            [_Object(store, one, row_type, Path(folder, str(number)), tick) for number, one in enumerate(objects)]
        )


def merged(files: Sequence[Iterable[Kept]]) -> Iterator[Kept]:
    """Merge files, each of them in order; at most OPEN_FILES are open at a time."""
    waiting = iter(enumerate(files))
    heads: list[tuple[tuple[int, int], int, Kept, Iterator[Kept]]] = []
    while True:
        while len(heads) < OPEN_FILES and (entering := next(waiting, None)):
            number, file = entering
            _push(heads, number, iter(file))
        if not heads:
            return
        _, number, head, rest = heapq.heappop(heads)
        yield head
        _push(heads, number, rest)


def _push(heads: list[tuple[tuple[int, int], int, Kept, Iterator[Kept]]], number: int, rest: Iterator[Kept]) -> None:
    head = next(rest, None)
    if head is not None:
        heapq.heappush(heads, (head.key, number, head, rest))


class _Object:
    """The rows of an object, which is fetched when the first is asked for."""

    def __init__(
        self,
        store: ObjectStore,
        described: ManifestObject,
        row_type: type[BookRow | BookTickerRow],
        path: Path,
        tick: Callable[[], None],
    ) -> None:
        self._store = store
        self._described = described
        self._row_type = row_type
        self._path = path
        self._tick = tick

    def __iter__(self) -> Iterator[Kept]:
        described = self._described
        if self._store.fetch(described.key, self._path) != ObjectInfo(described.bytes, described.sha256):
            raise StoreError(f"{described.key} is not what its manifest says; scripts/verify_archive.py tells more")
        try:
            yield from _rows(self._path, self._row_type)
        except (pa.ArrowException, OSError, KeyError) as error:
            raise StoreError(f"{described.key} cannot be read: {error}") from error
        finally:
            self._path.unlink()
            self._tick()


def _rows(path: Path, row_type: type[BookRow | BookTickerRow]) -> Iterator[Kept]:
    id_at = row_type._fields.index("last_id" if row_type is BookRow else "update_id")
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=["received_at", "series", *row_type._fields]):
            times = batch.column("received_at").cast(pa.int64()).to_pylist()
            series = batch.column("series").to_pylist()
            columns = [batch.column(name).to_pylist() for name in row_type._fields]
            for received_us, run, *values in zip(times, series, *columns, strict=True):
                if values[id_at] is not None:
                    yield Kept((run, values[id_at]), received_us, row_type(*values))
