from collections.abc import Callable

import pytest

from collector.monitoring.disk_trend import SHORT_SECS, DiskTrend

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


def test_a_fall_is_forgotten_once_half_of_it_was_taken_back() -> None:
    """A gigabyte goes every ten seconds, for four minutes; then there is somewhat less than before."""
    assert trend_of(lambda at: (40 - min(at, 240) / 10) * GIB, 250.0) is not None
    assert trend_of(lambda at: (40 - at / 10 if at < 240 else 30) * GIB, 250.0) is None


def test_a_fall_that_goes_on_after_a_small_rise_still_counts() -> None:
    free = trend_of(lambda at: (40 - at / 10 + (at > 120)) * GIB, 240.0)
    assert free == pytest.approx((40 - 24) * 10, rel=0.1)


def test_what_was_taken_for_a_while_and_is_free_again_is_no_trend() -> None:
    """For half an hour forty of a hundred gigabytes are gone, and in every hour a hundredth of one for good."""

    def free_at(at: float) -> float:
        return (100 - at / HOUR_SECS / 100 - (40 if 3.5 * HOUR_SECS < at < 4.01 * HOUR_SECS else 0)) * GIB

    assert (trend_of(free_at, 4.005 * HOUR_SECS) or 0) < 24 * HOUR_SECS
    assert (trend_of(free_at, 4.02 * HOUR_SECS) or 0) > 1_000 * HOUR_SECS


@pytest.mark.parametrize(("freed_gib", "left_secs"), [(0, pytest.approx(44.5 * HOUR_SECS, rel=0.02)), (20, None)])
def test_a_trend_is_forgotten_when_more_is_free_than_it_began_with(freed_gib: int, left_secs: float | None) -> None:
    def free_at(at: float) -> float:
        return (50 - at / HOUR_SECS + freed_gib * (at > 4.5 * HOUR_SECS)) * GIB

    assert trend_of(free_at, 4.51 * HOUR_SECS) == left_secs


def test_another_reserve_counts_from_then_on() -> None:
    trend = DiskTrend(HOUR_SECS, GIB)
    trend.note(0.0, 5 * GIB)
    assert trend.full_in_secs(0.0, 5 * GIB) is None
    trend.reconfigure(HOUR_SECS, 6 * GIB)
    assert trend.full_in_secs(0.0, 5 * GIB) == 0.0
