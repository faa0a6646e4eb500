from collections.abc import Callable

import pytest

from collector.domain.disk_trend import SHORT_SECS, DiskTrend

GIB = 1 << 30
HOUR_SECS = 3600.0


def trend_of(free_at: Callable[[float], float], until_secs: float) -> float | None:
    trend = DiskTrend(HOUR_SECS, GIB)
    at_secs = 0.0
    while at_secs < until_secs:
        trend.note(at_secs, round(free_at(at_secs)))
        at_secs += 10.0
    return trend.full_in_secs(at_secs, round(free_at(at_secs)))


def test_a_disk_that_keeps_its_space_is_not_filling() -> None:
    assert trend_of(lambda _: 50 * GIB, 5 * HOUR_SECS) is None


def test_a_disk_that_gains_space_is_not_filling() -> None:
    assert trend_of(lambda at: (50 + at / HOUR_SECS) * GIB, 5 * HOUR_SECS) is None


def test_a_disk_without_more_than_its_reserve_is_full() -> None:
    assert trend_of(lambda _: GIB, 10.0) == 0.0


def test_the_saw_of_sealing_and_archiving_is_no_trend() -> None:
    """Ten of fifty gigabytes are taken in every hour, and freed at its end."""
    assert trend_of(lambda at: (50 - 10 * (at % HOUR_SECS) / HOUR_SECS) * GIB, 5.5 * HOUR_SECS) is None


def test_what_stays_behind_of_every_period_is_the_trend() -> None:
    """One gigabyte of every hour's ten stays, so 23 left ones last about a day."""
    free = 30 - 5
    left = trend_of(lambda at: (30 - at // HOUR_SECS - 10 * (at % HOUR_SECS) / HOUR_SECS) * GIB, 5 * HOUR_SECS)
    assert left == pytest.approx((free - 1) * HOUR_SECS, rel=0.02)


def test_a_fall_that_would_end_before_the_period_does_counts_at_once() -> None:
    left = trend_of(lambda at: (10 - at / 100) * GIB, SHORT_SECS)
    assert left == pytest.approx(6 * 100, rel=0.02)


def test_a_slower_fall_is_not_judged_before_whole_periods_were_seen() -> None:
    assert trend_of(lambda at: (50 - at / HOUR_SECS) * GIB, 2 * HOUR_SECS) is None
    assert trend_of(lambda at: (50 - at / HOUR_SECS) * GIB, 2.1 * HOUR_SECS) == pytest.approx(47 * HOUR_SECS, rel=0.02)


def test_a_moment_is_no_trend() -> None:
    assert trend_of(lambda at: (100 - at) * GIB, SHORT_SECS / 5 - 10) is None
