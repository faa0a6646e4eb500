"""When the writer commits and seals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.processes.writer.batching import MIN_BATCH_SIZE, next_batch_limit, passed_boundary


def test_a_slow_commit_halves_the_limit_and_a_fast_full_one_doubles_it() -> None:
    assert next_batch_limit(4_000, 0.9, 4_000, 10_000) == 2_000
    assert next_batch_limit(4_000, 0.01, 4_000, 10_000) == 8_000
    assert next_batch_limit(4_000, 0.01, 100, 10_000) == 4_000
    assert next_batch_limit(4_000, 0.3, 4_000, 10_000) == 4_000


@pytest.mark.parametrize(("wait_secs", "rows_a_sec"), [(0.6, 1_000), (2.0, 1_500), (5.0, 1_500), (30.0, 300)])
def test_commits_that_wait_for_the_disk_get_more_rows(wait_secs: float, rows_a_sec: float) -> None:
    limit = MIN_BATCH_SIZE
    for commit in range(20):
        limit = next_batch_limit(limit, wait_secs + limit * 10e-6, limit, 10_000)
        assert commit < 10 or limit / wait_secs > rows_a_sec
    assert next_batch_limit(limit, wait_secs, 10, 10_000) == limit, "one that is not full says nothing"


@given(st.integers(1, 20_000), st.floats(0, 60), st.integers(0, 20_000), st.integers(1, 10_000))
def test_the_limit_stays_within_its_bounds(limit: int, commit_secs: float, size: int, max_size: int) -> None:
    assert min(MIN_BATCH_SIZE, max_size) <= next_batch_limit(limit, commit_secs, size, max_size) <= max_size


def test_a_boundary_is_a_multiple_of_the_interval_in_utc() -> None:
    hour_us = 3_600_000_000
    assert not passed_boundary(hour_us * 5 + 1, hour_us * 6 - 1, 3_600)
    assert passed_boundary(hour_us * 5 + 1, hour_us * 6, 3_600)
    assert not passed_boundary(hour_us * 5 + 1, hour_us * 3, 3_600)
