from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.backoff import delays

FRACTIONS = st.floats(0, 1, exclude_max=True)


def test_the_ceiling_of_a_delay_doubles_up_to_the_cap() -> None:
    almost_one = 0.9999999999

    ceilings = [round(delay, 3) for delay in islice(delays(5, 300, lambda: almost_one), 9)]

    assert ceilings == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_a_delay_is_spread_over_the_whole_range_down_to_zero() -> None:
    assert list(islice(delays(5, 300, lambda: 0.0), 3)) == [0, 0, 0]
    assert list(islice(delays(5, 300, lambda: 0.5), 3)) == [2.5, 5, 10]


def test_a_cap_below_the_base_limits_every_delay() -> None:
    assert list(islice(delays(60, 8, lambda: 0.5), 2)) == [4, 4]


@given(
    base=st.floats(0.001, 1_000),
    cap=st.floats(0.001, 10_000),
    fractions=st.lists(FRACTIONS, min_size=1, max_size=2_000),
)
def test_no_delay_leaves_its_bounds_however_often_it_fails(base: float, cap: float, fractions: list[float]) -> None:
    numbers = iter(fractions)

    taken = list(islice(delays(base, cap, lambda: next(numbers)), len(fractions)))

    for index, (delay, fraction) in enumerate(zip(taken, fractions, strict=True)):
        ceiling = min(cap, base * 2.0 ** min(index, 500))
        assert 0 <= delay <= ceiling
        assert delay == pytest.approx(fraction * ceiling)
