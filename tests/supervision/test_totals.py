from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from collector.metrics import StreamNumbers
from collector.supervision.totals import RoleNumbers
from tests.supervision.made import ingest, stream, writer


def after(*all_reports: dict[str, Any]) -> RoleNumbers:
    numbers = RoleNumbers()
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


def test_streams_rise_too_and_keep_the_times_a_new_process_does_not_know() -> None:
    unmet = stream(messages=1, stored=0, gaps=0, last_received_us=None, last_durable_us=None)
    other = stream(symbol="ETHUSDT", messages=4)
    (first, second) = after(writer(), writer(incarnation=2, streams=[unmet, other])).stream_totals()
    before = StreamNumbers(*stream())
    assert (first.messages, first.stored, first.gaps) == (before.messages + 1, before.stored, before.gaps)
    assert first[-2:] == before[-2:]
    assert second == StreamNumbers(*other)


def test_a_stream_the_new_process_has_not_met_stays_as_it_was() -> None:
    numbers = after(writer(), writer(incarnation=2, streams=[]), writer(incarnation=3, streams=[]))
    assert list(numbers.stream_totals()) == [StreamNumbers(*stream())]


def test_before_the_first_report_there_is_nothing() -> None:
    assert RoleNumbers().total("messages") == 0
    assert list(RoleNumbers().stream_totals()) == []


@given(st.lists(st.lists(st.integers(0, 50), min_size=1), min_size=1))
def test_a_total_is_the_sum_of_the_last_numbers_of_every_life(lives: list[list[int]]) -> None:
    numbers, seen = RoleNumbers(), []
    for incarnation, counts in enumerate(lives):
        for count in sorted(counts):
            rows = [stream(messages=count, stored=count // 2)]
            numbers = numbers.after(writer(incarnation=incarnation, messages=count, commits=[[1, count]], streams=rows))
            (total,) = numbers.stream_totals()
            seen.append((numbers.total("messages"), numbers.total("commits", 1), total.messages))
    assert seen == sorted(seen)
    assert set(seen[-1]) == {sum(max(counts) for counts in lives)}
