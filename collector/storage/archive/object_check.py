"""Reads an object of the archive and compares it with its entry in the manifest."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
from pyarrow import compute as pc
from pyarrow import parquet as pq

from collector.domain.names import iso_time
from collector.domain.records import BACKFILLED_LINE
from collector.storage.archive.days import manifest_name
from collector.storage.archive.manifest import Manifest, ManifestObject
from collector.storage.archive.parquet import ROW_GROUP_ROWS
from collector.storage.archive.schema import schema_of

ID_COLUMNS: Final = {
    "trade": ("sequence", "trade_id"),
    "agg_trade": ("trade_id",),
    "book_delta": ("last_id",),
    "book_snapshot": ("last_id",),
    "book_ticker": ("update_id",),
}
"""The columns of a typed message's id: the first that is not null. Older files have no `sequence`."""


class Facts(NamedTuple):
    """The facts that are compared: those of a file's rows, or those of its entry in the manifest."""

    rows: int
    received_min: str | None
    received_max: str | None
    id_min: int | None
    id_max: int | None


def differences(path: Path, entry: ManifestObject, manifest: Manifest) -> Iterator[str]:
    """Every difference between the file at `path` and its entry in the manifest; reads every row."""
    try:
        with pq.ParquetFile(path) as file:
            yield from _of_metadata(file, entry, manifest)
            yield from _of_columns(file, entry, manifest)
            yield from _of_rows(file, entry)
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError, OverflowError) as error:
        # Columns with unexpected types or names fail wherever they are first used.
        yield f"it cannot be read: {error}"


def _of_metadata(file: pq.ParquetFile, entry: ManifestObject, manifest: Manifest) -> Iterator[str]:
    found = {name.decode(): value.decode() for name, value in (file.metadata.metadata or {}).items()}
    segment_id = manifest_name(entry.key)[1] if manifest.generation else manifest.segment_id
    # A day file of an earlier generation may have been made by an earlier program.
    made_by = {"version": manifest.collector_version} if segment_id == manifest.segment_id else {}
    expected = {
        "schema_version": manifest.schema_version,
        **made_by,
        "segment_id": segment_id,
        "host": manifest.host,
        "exchange": entry.exchange,
        "data_type": entry.data_type,
        "symbol": entry.symbol,
        "date": entry.date,
        "id_min": "" if entry.id_min is None else entry.id_min,
        "id_max": "" if entry.id_max is None else entry.id_max,
    }
    for name, value in expected.items():
        value_in_file = found.get(f"collector.{name}")
        if value_in_file != str(value):
            yield f"its {name} should be {value!r}, but the file says {value_in_file!r}"


def _of_columns(file: pq.ParquetFile, entry: ManifestObject, manifest: Manifest) -> Iterator[str]:
    expected = schema_of(entry.data_type, manifest.schema_version)
    if expected is not None and not file.schema_arrow.equals(expected):
        yield f"its columns should be {', '.join(expected.names)}, but are {', '.join(file.schema_arrow.names)}"


def _of_rows(file: pq.ParquetFile, entry: ManifestObject) -> Iterator[str]:
    facts = FileFacts(entry)
    for batch in file.iter_batches(ROW_GROUP_ROWS):
        facts.add(batch)
    expected = Facts(entry.rows, entry.received_min, entry.received_max, entry.id_min, entry.id_max)
    for name, value, found in zip(Facts._fields, expected, facts.facts(), strict=True):
        if value != found:
            yield f"its {name} should be {value}, but is {found}"
    if not facts.dates <= {entry.date}:
        yield f"it has rows of {', '.join(sorted(facts.dates))}, not only of {entry.date}"


class FileFacts:
    """Collects the facts of a file batch by batch; those that rows do not have are the entry's."""

    def __init__(self, entry: ManifestObject) -> None:
        self._entry = entry
        self._id_columns = () if entry.id_min is None else ID_COLUMNS.get(entry.data_type, ())
        self._rows = 0
        self._received: list[int] = []
        self._series: int | None = None
        self._ids: tuple[Any, Any] = (entry.id_min, entry.id_max)
        self.dates: set[str] = set()
        """Dates of receipt of all rows that were not backfilled."""

    def add(self, batch: pa.RecordBatch) -> None:
        """Add the next rows."""
        self._rows += batch.num_rows
        if "received_at" not in batch.schema.names or batch.num_rows == 0:
            return
        self._received += _bounds(batch["received_at"])
        live = batch.filter(pc.not_equal(batch["line"], BACKFILLED_LINE))
        self.dates.update(iso_time(time)[:10] for time in _bounds(live["received_at"]))
        names = [name for name in self._id_columns if name in batch.schema.names]
        if names:
            ids = [batch[name] if len(names) == 1 else batch[name].cast(pa.string()) for name in names]
            self._add_ids(batch["series"], pc.coalesce(*ids))

    def facts(self) -> Facts:
        """The facts of the rows; those that rows do not have are taken from the manifest."""
        received_min, received_max = (
            (iso_time(min(self._received)), iso_time(max(self._received))) if self._received else (None, None)
        )
        return Facts(self._rows, received_min, received_max, *self._ids)

    def _add_ids(self, series: pa.Array, ids: pa.Array) -> None:
        """Keep the first and the last id of the last series, where they are whole numbers."""
        last = series[-1].as_py()
        first_row = 0 if last == self._series else pc.index(series, last).as_py()
        found = _number(ids[first_row].as_py()), _number(ids[-1].as_py())
        if None in found:  # the exchange left the ids out, so their rows have none
            return
        if last == self._series:
            found = self._ids[0], found[1]
        self._series, self._ids = last, found


def _bounds(times: pa.Array) -> list[int]:
    """The least and the greatest time in µs since the epoch; empty if there are no times."""
    bounds = pc.min_max(times.cast(pa.int64())).as_py()
    return [] if bounds["min"] is None else [bounds["min"], bounds["max"]]


def _number(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
