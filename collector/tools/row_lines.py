"""Typed rows as lines: in columns whose numbers stand by their decimal points, or as JSON. Rules without I/O."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
from rich.text import Text

from collector.domain.names import iso_time
from collector.domain.records import BACKFILLED_LINE, StreamKey
from collector.domain.redact import printable

Row = Mapping[str, Any]

_BOOKS: Final = frozenset({"book_delta", "book_snapshot"})
_UNSHOWN: Final = frozenset({"received_at", "exchange_at", "line", "series", "raw"})
"""Columns of every data type: of these a line has the time alone."""

_SIDES: Final = {"buy": "green", "sell": "red"}
_MILLISECONDS: Final = 23
_WIDEST: Final = 60
"""Longer texts, as of frames, make no column wider."""


def rows_of(table: pa.Table) -> Iterator[dict[str, Any]]:
    """The rows of a table; times as microseconds since the epoch."""
    columns = [
        table[field.name].cast(pa.int64()).to_pylist()
        if pa.types.is_timestamp(field.type)
        else table[field.name].to_pylist()
        for field in table.schema
    ]
    return (dict(zip(table.column_names, values, strict=True)) for values in zip(*columns, strict=True))


def json_line(stream: StreamKey, row: Row, times: frozenset[str]) -> str:
    """A row as an object: the stream, then the columns of its files; times in ISO 8601."""
    told = {name: _told(value, is_time=name in times) for name, value in row.items()}
    return json.dumps({**stream._asdict(), **told}, ensure_ascii=False)


def time_columns(schema: pa.Schema) -> frozenset[str]:
    """The columns that are times."""
    return frozenset(field.name for field in schema if pa.types.is_timestamp(field.type))


@dataclass
class _Column:
    """A column of text, as wide as what it has shown."""

    name: str
    is_number: bool
    before: int = 0
    """Characters before the decimal point, or of all of a text."""
    behind: int = 0

    def fit(self, text: str) -> None:
        before, behind = _parts(text) if self.is_number else (text, "")
        self.before = max(self.before, min(_WIDEST, len(before)))
        self.behind = max(self.behind, len(behind))

    def padded(self, text: str) -> str:
        width = max(self.before + self.behind, len(self.name))
        if not self.is_number:
            return text.ljust(width)
        return (text + " " * (self.behind - len(_parts(text)[1]))).rjust(width)

    def head(self) -> str:
        width = max(self.before + self.behind, len(self.name))
        return self.name.rjust(width) if self.is_number else self.name.ljust(width)


class Columns:
    """Lines of rows of one data type. Columns grow with what they show, and never shrink: lines stay below each other."""

    def __init__(self, data_type: str, schema: pa.Schema) -> None:
        self._is_book = data_type in _BOOKS
        self._times = time_columns(schema)
        self._own = [field.name for field in schema if field.name not in _UNSHOWN]
        numbers = {field.name for field in schema if _is_number(field.type)}
        own = _BOOK_COLUMNS if self._is_book else [(name, name in numbers) for name in self._own]
        self._columns = [_Column("received (UTC)", is_number=False), *(_Column(*column) for column in own)]

    def lines(self, rows: Sequence[Row], *, with_names: bool) -> list[Text]:
        """The lines of rows, below one with the names of the columns."""
        cells = [self._cells(row) for row in rows]
        for row in cells:
            for column, text in zip(self._columns, row, strict=True):
                column.fit(text)
        heads = [Text("  ".join(column.head() for column in self._columns), "bold")] if with_names else []
        return [*heads, *map(self._line, rows, cells)]

    def _cells(self, row: Row) -> list[str]:
        at = _time(row["received_at"])
        return [at, *(_book_cells(row) if self._is_book else (self._cell(name, row[name]) for name in self._own))]

    def _cell(self, name: str, value: Any) -> str:
        return "" if value is None else _time(value) if name in self._times else _text(value)

    def _line(self, row: Row, cells: list[str]) -> Text:
        line = Text()
        for index, (column, text) in enumerate(zip(self._columns, cells, strict=True)):
            line.append(column.padded(text), "dim" if index == 0 else _SIDES.get(text, ""))
            line.append("  ")
        if row["line"] == BACKFILLED_LINE:
            line.append("fetched later", "dim")
        line.rstrip()
        return line


_BOOK_COLUMNS: Final = (
    ("what", False), ("last_id", True), ("bids", True), ("best bid", True), ("size", True), ("asks", True),
    ("best ask", True), ("size", True),
)  # fmt: skip


def _book_cells(row: Row) -> Iterator[str]:
    """What it is, its id, and of each side how many levels it names and the best of them."""
    yield "book" if row["is_snapshot"] else "change"
    yield "" if row["last_id"] is None else _text(row["last_id"])
    for side, best in (("bid", max), ("ask", min)):
        both = zip(row[f"{side}_prices"], row[f"{side}_sizes"], strict=True)
        levels = [(price, size) for price, size in both if price is not None and size is not None]
        yield str(len(levels))
        yield from map(_text, best(levels)) if levels else ("", "")


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_floating(type_) or pa.types.is_integer(type_))


def _parts(number: str) -> tuple[str, str]:
    """What stands before a number's decimal point, and the rest."""
    before, point, behind = number.partition(".")
    return before, point + behind


def _time(time_us: int) -> str:
    return iso_time(time_us)[:_MILLISECONDS].replace("T", " ")


def plain_number(value: float) -> str:
    """The shortest decimal that is this double, without an exponent."""
    text = format(Decimal(repr(value)), "f")
    return text.removesuffix(".0")


def _text(value: Any) -> str:
    if isinstance(value, float):
        return plain_number(value)
    if isinstance(value, bytes):
        return printable(value.decode(errors="backslashreplace"))
    return printable(str(value))


def _told(value: Any, *, is_time: bool) -> Any:
    if is_time and value is not None:
        return iso_time(value)
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value
