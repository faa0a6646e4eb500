"""What a table says of a file of the archive, as its manifest knows it: no file is opened."""

import os
from datetime import date
from typing import Final
from urllib.parse import unquote

from pyiceberg.conversions import to_bytes
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import Schema
from pyiceberg.typedef import Record
from pyiceberg.types import TimestamptzType

from collector.domain.names import time_us
from collector.storage.archive.manifest import ManifestObject

_EPOCH: Final = date(1970, 1, 1)
_RECEIVED: Final = "received_at"


def location_of(url: str) -> str:
    """The beginning of the paths of an archive's files, as readers of tables take it: they decode nothing in `file://` paths.

    A folder has one, however it is spelled: a table knows a file by its path.
    """
    url = url.rstrip("/")
    return f"file://{os.path.realpath(unquote(url.removeprefix('file://')))}" if url.startswith("file://") else url


def day_number(text: str) -> int:
    """Days since 1970 of YYYY-MM-DD. Raises ValueError."""
    return (date.fromisoformat(text) - _EPOCH).days


def data_file(entry: ManifestObject, location: str, schema: Schema, spec_id: int) -> DataFile:
    """The file as a table's metadata names it. Of its columns only the bounds of `received_at` are known. Raises ValueError."""
    found = DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=f"{location}/{entry.key}",
        file_format=FileFormat.PARQUET,
        partition=Record(entry.exchange, entry.symbol, day_number(entry.date)),
        record_count=entry.rows,
        file_size_in_bytes=entry.bytes,
        column_sizes={},
        value_counts={},
        null_value_counts={},
        nan_value_counts={},
        lower_bounds=_bound(entry.received_min, schema),
        upper_bounds=_bound(entry.received_max, schema),
        key_metadata=None,
        split_offsets=None,
        equality_ids=None,
        sort_order_id=None,
    )
    found.spec_id = spec_id
    return found


def _bound(time: str | None, schema: Schema) -> dict[int, bytes]:
    if time is None:
        return {}
    return {schema.find_field(_RECEIVED).field_id: to_bytes(TimestamptzType(), time_us(time))}
