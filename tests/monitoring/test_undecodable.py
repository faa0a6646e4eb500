from collector.domain.records import UNDECODED, UNKNOWN
from collector.monitoring.undecodable import (
    STEP_SECS,
    WINDOW_SECS,
    UndecodableShare,
    UndecodableWatch,
)
from collector.reports import StreamNumbers


def totals(undecodable: int, messages: int, duplicates: int = 0, exchange: str = "okx") -> list[StreamNumbers]:
    return [
        StreamNumbers(exchange, "BTC-USDT", "trade", messages, duplicates=duplicates),
        StreamNumbers(exchange, UNKNOWN, UNDECODED, undecodable),
    ]


def test_the_share_is_of_all_received_within_the_window() -> None:
    watch = UndecodableWatch()
    watch.note(0.0, totals(50, 1_000))
    watch.note(STEP_SECS, totals(60, 1_100, duplicates=90))
    assert watch.shares == {"okx": UndecodableShare(10, 200)}


def test_what_is_older_than_the_window_no_longer_counts() -> None:
    watch = UndecodableWatch()
    watch.note(0.0, totals(0, 0))
    watch.note(STEP_SECS, totals(900, 100))
    assert watch.shares["okx"].is_too_large
    watch.note(WINDOW_SECS + STEP_SECS, totals(900, 40_000))
    assert watch.shares == {"okx": UndecodableShare(0, 39_900)}


def test_exchanges_are_counted_apart_from_their_first_message_on() -> None:
    watch = UndecodableWatch()
    watch.note(0.0, totals(0, 10))
    watch.note(STEP_SECS, [*totals(0, 20), *totals(5, 95, exchange="kraken")])
    assert watch.shares == {"okx": UndecodableShare(0, 10), "kraken": UndecodableShare(5, 100)}


def test_the_memory_is_bounded_however_often_it_is_asked() -> None:
    watch = UndecodableWatch()
    for second in range(3_000):
        watch.note(float(second), totals(second, second))
    assert len(watch._samples) <= WINDOW_SECS / STEP_SECS + 1
