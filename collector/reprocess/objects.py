"""Reads the objects of an archive, and writes those that take their place."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq

from collector.domain.errors import DamagedError
from collector.read.id_order import ids_of
from collector.storage.archive.manifest import ManifestObject
from collector.storage.archive.store_retry import retry_once
from collector.storage.staging.object_writer import ObjectFile
from collector.storage.store.object_store import ObjectInfo, ObjectStore

BATCH_ROWS: Final = 4_096
"""Rows read again at a time: with their text they take many times their size."""


@contextmanager
def fetched(store: ObjectStore, entry: ManifestObject, path: Path) -> Iterator[pq.ParquetFile]:
    """An object of the archive, copied to `path` while it is read.

    Raises DamagedError if it is not what its manifest says, StoreError if the store does not answer.
    """
    found = retry_once(store, lambda: store.fetch(entry.key, path))
    if found != ObjectInfo(entry.bytes, entry.sha256):
        raise DamagedError(f"{entry.key} is {'not there' if found is None else 'not what its manifest says'}")
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise DamagedError(f"{entry.key} cannot be read: {error}") from error
    finally:
        path.unlink()


def tables(file: pq.ParquetFile) -> Iterator[pa.Table]:
    """The rows of an object, some thousand at a time."""
    return (pa.Table.from_batches([batch]) for batch in file.iter_batches(BATCH_ROWS))


def has_texts(file: pq.ParquetFile) -> bool:
    """Whether rows of an object have their text, as far as its metadata tell; True if they do not."""
    metadata = file.metadata
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            if column.path_in_schema == "raw":
                found = column.statistics
                if found is None or not found.has_null_count or found.null_count < group.num_rows:
                    return True
    return False


def write(file: ObjectFile, rows: Iterable[pa.Table], id_columns: Sequence[str]) -> ManifestObject | None:
    """Write an object with these rows; None if there are none. Raises OSError for a full or failing disk."""
    for table in rows:
        for batch in table.combine_chunks().to_batches():
            file.append(batch, batch.nbytes)
        if "received_at" in table.column_names and len(table):
            bounds = pc.min_max(table["received_at"].cast(pa.int64())).as_py()
            file.note_times(bounds["min"], bounds["max"])
            if id_columns:
                _note_ids(file, table, id_columns)
    return file.finish()


def _note_ids(file: ObjectFile, table: pa.Table, id_columns: Sequence[str]) -> None:
    """Note the first and the last id of the last series, where the exchange sent ids."""
    series = table["series"]
    last = series[-1].as_py()
    ids = ids_of(table, id_columns)
    first_id, last_id = ids[pc.index(series, last).as_py()].as_py(), ids[-1].as_py()
    if first_id is not None and last_id is not None:
        file.note_last_series(last, first_id, last_id)
