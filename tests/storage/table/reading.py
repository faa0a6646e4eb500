"""What readers of the tables are to find: the same sums as `collector.read`, whoever reads."""

from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import compute as pc

import collector.read
from collector.storage.store.object_store import ObjectStore
from tests.compaction.compaction_archive import fill
from tests.storage.table.tabled import Tabled

HOSTS = ("host-1", "host-2")


class Sums(NamedTuple):
    """Of the rows of BTCUSDT in a table."""

    rows: int
    first: Any
    """Sum of prices of trades, or of all bids of books."""
    last_received: str


def filled(folder: Path, store: ObjectStore | None = None, **options: Any) -> Tabled:
    """An archive of two days of two hosts, and its tables, as the pages' examples have them."""
    (folder / "data").mkdir()
    tabled = Tabled(folder / "data", store, **options)
    fill(tabled.store, folder / "made")
    tabled.look()
    return tabled


def sums_of(rows: pa.Table) -> Sums:
    """Of a trade's or a book's table, or of the rows that `collector.read` gives."""
    if "price" in rows.column_names:
        total = pc.sum(rows["price"]).as_py()
    else:
        total = pc.sum(pc.list_flatten(rows["bid_prices"])).as_py()
    return Sums(rows.num_rows, round(total, 6), f"{pc.max(rows['received_at']).as_py():%Y-%m-%d %H:%M:%S}")


def read_sums(url: str, data_type: str) -> Sums:
    """What `collector.read` finds."""
    archive = collector.read.open(url)
    rows = [archive.rows(data_type, "BTCUSDT", gaps="ignore", host=host).arrow() for host in HOSTS]
    return sums_of(pa.concat_tables(rows))
