"""Rows of a book as columns of numbers, some thousands at a time. Needs NumPy."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.domain.records import BookRow
from collector.read.books.book import begin
from collector.read.ledger.gaps import LedgerRow
from collector.read.window import row_times

PART_ROWS: Final = 8_192
"""Rows are gathered until there are so many: each part costs as much again as the book has levels."""


class Levels(NamedTuple):
    """One side of the rows: those of row r are `starts[r]` to `starts[r + 1]`."""

    starts: Any
    prices: pa.Array
    """A price that could not be read is 0."""
    sizes: Any

    def of_row(self, row: int) -> list[tuple[float, float]]:
        """Price and size of each of the row's levels."""
        begin, end = int(self.starts[row]), int(self.starts[row + 1])
        prices = self.prices.slice(begin, end - begin).to_pylist()
        return list(zip(prices, self.sizes[begin:end].tolist(), strict=True))


class BookPart(NamedTuple):
    """Rows in the order of ids."""

    at_us: Any
    """When each was received, or one before it in that order, if that came later."""
    snapshots: Any
    unread: Any
    """Whether a price or size of the row is null."""
    numbered: Any
    begins: Any
    """The first id that a row covers."""
    ids: Any
    """Its last id; 0 where it has none."""
    marks: dict[int, list[LedgerRow]]
    """The gaps before rows."""
    sides: tuple[Levels, Levels]
    """Bids and asks."""


def parts(batches: Iterable[pa.RecordBatch], gaps: Iterable[LedgerRow]) -> Iterator[BookPart]:
    """The rows of batches that have the columns of `book_course.COLUMNS`, and `gap_id` if gaps are marked."""
    known = {row.gap.gap_id: row for row in gaps}
    latest_us = 0
    for table in _gathered(batches):
        part = _part(table, known, latest_us)
        latest_us = int(part.at_us[-1])
        yield part


def part_of_rows(rows: Sequence[BookRow]) -> BookPart:
    """Rows as a part; the time of each is its number."""
    columns = dict(zip(BookRow._fields, zip(*rows, strict=True), strict=True))
    (bids, bid_nulls), (asks, ask_nulls) = (
        _levels_of(columns[f"{side}_prices"], columns[f"{side}_sizes"]) for side in ("bid", "ask")
    )
    ids = columns["last_id"]
    return BookPart(
        np.arange(len(rows)),
        np.array(columns["is_snapshot"]),
        bid_nulls | ask_nulls,
        np.array([id_ is not None for id_ in ids]),
        np.array([begin(row) for row in rows], np.int64),
        np.array([id_ or 0 for id_ in ids], np.int64),
        {},
        (bids, asks),
    )


def _levels_of(prices: Sequence[Sequence[Any]], sizes: Sequence[Sequence[Any]]) -> tuple[Levels, Any]:
    types = pa.list_(pa.float64())
    table = pa.table({"side_prices": pa.array(prices, types), "side_sizes": pa.array(sizes, types)})
    return _levels(table, "side")


def _gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        if rows >= PART_ROWS:
            yield pa.Table.from_batches(held)
            held, rows = [], 0
    if rows:
        yield pa.Table.from_batches(held)


def _part(table: pa.Table, known: dict[str, LedgerRow], latest_us: int) -> BookPart:
    times = np.maximum.accumulate(row_times(table, "received").to_numpy())
    (bids, bid_nulls), (asks, ask_nulls) = _levels(table, "bid"), _levels(table, "ask")
    begins = pc.coalesce(pc.add(table["previous_id"], 1), table["first_id"], 0)
    return BookPart(
        np.maximum(times, latest_us),
        _numbers(table["is_snapshot"]),
        bid_nulls | ask_nulls,
        _numbers(table["last_id"].is_valid()),
        _numbers(begins),
        _numbers(pc.fill_null(table["last_id"], 0)),
        _marks(table, known),
        (bids, asks),
    )


def _levels(table: pa.Table, side: str) -> tuple[Levels, Any]:
    """A side of the rows, and which rows have a number in it that is null."""
    (starts, prices), (size_starts, sizes) = (_flat(table[f"{side}_{what}"]) for what in ("prices", "sizes"))
    if not np.array_equal(starts, size_starts):
        raise ValueError(f"a row has not as many {side} sizes as {side} prices")
    nulls = np.zeros(table.num_rows, bool)
    if prices.null_count or sizes.null_count:
        places = np.flatnonzero(_numbers(pc.or_(prices.is_null(), sizes.is_null())))
        nulls[np.searchsorted(starts, places, "right") - 1] = True
    return Levels(starts, pc.fill_null(prices, 0.0), _numbers(pc.fill_null(sizes, 0.0))), nulls


def _flat(column: pa.ChunkedArray) -> tuple[Any, pa.Array]:
    """Where each row's values begin, one more for the end, and the values."""
    lists = pa.concat_arrays(column.chunks)
    starts = lists.offsets.to_numpy().astype(np.int64)
    return starts - starts[0], lists.flatten()


def _marks(table: pa.Table, known: dict[str, LedgerRow]) -> dict[int, list[LedgerRow]]:
    if "gap_id" not in table.column_names:
        return {}
    marks = table["gap_id"]
    found = {}
    for row in np.flatnonzero(_numbers(marks.is_valid())).tolist():
        gaps = [known[name] for name in marks[row].as_py().split() if name in known]
        if gaps:
            found[row] = gaps
    return found


def _numbers(column: pa.Array | pa.ChunkedArray) -> Any:
    """A copy: Arrow's own numbers cannot be written to, and those are another type to a compiler."""
    chunked = isinstance(column, pa.ChunkedArray)
    return np.array(column.to_numpy() if chunked else column.to_numpy(zero_copy_only=False))
