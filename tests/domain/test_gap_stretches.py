"""Stretches end, and no gap ends before it starts, even if the clock is set back meanwhile."""

from collector.domain.gap_stretches import STRETCH_SECS, GapStretch, event_gap
from collector.domain.records import StreamKey

KEY = StreamKey("binance", "BTCUSDT", "trade")
NOW_US = 1_700_000_000_000_000
MONTH_US = 30 * 86_400 * 1_000_000


def test_a_stretch_ends_after_a_quiet_minute_or_a_clock_set_back() -> None:
    stretch = GapStretch(KEY, "undecodable", "parse", NOW_US, NOW_US, 1)
    quiet_us = STRETCH_SECS * 1_000_000
    spans = (0, quiet_us, quiet_us + 1, -MONTH_US)
    assert [stretch.is_over(NOW_US + span_us) for span_us in spans] == [False, False, True, True]


def test_a_gap_never_ends_before_it_starts() -> None:
    gap = event_gap(KEY, "budget", "disk_budget", NOW_US, NOW_US - MONTH_US)
    assert (gap.started_at, gap.ended_at, gap.detected_at) == (NOW_US, NOW_US, NOW_US)
