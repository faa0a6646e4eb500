"""Reads one segment of an archive again, and writes the objects that take the place of its own."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet as pq

from collector import __version__
from collector.domain.names import ObjectPartition, time_us
from collector.domain.records import GAP, UNDECODED, StreamKey
from collector.reprocess.counts import Counts
from collector.reprocess.found import Found, has_ids
from collector.reprocess.ledger_rows import mended, note_gaps
from collector.reprocess.mending import Mending
from collector.reprocess.merge import Merge
from collector.reprocess.objects import fetched, has_texts, tables, write
from collector.reprocess.refilled import Refilled
from collector.reprocess.scope import Scope
from collector.reprocess.source_rows import Exchange, StoredRows, UndecodedRows
from collector.storage.archive.manifest import Manifest, ManifestObject
from collector.storage.archive.object_check import ID_COLUMNS
from collector.storage.archive.schema import MESSAGE_SCHEMAS, SCHEMA_VERSION
from collector.storage.segment.sealed_segment import SegmentMeta
from collector.storage.staging.object_writer import ObjectFiles
from collector.storage.staging.scratch import Scratch
from collector.storage.store.object_store import ObjectStore


class Segment:
    """One segment, to be read once."""

    def __init__(
        self, store: ObjectStore, manifest: Manifest, exchange_of: Callable[[str], Exchange | None], scope: Scope,
        folder: Path, compression_level: int, refilled: Refilled, tick: Callable[[], None],
    ) -> None:  # fmt: skip
        """`manifest` has the objects that are there. `exchange_of` gives None for an exchange that this version does not
        know. `folder` is empty, and takes the files.
        """
        self._store = store
        self._manifest = manifest
        self._exchange_of = exchange_of
        self._scope = scope
        self._folder = folder
        self._source = folder / "source"
        self._refilled = refilled
        self._tick = tick
        self._is_old = manifest.schema_version < SCHEMA_VERSION
        self._writes_all = scope.whole or self._is_old
        self._files = ObjectFiles(folder, _meta(manifest, compression_level))
        self._mending = Mending()
        self.counts = Counts()

    def rows(self) -> Iterator[ManifestObject]:
        """Write the objects that take the place of others, or all where the scope says so. Raises DamagedError, StoreError, OSError."""
        self._note_gaps()
        with Scratch(self._folder / "scratch", self._tick) as scratch:
            found = Found(scratch)
            for entry in self._of(lambda data_type: data_type == UNDECODED):
                yield from self._written(self._undecoded(entry, found))
            sources = found.sources()
            stored = {partition_in(entry): entry for entry in self._of(MESSAGE_SCHEMAS.__contains__)}
            for partition in sorted({*stored, *sources}):
                if self._scope.writes(partition):
                    yield from self._written(
                        self._typed(partition, stored.get(partition), found, sources.get(partition, []))
                    )

    def ledger(self) -> Iterator[ManifestObject]:
        """Write the gap ledger's objects: after `rows`, with the gaps that are closed now."""
        for entry in self._of(lambda data_type: data_type == GAP):
            if self._scope.writes(partition_in(entry)):
                yield from self._written(self._gaps(entry))

    def _written(self, entry: ManifestObject | None) -> Iterator[ManifestObject]:
        self._tick()
        if entry is not None:
            yield entry

    def _of(self, wanted: Callable[[str], bool]) -> list[ManifestObject]:
        chosen = self._scope.exchanges
        return sorted(
            (
                entry
                for entry in self._manifest.objects
                if wanted(entry.data_type) and (not chosen or entry.exchange in chosen)
            ),
            key=lambda entry: entry.key,
        )

    def _undecoded(self, entry: ManifestObject, found: Found) -> ManifestObject | None:
        """Read frames again; those that are still not understood stay where they were."""
        partition, exchange = partition_in(entry), self._exchange_of(entry.exchange)
        rows = UndecodedRows(entry, exchange, found, self._mending, self._refilled, self.counts)
        file = self._files.new(partition)
        with fetched(self._store, entry, self._source) as source:
            written = write(file, map(rows.still, tables(source)), ())
        is_same = written is not None and written.rows == entry.rows and not self._writes_all
        return None if is_same or not self._scope.writes(partition) else written

    def _typed(
        self, partition: ObjectPartition, entry: ManifestObject | None, found: Found, sources: list[str]
    ) -> ManifestObject | None:
        exchange = self._exchange_of(partition.exchange)
        if entry is None:
            return self._merged(partition, exchange, None, found, sources)
        with fetched(self._store, entry, self._source) as source:
            if not (sources or self._writes_all) and self._is_same(entry, source, exchange):
                return None
            rows = StoredRows(entry, source, exchange, self.counts, is_old=self._is_old)
            return self._merged(partition, exchange, rows, found, sources)

    def _is_same(self, entry: ManifestObject, source: pq.ParquetFile, exchange: Exchange | None) -> bool:
        """Whether this version reads the same of every row; if not, nothing is counted, because all is read once more."""
        if not has_texts(source):
            return True
        counts = Counts()
        rows = StoredRows(entry, source, exchange, counts, is_old=False)
        for _ in rows.tables():
            self._tick()
            if counts.changed.total():
                return False
        self.counts.add(counts)
        return True

    def _merged(
        self, partition: ObjectPartition, exchange: Exchange | None, stored: StoredRows | None, found: Found,
        sources: list[str],
    ) -> ManifestObject | None:  # fmt: skip
        stream = StreamKey(partition.exchange, partition.symbol, partition.data_type)
        file = self._files.new(partition)
        if exchange is None:
            # Nothing can have been found: only the columns are those of this version.
            return write(file, () if stored is None else stored.tables(), ())
        adapter = exchange.adapter
        id_columns = ID_COLUMNS.get(partition.data_type, ()) if has_ids(adapter, stream) else ()
        merge = Merge(
            partition.data_type,
            id_columns,
            stored.tables if stored is not None else tuple,
            [partial(found.tables, partition, source, adapter) for source in sources],
        )
        written = write(file, self._ticked(merge.tables()), id_columns)
        self.counts.copies += merge.copies
        self.counts.decoded[stream] += merge.taken
        return written

    def _ticked(self, rows: Iterator[pa.Table]) -> Iterator[pa.Table]:
        for table in rows:
            self._tick()
            yield table

    def _gaps(self, entry: ManifestObject) -> ManifestObject | None:
        file = self._files.new(partition_in(entry))
        with fetched(self._store, entry, self._source) as source:
            return write(file, (mended(self._mending, entry, table) for table in tables(source)), ())

    def _note_gaps(self) -> None:
        for entry in self._of(lambda data_type: data_type == GAP):
            with fetched(self._store, entry, self._source) as source:
                for table in tables(source):
                    note_gaps(self._mending, entry, table, self._exchange_of(entry.exchange))
        self._mending.begin()


def partition_in(entry: ManifestObject) -> ObjectPartition:
    """The partition of an object."""
    return ObjectPartition(entry.exchange, entry.data_type, entry.symbol, entry.date)


def _meta(manifest: Manifest, compression_level: int) -> SegmentMeta:
    return SegmentMeta(
        segment_id=manifest.segment_id,
        host=manifest.host,
        previous_segment=manifest.previous_segment,
        opened_at=time_us(manifest.opened_at),
        sealed_at=time_us(manifest.sealed_at),
        keep_raw=False,
        compression_level=compression_level,
        collector_version=__version__,
    )
