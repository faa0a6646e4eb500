from collector.domain.histogram import BOUNDS_US
from collector.domain.records import IdRule, StreamKey
from collector.domain.silence import Bounds
from collector.processes.writer.batch import CommitBatch
from collector.processes.writer.latency import MAX_LATENCY_US, OUTLIERS, Latencies
from collector.processes.writer.streams import StreamTable

DURABLE_US = 1_800_000_000_000_000
DAY_MS = 86_400_000


def batch_of(*messages: tuple[str, int, int | None]) -> CommitBatch:
    """Messages as (feed, milliseconds from receiving to durable, milliseconds from the exchange to receiving)."""
    batch = CommitBatch()
    feeds = list(dict.fromkeys(feed for feed, _, _ in messages))
    table = StreamTable(0.0, Bounds(30, 1))
    streams = [table.add(StreamKey("binance", feed, "trade"), feed, IdRule.DENSE) for feed in feeds]
    for feed, durable_ms, receive_ms in messages:
        received_us = DURABLE_US - durable_ms * 1_000
        exchange_us = None if receive_ms is None else received_us - receive_ms * 1_000
        into = batch.messages_of(streams[feeds.index(feed)])
        into.received_us.append(received_us)
        into.exchange_us.append(exchange_us)
    return batch


def test_every_feed_has_its_own_times() -> None:
    timings = Latencies()
    timings.note(batch_of(("a", 1, 5), ("b", 50, 600_000), ("a", 3, None)), DURABLE_US, 0.2, 0.0)
    assert timings.to_durable() == [("a", 0, 1), ("a", 1, 1), ("a", -1, 4_000), ("b", 4, 1), ("b", -1, 50_000)]
    assert timings.to_receive() == [
        ("a", 1, 1), ("a", -1, 5_000), ("b", len(BOUNDS_US), 1), ("b", -1, 600_000_000),
    ]  # fmt: skip
    assert timings.commits() == [(6, 1), (-1, 200_000)]


def test_messages_without_exchange_time_do_not_count_as_latency() -> None:
    timings = Latencies()
    timings.note(batch_of(("a", 1, None)), DURABLE_US, 0.0, 0.0)
    assert timings.to_receive() == []


def test_a_batch_without_messages_is_a_commit_all_the_same() -> None:
    timings = Latencies()
    timings.note(CommitBatch(), DURABLE_US, 0.0, 0.0)
    assert timings.commits() == [(0, 1), (-1, 0)]


def test_the_smallest_latency_of_a_feed_gives_the_clock_offset() -> None:
    timings = Latencies()
    timings.note(batch_of(*[("a", 1, -1_500 + way_ms) for way_ms in range(12)]), DURABLE_US, 0.0, 0.0)
    assert timings.clock_offsets_us(1.0) == {"a": -1_500_000 + OUTLIERS * 1_000}


def test_one_odd_time_changes_neither_mean_latency_nor_clock_offset() -> None:
    for odd_ms in (DURABLE_US // 1_000 - 1, 5 * 365 * DAY_MS, 10 * 3_600_000, -10 * 3_600_000, -3 * DAY_MS):
        timings = Latencies()
        timings.note(batch_of(*[("a", 1, way_ms) for way_ms in (odd_ms, *[20] * 20)]), DURABLE_US, 0.0, 0.0)
        assert timings.clock_offsets_us(2.0) == {"a": 20_000}
        ((*_, sum_us),) = [row for row in timings.to_receive() if row[1] == -1]
        assert sum_us <= 20 * 20_000 + MAX_LATENCY_US


def test_a_clock_wrong_by_days_gives_an_offset_too() -> None:
    timings = Latencies()
    timings.note(batch_of(*[("a", 1, -3 * DAY_MS)] * 20), DURABLE_US, 0.0, 0.0)
    assert timings.clock_offsets_us(1.0) == {"a": -3 * DAY_MS * 1_000}


def test_impossible_times_give_no_clock_offset() -> None:
    timings = Latencies()
    timings.note(batch_of(*[("a", 1, DURABLE_US // 1_000 - 1)] * 20), DURABLE_US, 0.0, 0.0)
    assert timings.clock_offsets_us(1.0) == {}


AHEAD_MS = -31 * 365 * DAY_MS


def test_times_far_ahead_do_not_count_beside_plausible_ones() -> None:
    timings = Latencies()
    timings.note(batch_of(*[("a", 1, AHEAD_MS)] * 20), DURABLE_US, 0.0, 0.0)
    timings.note(batch_of(*[("a", 1, way_ms) for way_ms in [AHEAD_MS, 20] * 20]), DURABLE_US, 0.0, 1.0)
    assert timings.clock_offsets_us(2.0) == {"a": 20_000}
    assert sum(count for _, bucket, count in timings.to_receive() if bucket != -1) == 20
