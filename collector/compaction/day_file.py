"""Makes one day file: the rows of its sources in one order, a few thousand rows of each in memory."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import pyarrow as pa
from pyarrow import parquet as pq

from collector import __version__
from collector.compaction.plan import DayFile
from collector.domain.errors import DamagedError
from collector.domain.names import object_key
from collector.domain.records import StreamKey
from collector.read.id_order import Source, merged, with_keys
from collector.read.pieces import file_tables, parquet, schema_for
from collector.read.reading import first_key_of, id_columns
from collector.read.window import Window
from collector.storage.archive.manifest import ManifestObject
from collector.storage.archive.object_check import FileFacts
from collector.storage.archive.parquet import ParquetFile
from collector.storage.archive.schema import SCHEMA_VERSION, schema_of

SAMPLE_ROWS: Final = 16_384
"""Rows by which it is decided which columns go through a dictionary."""


class Named(NamedTuple):
    """What the file is called, and how it is compressed."""

    host: str
    segment_id: str
    compression_level: int


def write_day_file(path: Path, file: DayFile, sources: Sequence[Path], named: Named) -> ManifestObject:
    """Write the rows of `sources`, which are the file's in its order, and describe the result for the manifest.

    Raises DamagedError if not every row of the sources is in it, or a source is not what its manifest says; StoreError if
    one cannot be read.
    """
    entries = [*([file.before] if file.before else []), *file.sources]
    facts = FileFacts(_draft(file, entries, named))
    with ExitStack() as stack:
        tables = _tables(file, [stack.enter_context(parquet(source)) for source in sources])
        _write(path, tables, facts, file, named)
    entry = msgspec.structs.replace(_draft(file, entries, named), **facts.facts()._asdict())
    expected = sum(one.rows for one in entries)
    if entry.rows != expected:
        raise DamagedError(f"its objects have {entry.rows} rows, but their manifests say {expected}")
    with path.open("rb") as written:
        sha256 = hashlib.file_digest(written, "sha256").hexdigest()
    return msgspec.structs.replace(entry, bytes=path.stat().st_size, sha256=sha256)


def repeated_doubles(sample: pa.Table, compression_level: int) -> frozenset[str]:
    """Columns of doubles that are smaller through a dictionary than plain, by these rows."""
    names = [field.name for field in sample.schema if pa.types.is_floating(field.type)]
    if not names:
        return frozenset()
    plain, coded = (_column_bytes(sample.select(names), compression_level, coded=coded) for coded in (False, True))
    return frozenset(name for name in names if coded[name] < plain[name])


def _column_bytes(table: pa.Table, compression_level: int, *, coded: bool) -> dict[str, int]:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", compression_level=compression_level, use_dictionary=coded)
    group = pq.read_metadata(pa.BufferReader(sink.getvalue())).row_group(0)
    columns = (group.column(index) for index in range(group.num_columns))
    return {column.path_in_schema: column.total_compressed_size for column in columns}


def _tables(file: DayFile, opened: Sequence[pq.ParquetFile]) -> Iterator[pa.Table]:
    """The rows of all sources in order: by series and id where the stream has ids, else source by source."""
    partition = file.partition
    whole = schema_of(partition.data_type, SCHEMA_VERSION)
    if whole is None:
        raise DamagedError(f"this version does not know the columns of {partition.data_type}")
    schema = schema_for(partition.data_type, whole.names)
    ids = id_columns(StreamKey(partition.exchange, partition.symbol, partition.data_type))
    rows = [partial(file_tables, one, schema, Window()) for one in opened]
    if not ids:
        return chain.from_iterable(read() for read in rows)

    def keyed(number: int) -> Iterator[pa.Table]:
        return (with_keys(table, ids) for table in rows[number]())

    return merged([Source(first_key_of(one), partial(keyed, number)) for number, one in enumerate(opened)])


def _write(path: Path, tables: Iterator[pa.Table], facts: FileFacts, file: DayFile, named: Named) -> None:
    writer: ParquetFile | None = None
    for table in tables:
        if not table.num_rows:
            continue
        if writer is None:
            doubles = repeated_doubles(table.slice(0, SAMPLE_ROWS), named.compression_level)
            writer = ParquetFile(path, table.schema.remove_metadata(), named.compression_level, doubles)
        for batch in table.replace_schema_metadata().combine_chunks().to_batches():
            facts.add(batch)
            writer.append(batch, batch.nbytes)
    if writer is None:
        raise DamagedError("its objects have no rows")
    writer.close(_metadata(file, facts, named))


def _metadata(file: DayFile, facts: FileFacts, named: Named) -> dict[str, str]:
    found = facts.facts()
    values: dict[str, object] = {
        "schema_version": SCHEMA_VERSION,
        "version": __version__,
        "segment_id": named.segment_id,
        "host": named.host,
        **file.partition._asdict(),
        "id_min": "" if found.id_min is None else found.id_min,
        "id_max": "" if found.id_max is None else found.id_max,
    }
    return {f"collector.{name}": str(value) for name, value in values.items()}


def _draft(file: DayFile, entries: Sequence[ManifestObject], named: Named) -> ManifestObject:
    """The entry as far as it is known beforehand: what rows do not tell is as the last source has it."""
    ids = [(one.id_min, one.id_max) for one in entries if one.id_min is not None]
    id_min, id_max = ids[-1] if ids else (None, None)
    return ManifestObject(
        key=object_key(file.partition, named.host, named.segment_id),
        rows=0,
        bytes=0,
        sha256="",
        **file.partition._asdict(),
        received_min=None,
        received_max=None,
        id_min=id_min,
        id_max=id_max,
    )
