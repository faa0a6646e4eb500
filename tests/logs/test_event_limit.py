from collector.logs.event_limit import LINES, WINDOW_SECS, EventLimit


def test_an_event_is_let_through_so_often_and_the_rest_is_counted() -> None:
    limit = EventLimit()
    admitted = [limit.admit("frame_seen", 5.0) for _ in range(3 * LINES)]
    assert admitted == [0] * LINES + [None] * (2 * LINES)
    assert limit.admit("frame_seen", 5.0 + WINDOW_SECS - 1) is None
    assert limit.admit("frame_seen", 5.0 + WINDOW_SECS) == 2 * LINES + 1
    assert limit.admit("frame_seen", 5.0 + WINDOW_SECS) == 0


def test_one_event_takes_no_place_of_another() -> None:
    limit = EventLimit()
    for _ in range(2 * LINES):
        limit.admit("frame_seen", 0.0)
    assert limit.admit("segment_sealed", 0.0) == 0
