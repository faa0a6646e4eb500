"""Reads the rows of a stream from its pieces: in the order of ids where the exchange has ids, else as they were received."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain, groupby
from operator import attrgetter
from typing import Final

import pyarrow as pa
from pyarrow import parquet as pq

from collector.domain.errors import ConfigError
from collector.domain.records import UNDECODED, StreamKey
from collector.exchanges import registry
from collector.read.id_order import LEAST_ID, Key, Source, in_order, merged, with_keys
from collector.read.pieces import (
    ARCHIVED,
    BATCH_ROWS,
    Objects,
    Piece,
    column_range,
    file_tables,
    parquet,
    schema_for,
    with_schema,
)
from collector.read.segment_tables import (
    OnUntyped,
    SegmentStream,
    segment_streams,
    typed_tables,
    undecoded_tables,
)
from collector.read.window import TIME_COLUMNS, Window, within
from collector.storage.archive.object_check import ID_COLUMNS
from collector.storage.ordered_map import in_order as in_threads

THREADS: Final = 8

_WITHOUT_ORDER: Final = frozenset({"none", "unique"})
_SEGMENTS: Final = frozenset({"sealed", "open"})

Relocate = Callable[[Piece], list[Piece]]
"""Where the rows of a piece are that is no longer where it was: in a set, or in the archive."""


def id_columns(stream: StreamKey) -> tuple[str, ...]:
    """The columns that hold the ids by which a stream is ordered, the first that is not null; empty if nothing orders it."""
    try:
        rule = registry.adapter(stream.exchange).id_rules.get(stream.data_type)
    except ConfigError:
        # An archive may be of a later version; its objects are in order, and only rows that came late are not.
        return ()
    return () if rule is None or rule.value in _WITHOUT_ORDER else ID_COLUMNS.get(stream.data_type, ())


class Reading:
    """One pass over the rows of a stream in a window. Close it when done."""

    def __init__(
        self,
        stream: StreamKey,
        window: Window,
        columns: Sequence[str],
        objects: Objects,
        relocate: Relocate,
        on_untyped: OnUntyped,
        received: Window,
    ) -> None:
        """`received` is when rows of the window may have been received, those fetched later included."""
        self._stream = stream
        self._window = window
        self._received = received
        self._ids = id_columns(stream)
        needed = {*columns, *TIME_COLUMNS, *self._ids, "series"}
        self.schema = schema_for(stream.data_type, [*needed])
        """The columns that are read: those asked for, and those that give time and order."""
        self._objects = objects
        self._relocate = relocate
        self._on_untyped = on_untyped

    def tables(self, pieces: Sequence[Piece]) -> Iterator[pa.Table]:
        """The rows of all pieces, in order; of several hosts one after another.

        Raises StoreError, DamagedError, UnreadableError.
        """
        for _, run in groupby(sorted(pieces, key=_received), key=attrgetter("host")):
            own = sorted(run, key=attrgetter("segment_id", "date"))
            for table in self._ordered(own) if self._ids else self._in_turn(own):
                yield within(table, self._window)

    def _ordered(self, pieces: list[Piece]) -> Iterator[pa.Table]:
        return merged(list(chain.from_iterable(in_threads(self._sources, pieces, THREADS))))

    def _in_turn(self, pieces: list[Piece]) -> Iterator[pa.Table]:
        # Threads make the copies of a bucket's next objects.
        return chain.from_iterable(map(self._rows, in_threads(self._prepared, pieces, THREADS)))

    def _prepared(self, piece: Piece) -> Piece:
        if piece.place in ARCHIVED:
            self._objects.path(piece)
        return piece

    def _sources(self, piece: Piece) -> list[Source]:
        """The piece as a source; as several if a segment became the objects of several dates meanwhile."""
        if piece.place not in _SEGMENTS:
            with self._opened(piece) as file:
                return [Source(first_key_of(file), partial(self._keyed, piece))]
        found = self._segment(piece)
        if found is None:
            return [source for other in self._relocate(piece) for source in self._sources(other)]
        return [Source(stream.first_key(), partial(self._sorted, stream)) for stream in found if not stream.is_empty()]

    def _keyed(self, piece: Piece) -> Iterator[pa.Table]:
        return (with_keys(table, self._ids) for table in self._rows(piece))

    def _sorted(self, stream: SegmentStream) -> Iterator[pa.Table]:
        table = in_order(with_keys(pa.concat_tables(self._typed(stream)), self._ids))
        return (table.slice(start, BATCH_ROWS) for start in range(0, len(table), BATCH_ROWS))

    def _rows(self, piece: Piece) -> Iterator[pa.Table]:
        """The rows of a piece as they stand in it."""
        found = self._segment(piece) if piece.place in _SEGMENTS else []
        if found is None:
            for other in self._relocate(piece):
                yield from self._rows(other)
            return
        for stream in found:
            yield from self._typed(stream)
        if piece.place not in _SEGMENTS:
            with self._opened(piece) as file:
                yield from file_tables(file, self.schema, self._window)
            self._objects.release(piece)

    def _typed(self, stream: SegmentStream) -> Iterator[pa.Table]:
        is_undecoded = self._stream.data_type == UNDECODED
        tables = undecoded_tables(stream) if is_undecoded else typed_tables(stream, self._on_untyped)
        return (with_schema(table.select(self.schema.names), self.schema) for table in tables)

    def _segment(self, piece: Piece) -> list[SegmentStream] | None:
        """The streams of a segment; None if it is gone."""
        for _ in range(2):
            # An open segment has another name once it is sealed.
            with suppress(FileNotFoundError):
                return segment_streams(piece, self._received)
        return None

    @contextmanager
    def _opened(self, piece: Piece) -> Iterator[pq.ParquetFile]:
        """The file of a piece; that of a set may have gone to the archive."""
        try:
            with parquet(self._objects.path(piece)) as file:
                yield file
        except FileNotFoundError:
            (moved,) = (other for other in self._relocate(piece) if other.name == piece.name)
            with parquet(self._objects.path(moved)) as file:
                yield file


def _received(piece: Piece) -> tuple[int, str]:
    return piece.received_min or 0, piece.segment_id


def first_key_of(file: pq.ParquetFile) -> Key:
    """The key of a file's first row, or one before it: its metadata have the least id of its last series alone."""
    metadata = file.metadata
    ranges = [column_range(metadata.row_group(group), "series") for group in range(metadata.num_row_groups)]
    found = [one for one in ranges if one is not None]
    if not found or len(found) < len(ranges):
        return LEAST_ID, LEAST_ID
    first, last = min(low for low, _ in found), max(high for _, high in found)
    least = (metadata.metadata or {}).get(b"collector.id_min", b"")
    return first, int(least) if first == last and least else LEAST_ID
