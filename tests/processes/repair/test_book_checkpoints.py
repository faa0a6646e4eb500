"""When each book is stored whole, by a clock that may be set back."""

from pathlib import Path

from collector.processes.repair.book_checkpoints import BookCheckpoints

NOW_US = 1_700_000_000_000_000
HOUR_US = 3_600_000_000


def test_a_clock_set_back_delays_a_checkpoint_by_one_interval_at_most(tmp_path: Path) -> None:
    month_later_us = NOW_US + 30 * 24 * HOUR_US
    checkpoints = BookCheckpoints(tmp_path / "checkpoints.json", lambda: ["BTCUSDT"], 3_600.0, month_later_us - HOUR_US)
    assert checkpoints.due(month_later_us) == ["BTCUSDT"]
    checkpoints.note("BTCUSDT", month_later_us)
    assert checkpoints.due(NOW_US) == []
    assert checkpoints.due(NOW_US + HOUR_US) == ["BTCUSDT"]
    checkpoints.note("BTCUSDT", NOW_US + HOUR_US)
    assert checkpoints.due(NOW_US + HOUR_US) == []
