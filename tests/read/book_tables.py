"""Rows of a book as a frame, whose gaps are marked."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import pyarrow as pa

from collector.domain.records import BookRow, Gap
from collector.read.books.course import COLUMNS
from collector.read.books.depth import Sampling, depth_schema
from collector.read.frame import Frame
from collector.read.ledger.gaps import LedgerRow
from collector.read.marking import COLUMNS as COLUMNS_OF_MODES
from collector.read.pieces import schema_for
from collector.read.window import Window


class TimedRow(NamedTuple):
    """A row, when it was received, and the names of the gaps before it."""

    at_us: int
    row: BookRow
    gaps: tuple[str, ...] = ()


def gap(name: str, started_us: int, ended_us: int | None) -> LedgerRow:
    """A gap of the book."""
    return LedgerRow(
        "toy",
        "BTC",
        Gap(name, "book_delta", "sequence", "", None, None, None, started_us, ended_us, 0, "open", None, 0),
    )


def frame_of(rows: Sequence[TimedRow], gaps: Sequence[LedgerRow], cuts: Sequence[int] = ()) -> Frame:
    """The rows as a frame whose batches begin at `cuts`."""
    schema = pa.schema([*schema_for("book_delta", COLUMNS), COLUMNS_OF_MODES["mark"]])
    found = [
        {
            **row.row._asdict(),
            "received_at": row.at_us,
            "line": 0,
            "series": 1,
            "gap_id": " ".join(row.gaps) or None,
        }
        for row in rows
    ]
    table = pa.Table.from_pylist(found, schema)
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    tables = [table.slice(start, end - start) for start, end in pairwise(edges)]
    return Frame("rows", schema, lambda: iter(tables), gaps=gaps)


def sampling(since_us: int, until_us: int, levels: int, every_us: int, gaps: Sequence[LedgerRow]) -> Sampling:
    """Samples that are taken of unknown books, too; those of gaps are marked."""
    when = Window(since_us, until_us)
    return Sampling(when, levels, every_us, list(gaps), depth_schema("mark"), lambda _at_us, _why, *, exists: None)
