"""Times as other projects want them: local ones that never step back, and an exchange's time for every row."""

import pyarrow as pa
import pyarrow.compute as pc

from collector.read.window import row_times


def received(table: pa.Table, not_before_us: int) -> pa.Array:
    """When each row was received, or one before it in its order, if that came later; µs since the epoch."""
    return pc.cumulative_max(one_array(row_times(table, "received")), start=not_before_us)


def apart(times: pa.Array, after_us: int) -> pa.Array:
    """The times, each at least 1 µs after the one before it: readers take rows of one local time for one message."""
    places = pa.array(range(len(times)), pa.int64())
    return pc.add(pc.cumulative_max(pc.subtract(times, places), start=after_us + 1), places)


def said(table: pa.Table, before_us: int | None, local: pa.Array) -> pa.Array:
    """The exchange's time of each row; where it says none, that of the row before, else of the next one, else the local one.

    `before_us` is that of the row before the first. A whole book that was fetched over REST has no time: with the local one
    in its place it would lie on the wrong side of its neighbours wherever the two clocks differ.
    """
    known = pa.concat_arrays([pa.array([before_us], pa.int64()), one_array(table["exchange_at"].cast(pa.int64()))])
    return pc.coalesce(pc.fill_null_backward(pc.fill_null_forward(known)).slice(1), local)


def last_said(table: pa.Table, before_us: int | None) -> int | None:
    """The latest time that the exchange said, up to the last row; `before_us` if it said none."""
    known = table["exchange_at"].cast(pa.int64()).drop_null()
    return known[-1].as_py() if len(known) else before_us


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """The column in one piece."""
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
