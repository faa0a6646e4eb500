"""Local times of an export never step back, and each row has a time of the exchange where anything tells one."""

import pyarrow as pa

from collector.exports.times import apart, last_said, received, said


def table(received_us: list[int], exchange_us: list[int | None], line: int = 0) -> pa.Table:
    clock = pa.timestamp("us", tz="UTC")
    lines = pa.array([line] * len(received_us), pa.int8())
    return pa.table(
        [pa.array(received_us, clock), pa.array(exchange_us, clock), lines], ["received_at", "exchange_at", "line"]
    )


def test_a_row_received_before_the_one_before_it_has_that_ones_time() -> None:
    assert received(table([5, 3, 7], [None] * 3), 0).to_pylist() == [5, 5, 7]
    assert received(table([5, 3, 7], [None] * 3), 6).to_pylist() == [6, 6, 7]


def test_no_two_rows_share_a_time_and_none_moves_further_than_it_must() -> None:
    assert apart(pa.array([5, 5, 5, 9]), 0).to_pylist() == [5, 6, 7, 9]
    assert apart(pa.array([5, 6]), 6).to_pylist() == [7, 8]


def test_a_row_without_a_time_has_its_neighbours() -> None:
    local = pa.array([10, 11, 12])
    assert said(table([0] * 3, [None, 4, None]), None, local).to_pylist() == [4, 4, 4]
    assert said(table([0] * 3, [None, 4, None]), 2, local).to_pylist() == [2, 4, 4]


def test_where_the_exchange_says_no_times_at_all_each_row_keeps_its_own_local_one() -> None:
    rows = table([10, 11], [None, None])
    assert said(rows, None, pa.array([10, 11])).to_pylist() == [10, 11]
    assert last_said(rows, None) is None
    assert last_said(table([10, 11], [4, None]), None) == 4
