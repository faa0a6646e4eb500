"""Files of nautilus_trader's catalog: Parquet, one a day (UTC), named after the times of its first and last row.

Source: nautilus_trader 1.221, `persistence/catalog/parquet.py`. What it must know to read the numbers stands in each file's metadata.
"""

import base64
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq

from collector.domain.names import DAY_US, iso_time

_DAY_NS: Final = DAY_US * 1_000
_GROUP_ROWS: Final = 1 << 17
"""Rows of a row group, at least; they are in memory until it is written."""
_CODEC: Final = "zstd"
_SCHEMA_KEY: Final = b"ARROW:schema"

Metadata = dict[bytes, bytes]


class DayFile:
    """A file that is written. Rows of one time are never in two row groups, whose order its reader does not promise."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        """Make a file that is not one of the catalog's yet."""
        self._path = folder / ".unfinished"
        self._schema = schema
        self._writer = pq.ParquetWriter(self._path, schema, compression=_CODEC, store_schema=False)
        self._waiting: list[pa.Table] = []
        self._first_ns: int | None = None
        self._last_ns = 0

    def write(self, table: pa.Table) -> None:
        """Append rows, whose `ts_init` never falls."""
        if self._first_ns is None:
            self._first_ns = table["ts_init"][0].as_py()
        self._last_ns = table["ts_init"][-1].as_py()
        self._waiting.append(table)
        if sum(map(len, self._waiting)) >= _GROUP_ROWS:
            waiting = pa.concat_tables(self._waiting)
            whole = pc.index(waiting["ts_init"], self._last_ns).as_py()
            self._waiting = [waiting.slice(whole)]
            self._write_group(waiting.slice(0, whole))

    def finish(self, metadata: Metadata) -> Path:
        """Write the rest, and give the file its name; returns it."""
        assert self._first_ns is not None  # noqa: S101 -- a file is made for a row
        self._write_group(pa.concat_tables(self._waiting))
        _end(self._writer, self._schema, metadata)
        return self._path.rename(self._path.with_name(file_name(self._first_ns, self._last_ns)))

    def close(self) -> None:
        """Let go of the file, which is not finished."""
        self._writer.close()

    def _write_group(self, rows: pa.Table) -> None:
        if len(rows):
            self._writer.write_table(rows, row_group_size=len(rows))


class CatalogDays:
    """Writes each row to the file of its day. Close it when done."""

    def __init__(self, folder: Path, schema: pa.Schema, metadata: Callable[[], Metadata]) -> None:
        """`metadata` is asked for when a file is finished."""
        self._folder = folder
        self._schema = schema
        self._metadata = metadata
        self._day = -1
        self._file: DayFile | None = None
        self.rows = 0
        self.written: dict[Path, Metadata] = {}
        """The files, and what the metadata of each says."""

    def write(self, table: pa.Table) -> None:
        """Append rows, whose `ts_init` never falls."""
        days = pc.divide(table["ts_init"], _DAY_NS)
        for day in sorted(pc.unique(days).to_pylist()):
            if day != self._day:
                self.finish()
                self._folder.mkdir(parents=True, exist_ok=True)
                self._day, self._file = day, DayFile(self._folder, self._schema)
            assert self._file is not None  # noqa: S101 -- made for the day
            self._file.write(table.filter(pc.equal(days, day)))
        self.rows += len(table)

    def finish(self) -> None:
        """End the file that is written."""
        if self._file is not None:
            file, self._file = self._file, None
            metadata = self._metadata()
            self.written[file.finish(metadata)] = metadata

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish, or after an error let go."""
        if error is None:
            self.finish()
        elif self._file is not None:
            self._file.close()


def with_metadata(path: Path, metadata: Metadata) -> None:
    """Write a finished file again, with this metadata."""
    again = path.with_name(".again")
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow.remove_metadata()
        with pq.ParquetWriter(again, schema, compression=_CODEC, store_schema=False) as writer:
            for number in range(file.num_row_groups):
                rows = file.read_row_group(number).cast(schema)
                writer.write_table(rows, row_group_size=len(rows))
            _end(writer, schema, metadata)
    again.rename(path)


def file_name(first_ns: int, last_ns: int) -> str:
    """The name of a file: `2026-11-23T00-00-00-000001000Z_2026-11-23T23-59-59-999999000Z.parquet`."""
    return f"{_in_name(first_ns)}_{_in_name(last_ns)}.parquet"


def _in_name(at_ns: int) -> str:
    seconds = iso_time(at_ns // 1_000)[: len("2026-11-23T00:00:00")]
    return f"{seconds.replace(':', '-')}-{at_ns % 1_000_000_000:09}Z"


def _end(writer: pq.ParquetWriter, schema: pa.Schema, metadata: Metadata) -> None:
    """Close the file; its metadata, known only now, stands where pyarrow looks for it, too: in the schema of Arrow."""
    stored = base64.b64encode(schema.with_metadata(metadata).serialize())
    writer.add_key_value_metadata({**metadata, _SCHEMA_KEY: stored})
    writer.close()
