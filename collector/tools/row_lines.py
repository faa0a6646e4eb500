"""Typed rows as lines for people, and as JSON. Rules without I/O."""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
from rich.text import Text

from collector.domain.names import iso_time
from collector.domain.records import BACKFILLED_LINE, StreamKey
from collector.domain.redact import printable
from collector.terminal.aligned import Aligned

Row = Mapping[str, Any]

_BOOKS: Final = frozenset({"book_delta", "book_snapshot"})
_UNSHOWN: Final = frozenset({"received_at", "exchange_at", "line", "series", "raw"})
"""Columns of every data type: of these a line has the time alone."""

_MILLISECONDS: Final = 23


def rows_of(table: pa.Table) -> Iterator[dict[str, Any]]:
    """The rows of a table; times as microseconds since the epoch."""
    columns = [
        table[field.name].cast(pa.int64()).to_pylist()
        if pa.types.is_timestamp(field.type)
        else table[field.name].to_pylist()
        for field in table.schema
    ]
    return (dict(zip(table.column_names, values, strict=True)) for values in zip(*columns, strict=True))


def json_line(row: Row, times: frozenset[str], stream: StreamKey | None = None) -> str:
    """A row as an object: the stream, if given, then the columns; times in ISO 8601."""
    told = {name: told_value(value, is_time=name in times) for name, value in row.items()}
    return json.dumps({**(stream._asdict() if stream else {}), **told}, ensure_ascii=False)


def time_columns(schema: pa.Schema) -> frozenset[str]:
    """The columns that are times."""
    return frozenset(field.name for field in schema if pa.types.is_timestamp(field.type))


class MessageLines:
    """Messages of one data type as lines below each other."""

    def __init__(self, data_type: str, schema: pa.Schema) -> None:
        self._is_book = data_type in _BOOKS
        self._times = time_columns(schema)
        own = [field for field in schema if field.name not in _UNSHOWN]
        self._own = [field.name for field in own]
        columns = _BOOK_COLUMNS if self._is_book else [(field.name, is_number(field.type)) for field in own]
        self._aligned = Aligned([("received (UTC)", False), *columns, ("", False)])

    def lines(self, rows: Sequence[Row], *, with_names: bool) -> list[Text]:
        """The lines of rows, below one with the names of the columns."""
        return self._aligned.lines(list(map(self._cells, rows)), with_names=with_names)

    def _cells(self, row: Row) -> list[str]:
        own = _book_cells(row) if self._is_book else (self._cell(name, row[name]) for name in self._own)
        return [time_text(row["received_at"]), *own, "fetched later" if row["line"] == BACKFILLED_LINE else ""]

    def _cell(self, name: str, value: Any) -> str:
        return time_text(value) if name in self._times and value is not None else cell_text(value)


_BOOK_COLUMNS: Final = (
    ("what", False), ("last_id", True), ("bids", True), ("best bid", True), ("size", True), ("asks", True),
    ("best ask", True), ("size", True),
)  # fmt: skip


def _book_cells(row: Row) -> Iterator[str]:
    """What it is, its id, and of each side how many levels it names and the best of them."""
    yield "book" if row["is_snapshot"] else "change"
    yield cell_text(row["last_id"])
    for side, best in (("bid", max), ("ask", min)):
        both = zip(row[f"{side}_prices"], row[f"{side}_sizes"], strict=True)
        levels = [(price, size) for price, size in both if price is not None and size is not None]
        yield str(len(levels))
        yield from map(cell_text, best(levels)) if levels else ("", "")


def is_number(type_: pa.DataType) -> bool:
    """Whether a column has numbers."""
    return bool(pa.types.is_floating(type_) or pa.types.is_integer(type_))


def time_text(time_us: int) -> str:
    """A time to the millisecond, without its zone."""
    return iso_time(time_us)[:_MILLISECONDS].replace("T", " ")


def plain_number(value: float) -> str:
    """The shortest decimal that is this double, without an exponent."""
    return format(Decimal(repr(value)), "f").removesuffix(".0")


def cell_text(value: Any) -> str:
    """A value as plain text; nothing for null."""
    if value is None:
        return ""
    if isinstance(value, float):
        return plain_number(value)
    if isinstance(value, bytes):
        return printable(value.decode(errors="backslashreplace"))
    return printable(str(value))


def told_value(value: Any, *, is_time: bool) -> Any:
    """A value as programs read it: a time in ISO 8601, bytes as text."""
    if is_time and value is not None:
        return iso_time(value)
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value
