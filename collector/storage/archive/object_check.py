"""Reads an object of the archive and holds it against what its manifest tells."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
from pyarrow import compute as pc
from pyarrow import parquet as pq

from collector.domain.names import iso_time
from collector.domain.records import BACKFILLED_LINE
from collector.storage.archive.manifest import Manifest, ManifestObject
from collector.storage.archive.parquet import ROW_GROUP_ROWS
from collector.storage.archive.schema import schema_of

_ID_COLUMNS: Final = {
    "trade": "trade_id",
    "agg_trade": "trade_id",
    "book_delta": "last_id",
    "book_snapshot": "last_id",
    "book_ticker": "update_id",
}
"""Where a message's id stands once it is typed."""


class _Claimed(NamedTuple):
    """What a file's rows tell; of the rest, what the manifest tells of it."""

    rows: int
    received_min: str | None
    received_max: str | None
    id_min: int | None
    id_max: int | None


def differences(path: Path, described: ManifestObject, manifest: Manifest) -> Iterator[str]:
    """What the file at `path` says otherwise than its manifest; reads every row."""
    try:
        with pq.ParquetFile(path) as file:
            yield from _of_metadata(file, described, manifest)
            yield from _of_columns(file, described, manifest)
            yield from _of_rows(file, described)
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError, OverflowError) as error:
        # Columns of other types or names than every object of an archive has fail wherever they are first used.
        yield f"it cannot be read: {error}"


def _of_metadata(file: pq.ParquetFile, described: ManifestObject, manifest: Manifest) -> Iterator[str]:
    found = {name.decode(): value.decode() for name, value in (file.metadata.metadata or {}).items()}
    expected = {
        "schema_version": manifest.schema_version,
        "version": manifest.collector_version,
        "segment_id": manifest.segment_id,
        "host": manifest.host,
        "exchange": described.exchange,
        "data_type": described.data_type,
        "symbol": described.symbol,
        "date": described.date,
        "id_min": "" if described.id_min is None else described.id_min,
        "id_max": "" if described.id_max is None else described.id_max,
    }
    for name, value in expected.items():
        held = found.get(f"collector.{name}")
        if held != str(value):
            yield f"its {name} should be {value!r}, but the file says {held!r}"


def _of_columns(file: pq.ParquetFile, described: ManifestObject, manifest: Manifest) -> Iterator[str]:
    expected = schema_of(described.data_type, manifest.schema_version)
    if expected is not None and not file.schema_arrow.equals(expected):
        yield f"its columns should be {', '.join(expected.names)}, but are {', '.join(file.schema_arrow.names)}"


def _of_rows(file: pq.ParquetFile, described: ManifestObject) -> Iterator[str]:
    reading = _Reading(described)
    for batch in file.iter_batches(ROW_GROUP_ROWS):
        reading.take(batch)
    expected = _Claimed(
        described.rows, described.received_min, described.received_max, described.id_min, described.id_max
    )
    for name, value, found in zip(_Claimed._fields, expected, reading.told(), strict=True):
        if value != found:
            yield f"its {name} should be {value}, but is {found}"
    if not reading.dates <= {described.date}:
        yield f"it has rows of {', '.join(sorted(reading.dates))}, not only of {described.date}"


class _Reading:
    """Goes through a file batch by batch."""

    def __init__(self, described: ManifestObject) -> None:
        self._described = described
        self._id_column = None if described.id_min is None else _ID_COLUMNS.get(described.data_type)
        self._rows = 0
        self._received: list[int] = []
        self._series: int | None = None
        self._ids: tuple[Any, Any] = (described.id_min, described.id_max)
        self.dates: set[str] = set()
        """Of the receipt of every row that was not backfilled."""

    def take(self, batch: pa.RecordBatch) -> None:
        """Take in the next rows."""
        self._rows += batch.num_rows
        if "received_at" not in batch.schema.names or batch.num_rows == 0:
            return
        self._received += _bounds(batch["received_at"])
        live = batch.filter(pc.not_equal(batch["line"], BACKFILLED_LINE))
        self.dates.update(iso_time(time)[:10] for time in _bounds(live["received_at"]))
        if self._id_column is not None:
            self._take_ids(batch["series"], batch[self._id_column])

    def told(self) -> _Claimed:
        """What was read; what cannot be read from the rows is as the manifest says."""
        received_min, received_max = (
            (iso_time(min(self._received)), iso_time(max(self._received))) if self._received else (None, None)
        )
        return _Claimed(self._rows, received_min, received_max, *self._ids)

    def _take_ids(self, series: pa.Array, ids: pa.Array) -> None:
        """Keep the first and the last id of the last series, where they are whole numbers."""
        last = series[-1].as_py()
        first_row = 0 if last == self._series else pc.index(series, last).as_py()
        found = _number(ids[first_row].as_py()), _number(ids[-1].as_py())
        if last == self._series:
            found = self._ids[0], found[1]
        self._series, self._ids = last, found


def _bounds(times: pa.Array) -> list[int]:
    """The least and the greatest, in µs since the epoch; nothing for no times."""
    bounds = pc.min_max(times.cast(pa.int64())).as_py()
    return [] if bounds["min"] is None else [bounds["min"], bounds["max"]]


def _number(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
