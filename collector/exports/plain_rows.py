"""Rows that are messages of their own, with their times."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from collector.exports.asked import Asked
from collector.exports.times import received


def timed_rows(asked: Asked, data_type: str) -> Iterator[tuple[pa.Table, pa.Array, pa.Array]]:
    """The rows of a data type, some thousand at a time, with the exchange's times and the local ones in µs since the epoch.

    Where the exchange says none, its time is the local one. Raises as reading does.
    """
    local_us = asked.when.since_us
    for batch in asked.rows(data_type).batches():
        if batch.num_rows:
            table = pa.Table.from_batches([batch])
            local = received(table, local_us)
            local_us = local[-1].as_py()
            yield table, pc.coalesce(batch.column("exchange_at").cast(pa.int64()), local), local
