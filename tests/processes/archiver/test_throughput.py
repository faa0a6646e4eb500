from collector.processes.archiver.throughput import WINDOW_SECS, Throughput


def test_a_rate_is_that_of_the_last_minute() -> None:
    rate = Throughput()
    assert rate.per_sec() is None
    for secs in range(200):
        rate.note(float(secs), 1_000 * secs if secs < 100 else 100_000 + 10 * (secs - 100), idle=False)
    assert rate.per_sec() == 10.0


def test_the_rate_is_unknown_before_the_first_bytes() -> None:
    rate = Throughput()
    rate.note(0.0, 7, idle=False)
    rate.note(1.0, 7, idle=False)
    assert rate.per_sec() is None


def test_idle_time_does_not_count() -> None:
    rate = Throughput()
    for secs in range(1_000):
        rate.note(float(secs), 0, idle=True)
    rate.note(1_002.0, 500, idle=False)
    assert rate.per_sec() == 500 / 3


def test_a_rate_after_a_long_step_is_still_known() -> None:
    rate = Throughput()
    rate.note(0.0, 0, idle=False)
    rate.note(3 * WINDOW_SECS, 180, idle=False)
    assert rate.per_sec() == 1.0
