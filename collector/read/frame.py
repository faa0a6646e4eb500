"""The answer to a question: rows that are read when they are asked for."""

import importlib
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

import pyarrow as pa

from collector.read.errors import MissingExtraError
from collector.read.ledger.gaps import LedgerRow

Tables = Callable[[], Iterator[pa.Table]]


class Frame:
    """Rows of one kind, in order, and what is known of them before they are read.

    Nothing is read until rows are asked for; asking again reads again. It is an Arrow stream to any library that takes one
    (`__arrow_c_stream__`), and pyarrow alone is needed for that.
    """

    def __init__(
        self, name: str, schema: pa.Schema, tables: Tables, files: Sequence[str] = (), gaps: Sequence[LedgerRow] = ()
    ) -> None:
        self.name = name
        """What it is about: exchange, symbol and data type."""
        self.schema = schema
        """The columns."""
        self.files = list(files)
        """Where its rows stand: keys of objects, and files of the data directory, oldest first."""
        self.gaps = list(gaps)
        """The unrepaired gaps in the time asked for, by start."""
        self._tables = tables

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, some thousands at a time, in bounded memory.

        Raises GapError unless gaps are to be marked, split at or ignored; StoreError, DamagedError or UnreadableError where
        rows cannot be read.
        """
        for table in self._tables():
            yield from table.to_batches()

    def arrow(self) -> pa.Table:
        """All rows. Raises as `batches`."""
        return pa.Table.from_batches(self.batches(), self.schema)

    def reader(self) -> pa.RecordBatchReader:
        """The rows as an Arrow stream, which can be read once. Raises as `batches`, while it is read."""
        return pa.RecordBatchReader.from_batches(self.schema, self.batches())

    def pandas(self) -> Any:
        """All rows as a pandas DataFrame. Raises MissingExtraError, and as `batches`."""
        required("pandas")
        return self.arrow().to_pandas()

    def lazy(self) -> Any:
        """A Polars LazyFrame that reads when it is collected, anew each time. Raises MissingExtraError."""
        polars = required("polars")
        plugins = importlib.import_module("polars.io.plugins")

        def rows(columns: list[str] | None, predicate: Any, most: int | None, _: int | None) -> Iterator[Any]:
            for batch in self.batches():
                part = polars.from_arrow(batch)
                part = part if predicate is None else part.filter(predicate)
                part = part if columns is None else part.select(columns)
                if most is not None:
                    part = part.head(most)
                    most -= part.height
                yield part
                if most == 0:
                    return

        return plugins.register_io_source(rows, schema=polars.from_arrow(self.schema.empty_table()).schema)

    def duckdb(self, con: Any = None) -> Any:
        """All rows as a DuckDB relation, of `con` or the default connection. Raises MissingExtraError, and as `batches`."""
        duckdb = required("duckdb")
        rows = self.arrow()
        return duckdb.from_arrow(rows) if con is None else con.from_arrow(rows)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The rows for any library that takes an Arrow stream. Raises as `batches` before the first row.

        Behind it the library raises an error of its own, with the same text.
        """
        batches = self.batches()
        first = list(islice(batches, 1))
        reader = pa.RecordBatchReader.from_batches(self.schema, chain(first, batches))
        return reader.__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        """What it is, without reading it."""
        return f"<Frame {self.name}: {len(self.files)} files, {len(self.gaps)} gaps, columns {', '.join(self.schema.names)}>"


def required(package: str) -> Any:
    """Import a package that an extra of the same name brings. Raises MissingExtraError."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise MissingExtraError(package, package) from error
