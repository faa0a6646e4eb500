"""Builds the Parquet files of a sealed segment, one for each stream and date, and their manifest.

The files follow from the segment alone: the same segment gives the same bytes every time.
"""

from collections.abc import Callable, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from collector.domain.errors import ConfigError, DamagedError
from collector.domain.names import DAY_US, ObjectPartition, iso_time
from collector.domain.records import GAP, ROW_TYPES, UNDECODED, StreamKey
from collector.storage.archive.manifest import Manifest, ManifestObject, counted
from collector.storage.archive.schema import SCHEMA_VERSION
from collector.storage.segment.blocks import Messages
from collector.storage.segment.sealed_blocks import SealedBlocks
from collector.storage.segment.sealed_segment import SealedSegment, SealedStream
from collector.storage.staging.columns import RowReader, gap_batch
from collector.storage.staging.object_writer import ObjectFile, ObjectFiles
from collector.storage.staging.partition import partition_of
from collector.storage.staging.scratch import Scratch
from collector.storage.staging.stream_messages import Tick, by_stream
from collector.storage.staging.typed_stream import TypedStream
from collector.storage.staging.undecoded import Undecoded

GAP_ROWS: Final = 4_096
"""Gap rows put into columns at a time."""

_GAP_BYTES: Final = 300
"""Memory of a gap row, by which row groups are cut."""


def stage(segment: SealedSegment, row_reader_of: Callable[[str], RowReader], folder: Path, tick: Tick) -> Manifest:
    """Write the segment's objects to `folder`, and return their manifest.

    `row_reader_of` returns the adapter of an exchange. A message it cannot type goes to the `undecoded` object of its
    symbol and date, and the gap ledger gets one row for each stream with such messages. `tick` is called meanwhile.
    Raises DamagedError for a segment that contradicts itself, OSError for a full or failing disk.
    """
    # Measured on books: a quarter less peak memory than with Arrow's own allocator, at the same speed.
    pa.set_memory_pool(pa.system_memory_pool())
    objects = []
    with Scratch(folder / "scratch", tick) as scratch, segment.blocks(folder / "blocks", tick) as blocks:
        for entry in _Staging(segment, blocks, scratch, row_reader_of, folder, tick).objects():
            if entry is not None:
                objects.append(entry)
            tick()
    objects.sort(key=lambda entry: entry.key)
    return _manifest(segment, objects)


class _Staging:
    """Writes the files of a segment."""

    def __init__(
        self, segment: SealedSegment, blocks: SealedBlocks, scratch: Scratch,
        row_reader_of: Callable[[str], RowReader], folder: Path, tick: Tick,
    ) -> None:  # fmt: skip
        self._segment = segment
        self._blocks = blocks
        self._scratch = scratch
        self._row_reader_of = row_reader_of
        self._files = ObjectFiles(folder, segment.meta)
        self._tick = tick
        self._undecoded = Undecoded(segment, scratch)

    def objects(self) -> Iterator[ManifestObject | None]:
        """Typed messages first: those that cannot be typed go to the undecoded objects, and those make gap rows."""
        for stream_id, messages in by_stream(self._segment, self._blocks, self._scratch, self._tick):
            stream = self._segment.streams[stream_id]
            if stream.key.data_type == UNDECODED:
                self._undecoded.add_stream(messages)
            else:
                yield from self._typed(stream, messages)
        for partition in self._undecoded.partitions():
            yield self._undecoded.write(partition, self._files.new(partition))
        yield from self._gap_objects()

    def _typed(self, stream: SealedStream, messages: Iterator[Messages]) -> Iterator[ManifestObject | None]:
        typed = TypedStream(stream, self._row_reader(stream.key), self._scratch, self._files, self._undecoded)
        return typed.objects(messages)

    def _row_reader(self, stream: StreamKey) -> RowReader:
        if stream.data_type not in ROW_TYPES:
            name = self._segment.meta.segment_id
            raise DamagedError(f"segment {name} has messages of unknown type {stream.data_type!r}")
        try:
            return self._row_reader_of(stream.exchange)
        except ConfigError as error:
            raise DamagedError(
                f"the segment holds messages of {stream.exchange!a}, which this version cannot read"
            ) from error

    def _gap_objects(self) -> Iterator[ManifestObject | None]:
        """The ledger's rows, and in each object behind them those made here."""
        made: dict[ObjectPartition, list[tuple[Any, ...]]] = {}
        for stream, gap in self._undecoded.gaps.gaps():
            partition = partition_of(stream._replace(data_type=GAP), gap.detected_at // DAY_US)
            made.setdefault(partition, []).append(gap)
        for (exchange, symbol, day), rows in groupby(self._segment.gaps_by_object(), key=lambda row: row[:3]):
            partition = partition_of(StreamKey(exchange, symbol, GAP), day)
            file = self._files.new(partition)
            self._write_gaps(file, (row[3:] for row in rows))
            self._write_gaps(file, iter(made.pop(partition, [])))
            yield file.finish()
        for partition, gaps in made.items():
            file = self._files.new(partition)
            self._write_gaps(file, iter(gaps))
            yield file.finish()

    def _write_gaps(self, file: ObjectFile, rows: Iterator[tuple[Any, ...]]) -> None:
        while chunk := list(islice(rows, GAP_ROWS)):
            file.append(gap_batch(chunk), len(chunk) * _GAP_BYTES)
            self._tick()


def _manifest(segment: SealedSegment, objects: list[ManifestObject]) -> Manifest:
    rows, gaps = counted(objects)
    return Manifest(
        schema_version=SCHEMA_VERSION,
        collector_version=segment.meta.collector_version,
        segment_id=segment.meta.segment_id,
        previous_segment=segment.meta.previous_segment,
        host=segment.meta.host,
        opened_at=iso_time(segment.meta.opened_at),
        sealed_at=iso_time(segment.meta.sealed_at),
        rows=rows,
        gaps=gaps,
        objects=objects,
    )
