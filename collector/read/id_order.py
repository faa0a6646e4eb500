"""Puts the rows of several sources into the order of their ids, a few thousand rows of each in memory.

A row may be stored long after its neighbours: it came late, or was fetched later over REST. Within a source rows are in order.
Of rows with the same id, those of the earlier source come first.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from collector.domain.records import INT64_MAX

Key = tuple[int, int]
"""Series and id of a row."""

LEAST_ID: Final = -INT64_MAX - 1
_SERIES, _ID, _SOURCE = "series of the order", "id of the order", "source of the order"
_WHOLE: Final = r"^-?[0-9]{1,18}$"
"""Texts that are ids for sure: others, such as UUIDs, order nothing."""


class Source(NamedTuple):
    """Rows in order, and a key that none of them is before."""

    first: Key
    tables: Callable[[], Iterable[pa.Table]]


def with_keys(table: pa.Table, id_columns: Sequence[str]) -> pa.Table:
    """The table with its series and ids as two more columns; a row without an id has that of the row before it."""
    ids = ids_of(table, id_columns)
    if ids.null_count:
        ids = pc.fill_null(pc.fill_null_forward(ids), LEAST_ID)
    return keyed(table, pc.fill_null(table["series"].cast(pa.int64()), 0), ids)


def keyed(table: pa.Table, series: pa.ChunkedArray, ids: pa.ChunkedArray) -> pa.Table:
    """The table with these as series and id of its rows, which are in their order."""
    return table.append_column(_SERIES, series).append_column(_ID, ids)


def ids_of(table: pa.Table, id_columns: Sequence[str]) -> pa.ChunkedArray:
    """The id of each row: of these columns the first that is not null; null where there is none."""
    return pc.coalesce(*(_as_id(table[name]) for name in id_columns))


def merged(sources: Iterable[Source]) -> Iterator[pa.Table]:
    """The rows of all sources, whose tables have keys, in order and without their keys."""
    waiting = deque(sorted(enumerate(sources), key=lambda source: (source[1].first, source[0])))
    live: list[_Cursor] = []
    held: list[pa.Table] = []
    while waiting or live:
        least = min(live, key=lambda cursor: cursor.end, default=None)
        if waiting and (least is None or waiting[0][1].first <= least.end):
            live.append(_Cursor(*waiting.popleft()))
            continue
        assert least is not None  # noqa: S101 -- something waits or is live
        table = least.next()
        if table is None:
            live.remove(least)
        elif table.num_rows:
            held.append(table)
        bounds = [cursor.end for cursor in live] + [source.first for _, source in list(waiting)[:1]]
        ready, held = _before(held, min(bounds, default=None))
        if ready is not None:
            yield without_keys(ready)


def without_keys(table: pa.Table) -> pa.Table:
    """The table as it was before `with_keys`."""
    return table.drop_columns([name for name in (_SERIES, _ID, _SOURCE) if name in table.column_names])


def first_key(table: pa.Table) -> Key:
    """The key of the first row."""
    return table[_SERIES][0].as_py(), table[_ID][0].as_py()


def in_order(table: pa.Table) -> pa.Table:
    """The rows by key; those with the same key stay as they are."""
    return table.take(pc.sort_indices(table, sort_keys=[(_SERIES, "ascending"), (_ID, "ascending")]))


class _Cursor:
    """Where the reading of a source stands."""

    def __init__(self, number: int, source: Source) -> None:
        self._number = number
        self._tables = iter(source.tables())
        self.end = source.first
        """No row to come is before it."""

    def next(self) -> pa.Table | None:
        table = next(self._tables, None)
        if table is not None and table.num_rows:
            self.end = table[_SERIES][-1].as_py(), table[_ID][-1].as_py()
            number = pa.repeat(pa.scalar(self._number, pa.int32()), table.num_rows)
            table = table.append_column(_SOURCE, number)
        return table


def _before(held: list[pa.Table], bound: Key | None) -> tuple[pa.Table | None, list[pa.Table]]:
    """The rows before `bound` (None: all) in order, and the others."""
    if not held:
        return None, []
    table = held[0]
    if len(held) > 1:
        keys = [(name, "ascending") for name in (_SERIES, _ID, _SOURCE)]
        table = pa.concat_tables(held)
        table = table.take(pc.sort_indices(table, sort_keys=keys))
    count = table.num_rows if bound is None else _rows_before(table, bound)
    rest = [table.slice(count)] if count < table.num_rows else []
    return (table.slice(0, count) if count else None), rest


def _rows_before(table: pa.Table, bound: Key) -> int:
    series, ids = table[_SERIES], table[_ID]
    earlier = pc.or_(pc.less(series, bound[0]), pc.and_(pc.equal(series, bound[0]), pc.less(ids, bound[1])))
    count: int = pc.sum(earlier).as_py()
    return count


def _as_id(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_string(column.type):
        return column.cast(pa.int64())
    sound = pc.match_substring_regex(column, _WHOLE)
    return pc.if_else(sound, column, pa.scalar(None, pa.string())).cast(pa.int64())
