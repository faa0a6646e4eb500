"""Gzipped CSV files, one a day (UTC), of rows that come in the order of their time."""

import gzip
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self, cast

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from collector.domain.names import DAY_US, date_of

_OPTIONS: Final = csv.WriteOptions(include_header=False, quoting_style="none")
_LEVEL: Final = 6
"""Of 1 to 9: 9 takes twice the time for 1 % less."""


class DayFiles:
    """Writes each row to the file of its day. Close it when done."""

    def __init__(self, path_of: Callable[[str], Path], time_column: str) -> None:
        """`path_of` returns the file of a date; `time_column` holds µs since the epoch, which never step back."""
        self._path_of = path_of
        self._time_column = time_column
        self._day = -1
        self._file: IO[bytes] | None = None
        self._open = ExitStack()
        self.rows = 0

    def write(self, table: pa.Table) -> None:
        """Append the rows, whose columns are those of the files."""
        days = pc.divide(table[self._time_column], DAY_US)
        for day in sorted(pc.unique(days).to_pylist()):
            if day != self._day:
                self._file = self._begin(day, table.schema.names)
            csv.write_csv(table.filter(pc.equal(days, day)), self._file, _OPTIONS)
        self.rows += table.num_rows

    def _begin(self, day: int, names: list[str]) -> IO[bytes]:
        self.close()
        self._day = day
        below = self._open.enter_context(self._path_of(date_of(day)).open("xb"))
        # Without a name and a time of its own in it, the same rows make the same file.
        file = self._open.enter_context(gzip.GzipFile("", "wb", _LEVEL, below, mtime=0))
        file.write(f"{','.join(names)}\n".encode())
        return cast(IO[bytes], file)

    def close(self) -> None:
        """End the file that is written."""
        self._open.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()
