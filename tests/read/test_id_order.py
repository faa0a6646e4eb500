"""Rows of several sources come in the order of their ids, whatever order they were stored in."""

from functools import partial

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from collector.read.id_order import LEAST_ID, Source, first_key, in_order, merged, with_keys

ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), max_size=30)
SOURCES = st.lists(ROWS, max_size=6)


def table(rows: list[tuple[int, int]], number: int) -> pa.Table:
    """Rows of a source, which is the third column."""
    series, ids = [row[0] for row in rows], [row[1] for row in rows]
    columns = {"series": pa.array(series, pa.int32()), "last_id": pa.array(ids, pa.int64())}
    return with_keys(pa.table({**columns, "source": pa.array([number] * len(rows), pa.int32())}), ["last_id"])


def source(rows: list[tuple[int, int]], number: int, size: int, *, knows_first: bool) -> Source:
    """A source that hands out its rows in tables of `size`."""
    whole = table(sorted(rows), number)
    first = first_key(whole) if knows_first else (LEAST_ID, LEAST_ID)
    parts = [whole.slice(start, size) for start in range(0, len(rows), size)]
    return Source(first, partial(iter, parts))


@given(given_rows=SOURCES, size=st.integers(1, 10), knows_first=st.booleans())
def test_sources_are_merged_as_if_all_rows_were_sorted(
    given_rows: list[list[tuple[int, int]]], size: int, *, knows_first: bool
) -> None:
    sources = [source(rows, number, size, knows_first=knows_first) for number, rows in enumerate(given_rows) if rows]
    found = [tuple(row.values()) for part in merged(sources) for row in part.to_pylist()]
    assert found == sorted((*row, number) for number, rows in enumerate(given_rows) for row in rows)


def test_sources_that_do_not_overlap_are_opened_one_after_another() -> None:
    opened: list[int] = []

    def tables(number: int) -> list[pa.Table]:
        opened.append(number)
        return [table([(0, 10 * number), (0, 10 * number + 1)], number)]

    parts = merged(Source((0, 10 * number), partial(tables, number)) for number in range(5))
    next(parts)
    assert opened == [0]
    assert len(list(parts)) >= 4


def test_a_text_is_an_id_if_it_is_a_whole_number_and_the_first_column_that_has_one_counts() -> None:
    rows = {
        "series": pa.array([0, 0, 0, 1], pa.int32()),
        "sequence": pa.array([None, 7, None, None], pa.int64()),
        "trade_id": pa.array(["5", "x", "9aa-b", "-3"]),
    }
    keys = with_keys(pa.table(rows), ("sequence", "trade_id")).to_pylist()
    assert [list(row.values())[-2:] for row in keys] == [[0, 5], [0, 7], [0, 7], [1, -3]]


def test_rows_with_the_same_id_stay_as_they_were() -> None:
    rows = pa.table({"series": pa.array([0] * 4, pa.int32()), "last_id": [2, 1, 2, 1], "place": [0, 1, 2, 3]})
    assert in_order(with_keys(rows, ["last_id"]))["place"].to_pylist() == [1, 3, 0, 2]
