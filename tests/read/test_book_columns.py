"""Columns of books become the same Python values as Arrow makes of them."""

import pyarrow as pa
import pytest

from collector.domain.records import BookRow
from collector.read.books.columns import columns_of, rows_of
from tests.read.book_tables import TimedRow as Timed
from tests.read.book_tables import frame_of

ROWS = (
    BookRow(None, 7, None, True, (2.0, 1.0), (0.5, 1.5), (), ()),
    BookRow(8, 9, 7, False, (), (), (3.0,), (None,)),
    BookRow(10, 11, 9, False, (1.5,), (0.0,), (3.0, 4.0), (1.0, 2.0)),
    BookRow(None, None, None, False, (), (), (), ()),
)


@pytest.mark.parametrize("start", range(len(ROWS)))
@pytest.mark.parametrize("count", range(len(ROWS) + 1))
def test_any_slice_of_a_table_gives_its_rows(start: int, count: int) -> None:
    table = frame_of([Timed(number, row) for number, row in enumerate(ROWS)], ()).arrow().slice(start, count)
    assert list(rows_of(table)) == list(ROWS[start : start + count])


def test_columns_of_several_chunks_are_joined() -> None:
    frame = frame_of([Timed(number, row) for number, row in enumerate(ROWS)], (), cuts=(1, 3))
    table = pa.Table.from_batches(frame.batches())
    assert table["bid_prices"].num_chunks == 3
    assert list(zip(*columns_of(table, ("last_id", "bid_prices")), strict=True)) == [
        (row.last_id, row.bid_prices) for row in ROWS
    ]
