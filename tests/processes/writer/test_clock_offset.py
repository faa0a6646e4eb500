from collector.processes.writer.latency import MIN_MESSAGES, OUTLIERS, WINDOW_SECS, ClockOffsetWindow


def test_the_smallest_difference_of_the_window_counts() -> None:
    window = ClockOffsetWindow()
    window.note(0.0, [40_000] * MIN_MESSAGES)
    window.note(1.0, [25_000] * MIN_MESSAGES)
    window.note(2.0, [90_000] * MIN_MESSAGES)
    assert window.smallest_us(3.0) == 25_000


def test_a_few_outliers_do_not_change_the_offset() -> None:
    for odd_us in (-36_000_000_000, 10**15):
        window = ClockOffsetWindow()
        for number in range(MIN_MESSAGES):
            window.note(float(number), [odd_us] if number < OUTLIERS else [25_000 + number])
        assert window.smallest_us(MIN_MESSAGES) in range(25_000, 25_000 + MIN_MESSAGES)
        window.note(WINDOW_SECS, [odd_us])
        window.note(WINDOW_SECS + 1, [30_000] * MIN_MESSAGES)
        window.note(2 * WINDOW_SECS, [30_000] * MIN_MESSAGES)
        assert window.smallest_us(2 * WINDOW_SECS + 1) == 30_000


def test_a_few_messages_give_no_clock_offset() -> None:
    window = ClockOffsetWindow()
    assert window.smallest_us(0.0) is None
    window.note(0.0, [-1_500_000] * (MIN_MESSAGES - 1))
    assert window.smallest_us(0.0) is None
    window.note(1.0, [9_000_000])
    assert window.smallest_us(1.0) == -1_500_000


def test_a_difference_counts_for_one_window_and_not_after_two() -> None:
    window = ClockOffsetWindow()
    window.note(0.0, [-1_500_000] * MIN_MESSAGES)
    window.note(WINDOW_SECS, [20_000] * MIN_MESSAGES)
    assert window.smallest_us(2 * WINDOW_SECS - 1) == -1_500_000
    assert window.smallest_us(2 * WINDOW_SECS) == 20_000


def test_a_silent_feed_has_no_clock_offset() -> None:
    window = ClockOffsetWindow()
    window.note(0.0, [20_000] * MIN_MESSAGES)
    assert window.smallest_us(3 * WINDOW_SECS) is None
