"""Typed rows of single messages, whatever they hold."""

import json
import math
from collections.abc import Sequence
from itertools import chain, islice
from typing import Any

from hypothesis import strategies as st

from collector.domain.decimals import to_double
from collector.domain.records import (
    ROW_TYPES,
    AggTradeRow,
    BookRow,
    BookTickerRow,
    Column,
    FundingRateRow,
    InstrumentRow,
    LiquidationRow,
    Lists,
    MarkPriceRow,
    OpenInterestRow,
    TradeRow,
    TypedColumns,
)
from collector.exchanges.adapter import Adapter
from tests.exchanges.numbers import anything, numbers_of

TypedRow = (
    TradeRow
    | AggTradeRow
    | BookRow
    | BookTickerRow
    | MarkPriceRow
    | FundingRateRow
    | OpenInterestRow
    | LiquidationRow
    | InstrumentRow
)


def rows_of(adapter: Adapter, data_type: str, payloads: Sequence[bytes]) -> list[TypedRow | None]:
    """What payloads become, row by row; None for one that has no row."""
    return as_rows(data_type, len(payloads), adapter.columns(data_type, payloads))


def as_rows(data_type: str, count: int, typed: TypedColumns) -> list[TypedRow | None]:
    """The rows of `count` messages; None for one that has no row."""
    rows = iter(zip(*map(_values, typed.columns), strict=True))
    found = [None if index in typed.untyped else ROW_TYPES[data_type](*next(rows)) for index in range(count)]
    assert next(rows, None) is None
    return found


def as_columns(data_type: str, rows: Sequence[TypedRow | None]) -> TypedColumns:
    """The columns of rows; None stands for a message that has no row."""
    typed = [row for row in rows if row is not None]
    columns: list[list[Any]] = [list(column) for column in zip(*typed, strict=True)]
    return TypedColumns(
        tuple(map(_column, columns or [[] for _ in ROW_TYPES[data_type]._fields])),
        [index for index, row in enumerate(rows) if row is None],
        [index for index, row in enumerate(typed) if None in numbers_of(row)],
    )


def payload(data: dict[str, Any]) -> bytes:
    """The frame of a message in a combined stream."""
    return json.dumps({"stream": "x", "data": data}, separators=(",", ":")).encode()


def only_row(adapter: Adapter, data_type: str, data: dict[str, Any]) -> Any:
    """What a single message becomes."""
    (row,) = rows_of(adapter, data_type, [payload(data)])
    return row


@st.composite
def altered(draw: st.DrawFn, messages: dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """A message with up to three of its fields replaced, by its data type."""
    data_type = draw(st.sampled_from(sorted(messages)))
    message = dict(messages[data_type])
    for name in draw(st.lists(st.sampled_from(sorted(message)), max_size=3)):
        message[name] = draw(anything)
    return data_type, message


def assert_told_alike(adapter: Adapter, data_type: str, message: dict[str, Any]) -> None:
    """The row's numbers are the doubles of the message's decimals; there are none without a row."""
    row, texts = only_row(adapter, data_type, message), adapter.decimals(data_type, payload(message))
    numbers = [] if row is None else list(numbers_of(row))
    assert numbers == [to_double(text) for text in texts]
    assert all(number is None or math.isfinite(number) for number in numbers)


def _values(column: Column) -> list[Any]:
    if not isinstance(column, Lists):
        return column
    values = iter(column.values)
    lists = [tuple(islice(values, length)) for length in column.lengths]
    assert next(values, None) is None
    return lists


def _column(values: list[Any]) -> Column:
    if not values or not isinstance(values[0], tuple):
        return values
    return Lists(list(map(len, values)), list(chain.from_iterable(values)))
