from hypothesis import given
from hypothesis import strategies as st

from collector.domain.histogram import BOUNDS_US, Histogram

TIMES_US = st.integers(-10_000_000, 400_000_000)


def test_a_value_at_a_bound_belongs_below_it() -> None:
    histogram = Histogram()
    histogram.add(1_000)
    histogram.add(1_001, times=3)
    histogram.add(BOUNDS_US[-1] + 1)
    assert dict(histogram.rows()) == {0: 1, 1: 3, len(BOUNDS_US): 1, -1: 1_000 + 3_003 + BOUNDS_US[-1] + 1}


def test_a_time_below_zero_counts_but_takes_nothing_from_the_sum() -> None:
    histogram = Histogram()
    histogram.add(-5_000)
    histogram.add_all([-7, 2])
    assert dict(histogram.rows()) == {0: 3, -1: 2}


@given(st.lists(TIMES_US))
def test_many_at_once_are_counted_as_one_by_one(values: list[int]) -> None:
    one_by_one, at_once = Histogram(), Histogram()
    for value in values:
        one_by_one.add(value)
    at_once.add_all(sorted(values))
    assert list(at_once.rows()) == list(one_by_one.rows())
    assert sum(at_once.counts) == len(values)
