"""Puts rows that were found into their place among the rows of an object."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from collector.read.id_order import LEAST_ID, Source, ids_of, keyed, merged, with_keys
from collector.storage.archive.schema import ROW_SCHEMAS

_FOUND: Final = "whether the row was found"

_NOT_COMPARED: Final = frozenset({"sequence", "kind"})
"""What one way to fetch a trade tells and another does not."""

Tables = Callable[[], Iterable[pa.Table]]


class Merge:
    """One merge: rows of an object, and of each source those that were found, each in order."""

    def __init__(self, data_type: str, id_columns: Sequence[str], stored: Tables, found: Sequence[Tables]) -> None:
        """Without `id_columns` rows are in the order in which they were received."""
        self._data_type = data_type
        self._id_columns = id_columns
        self._stored = stored
        self._found = found
        self.copies = 0
        """Rows found that the object had already, or that were found before; complete at the end."""
        self.taken = 0
        """The others."""

    def tables(self) -> Iterator[pa.Table]:
        """The rows of all, in order."""
        sources = [(self._stored, False), *((found, True) for found in self._found)]
        before = LEAST_ID, LEAST_ID
        for table in merged(Source(before, partial(self._keyed, *source)) for source in sources):
            kept = self._without_copies(table) if self._id_columns else table
            self.taken += pc.sum(kept[_FOUND]).as_py() or 0
            yield kept.drop_columns([_FOUND])

    def _keyed(self, tables: Tables, is_found: bool) -> Iterator[pa.Table]:
        latest = LEAST_ID
        for table in tables():
            marked = table.append_column(_FOUND, pa.repeat(pa.scalar(is_found), len(table)))
            if self._id_columns:
                yield with_keys(marked, self._id_columns)
            elif len(table):
                arrival = _latest(table, latest)
                latest = arrival[-1].as_py()
                yield keyed(marked, pa.repeat(pa.scalar(0, pa.int64()), len(table)), arrival)

    def _without_copies(self, table: pa.Table) -> pa.Table:
        ids = ids_of(table, self._id_columns)
        same = pc.and_(
            pc.equal(table["series"][1:], table["series"][:-1]), pc.fill_null(pc.equal(ids[1:], ids[:-1]), False)
        )
        again: list[int] = pc.indices_nonzero(pc.and_(same, table[_FOUND][1:])).to_pylist()
        copies = {index + 1 for index in again if self._are_same(table.slice(index, 2))}
        self.copies += len(copies)
        return table.take([index for index in range(len(table)) if index not in copies]) if copies else table

    def _are_same(self, pair: pa.Table) -> bool:
        names = [name for name in ROW_SCHEMAS[self._data_type].names if name not in _NOT_COMPARED]
        first, second = pair.select(names).to_pylist()
        return bool(first == second)


def _latest(table: pa.Table, before: int) -> pa.ChunkedArray:
    """The latest time of receipt up to each row: the order in which rows came, although clocks step back."""
    received = table["received_at"].cast(pa.int64())
    return pc.cumulative_max(received, start=before)
