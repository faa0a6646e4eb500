from collections import Counter

from tests.feed.frame_fuzz import compare


def test_the_recorder_reads_random_streams_as_the_library_alone_does() -> None:
    readings = [compare(seed) for seed in range(20_000)]

    assert set(Counter(reading.reason for reading in readings)) == {"lost", "closed", "protocol", "too_big"}
    assert sum(len(reading.frames) for reading in readings) > 50_000
    assert sum(len(reading.replies) for reading in readings) > 5_000
