"""Pieces: what one segment has of one stream, wherever that stands, and how its rows are read."""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final, Literal, NamedTuple

import pyarrow as pa
from pyarrow import parquet as pq

from collector.domain.errors import StoreError
from collector.domain.names import time_us
from collector.domain.records import StreamKey
from collector.read.window import Window
from collector.storage.archive.schema import SCHEMA_VERSION, schema_of
from collector.storage.store.object_store import ObjectInfo, ObjectStore
from collector.storage.store.open import folder_of

Place = Literal["archive", "day", "staged", "sealed", "open"]
"""The archive; a day file beside it; a set that waits for its upload; a segment that waits for the archiver; the segment that is written now."""

ARCHIVED: Final = frozenset({"archive", "day"})

BATCH_ROWS: Final = 16_384
"""Rows read at a time."""


class Piece(NamedTuple):
    """The rows of one stream in one object, or in one segment that is no object yet."""

    stream: StreamKey
    host: str
    segment_id: str
    place: Place
    name: str
    """The object's key, or the file."""
    rows: int
    bytes: int
    """Of a segment: its part of the compressed blocks."""
    received_min: int | None
    """Microseconds since the epoch; None for the gap ledger."""
    received_max: int | None
    date: str
    """Of an object; empty for a segment, which may have rows of several dates."""
    path: Path | None
    """The file, where it is on this machine."""
    sha256: str


class Objects:
    """The files of pieces during one read: those of a folder as they are, those of a bucket as temporary copies."""

    def __init__(self, store: ObjectStore, daily: ObjectStore | None = None) -> None:
        self._store = store
        self._daily = daily or store
        self._copies: tempfile.TemporaryDirectory[str] | None = None
        self._fetched: dict[str, Path] = {}
        self._making = Lock()

    def path(self, piece: Piece) -> Path:
        """The file of a piece; several threads may ask for different ones.

        Raises FileNotFoundError for a set that went, StoreError for an object that is not what its manifest says.
        """
        folder = folder_of(self._store_of(piece).url)
        if piece.path is None and folder is None:
            return self._fetched.get(piece.name) or self._fetch(piece)
        path = piece.path or Path(str(folder), piece.name)
        try:
            size = path.stat().st_size
        except OSError as error:
            if piece.place == "staged" and isinstance(error, FileNotFoundError):
                raise
            raise StoreError(f"{piece.name} cannot be read ({error.strerror}); collector verify says more") from error
        if size != piece.bytes:
            raise StoreError(f"{piece.name} differs from its manifest; collector verify says how")
        return path

    def release(self, piece: Piece) -> None:
        """Forget the copy of a piece that has been read."""
        copy = self._fetched.pop(piece.name, None)
        if copy is not None:
            copy.unlink()

    def close(self) -> None:
        """Remove all copies."""
        if self._copies is not None:
            self._copies.cleanup()

    def _store_of(self, piece: Piece) -> ObjectStore:
        return self._daily if piece.place == "day" else self._store

    def _fetch(self, piece: Piece) -> Path:
        with self._making:
            if self._copies is None:
                self._copies = tempfile.TemporaryDirectory(prefix="collector-read-")
            copy = Path(self._copies.name, hashlib.sha256(piece.name.encode()).hexdigest())
        if self._store_of(piece).fetch(piece.name, copy) != ObjectInfo(piece.bytes, piece.sha256):
            raise StoreError(f"{piece.name} differs from its manifest; collector verify says how")
        self._fetched[piece.name] = copy
        return copy


@contextmanager
def parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """Open an object's file. Raises StoreError if it cannot be read, FileNotFoundError if it went."""
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"{path} cannot be read: {error}") from error


def file_tables(file: pq.ParquetFile, schema: pa.Schema, window: Window) -> Iterator[pa.Table]:
    """The rows of a file with the columns of `schema`; what an older file does not have is null.

    Row groups that have nothing of the window are passed over.
    """
    there = [name for name in schema.names if name in file.schema_arrow.names]
    groups = [
        group for group in range(file.metadata.num_row_groups) if _reaches(file.metadata.row_group(group), window)
    ]
    for batch in file.iter_batches(BATCH_ROWS, row_groups=groups, columns=there):
        yield with_schema(pa.Table.from_batches([batch]), schema)


def last_rows(file: pq.ParquetFile, schema: pa.Schema, rows: int) -> pa.Table:
    """The last rows of a file, so many if there are, with the columns of `schema`; what an older file lacks is null."""
    there = [name for name in schema.names if name in file.schema_arrow.names]
    first = count = file.metadata.num_row_groups
    found = 0
    while first > 0 and found < rows:
        first -= 1
        found += file.metadata.row_group(first).num_rows
    table = file.read_row_groups(list(range(first, count)), columns=there)
    return with_schema(table.slice(max(0, len(table) - rows)), schema)


def column_range(group: pq.RowGroupMetaData, name: str) -> tuple[Any, Any] | None:
    """The least and the greatest value of a column in a row group; None if the file does not say."""
    for index in range(group.num_columns):
        column = group.column(index)
        if column.path_in_schema == name:
            found = column.statistics
            return (found.min, found.max) if found is not None and found.has_min_max else None
    return None


def _reaches(group: pq.RowGroupMetaData, window: Window) -> bool:
    received, lines = column_range(group, "received_at"), column_range(group, "line")
    if received is None or lines is None or lines[0] < 0:
        # The time of a row that was fetched later is not the one at which it was received.
        return True
    first, last = (time_us(time.isoformat()) for time in received)
    return window.received.overlaps(first, last)


def with_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of `schema`, null where the table does not have them."""
    if table.schema.equals(schema):
        return table
    columns = [
        table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def schema_for(data_type: str, columns: Sequence[str]) -> pa.Schema:
    """These columns of a data type, in the order of its files."""
    whole = schema_of(data_type, SCHEMA_VERSION)
    if whole is None:
        raise KeyError(data_type)
    return pa.schema([field for field in whole if field.name in set(columns)])
