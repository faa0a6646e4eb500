from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from collector.monitoring.totals import RoleTotals
from collector.stats_files import StreamNumbers
from tests.supervision.made import ingest, stream, writer


def after(*all_reports: dict[str, Any]) -> RoleTotals:
    numbers = RoleTotals()
    for report in all_reports:
        numbers = numbers.after(report)
    return numbers


def test_counts_go_on_rising_when_a_child_is_restarted() -> None:
    numbers = after(writer(messages=5), writer(messages=9), writer(pid=99, incarnation=2, messages=1, duplicates=0))
    assert numbers.total("messages") == 10
    assert numbers.total("duplicates") == 2


def test_counts_with_labels_rise_each_for_itself() -> None:
    numbers = after(
        ingest(disconnects=[["closed", 2], ["silent", 1]]),
        ingest(incarnation=2, disconnects=[["lost", 3], ["closed", 1]]),
    )
    assert dict(numbers.by_label("disconnects")) == {
        ("disconnects", "closed"): 3, ("disconnects", "silent"): 1, ("disconnects", "lost"): 3,
    }  # fmt: skip
    assert numbers.total("disconnects", "closed") == 3


def test_what_a_new_process_goes_on_from_is_not_counted_twice_and_never_falls() -> None:
    kept = ["messages", "ledger"]
    read_again = after(writer(messages=9, kept=kept), writer(incarnation=2, messages=6, kept=kept))
    assert read_again.total("messages") == 9
    behind = read_again.after(writer(incarnation=2, messages=11, kept=kept))
    assert behind.total("messages") == 11
    assert behind.total("late") == 6
    assert behind.total("ledger", "binance", "BTCUSDT", "trade", "sequence", "open") == 1


def test_a_new_process_goes_on_from_the_counts_of_streams_and_knows_no_times() -> None:
    unmet = stream(messages=6, stored=8, gaps=0, last_received_us=None, last_durable_us=None)
    other = stream(symbol="ETHUSDT", messages=4)
    (first, second) = after(writer(), writer(incarnation=2, streams=[unmet, other])).stream_totals()
    before = StreamNumbers(*stream())
    assert (first.messages, first.stored, first.gaps) == (before.messages, 8, before.gaps)
    assert first[-2:] == before[-2:]
    assert second == StreamNumbers(*other)


def test_a_stream_the_new_process_has_not_met_stays_as_it_was() -> None:
    numbers = after(writer(), writer(incarnation=2, streams=[]), writer(incarnation=3, streams=[]))
    assert list(numbers.stream_totals()) == [StreamNumbers(*stream())]


def test_before_the_first_report_there_is_nothing() -> None:
    assert RoleTotals().total("messages") == 0
    assert list(RoleTotals().stream_totals()) == []


@given(st.lists(st.lists(st.integers(0, 50), min_size=1), min_size=1))
def test_a_total_is_the_sum_of_the_last_numbers_of_every_life(lives: list[list[int]]) -> None:
    numbers, seen = RoleTotals(), []
    for incarnation, counts in enumerate(lives):
        for count in sorted(counts):
            numbers = numbers.after(writer(incarnation=incarnation, messages=count, commits=[[1, count]]))
            seen.append((numbers.total("messages"), numbers.total("commits", 1)))
    assert seen == sorted(seen)
    assert set(seen[-1]) == {sum(max(counts) for counts in lives)}
