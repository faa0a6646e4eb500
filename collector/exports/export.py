"""What every kind of rows in a format offers to what writes them."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pyarrow as pa

from collector.read.ledger.gaps import LedgerRow


class Export(NamedTuple):
    """The rows of one data type, and what is found out while they are read."""

    tables: Callable[[], Iterator[pa.Table]]
    gaps: Callable[[], list[LedgerRow]]
    """Those in the stretch; asked when all rows were read."""
    moved: Callable[[], int] = lambda: 0
    """Messages that were moved by a microsecond, because the one before had the same local time."""
    left_out: Callable[[], int] = lambda: 0
    """Rows that the format cannot hold."""
