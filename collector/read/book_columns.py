"""Columns of books as Python values, many times as fast as Arrow makes lists of lists, and without NumPy."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa


def columns_of(table: pa.Table, names: Iterable[str]) -> Iterator[Sequence[Any]]:
    """The values of columns; lists of levels are tuples."""
    for name in names:
        column = table[name]
        yield _tuples(column) if pa.types.is_list(column.type) else column.to_pylist()


def _tuples(column: pa.ChunkedArray) -> list[tuple[float | None, ...]]:
    found: list[tuple[float | None, ...]] = []
    for lists in column.chunks:
        values = _values(lists.flatten())
        edges = lists.offsets.to_pylist()
        found += [values[start - edges[0] : end - edges[0]] for start, end in pairwise(edges)]
    return found


def _values(numbers: pa.DoubleArray) -> tuple[float | None, ...]:
    if numbers.null_count or not len(numbers):
        return tuple(numbers.to_pylist())
    data = memoryview(numbers.buffers()[1]).cast("d")
    return tuple(data[numbers.offset : numbers.offset + len(numbers)].tolist())
