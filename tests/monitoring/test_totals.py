"""Counts over all lives of a process."""

from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from collector.monitoring.totals import RoleTotals, Totals, first, ingests_of, totals_of
from collector.reports import ArchiverReport, IngestReport, Report, StreamNumbers, WriterReport
from tests.supervision.made import ingest, stream, writer

R = TypeVar("R", bound=Report)


def after(report: R, *later: R) -> RoleTotals[R]:
    totals = first(report)
    for each in later:
        totals = totals.after(each)
    return totals


def test_counts_go_on_rising_when_a_child_is_restarted() -> None:
    total = after(ingest(frames=5), ingest(frames=9), ingest(pid=99, incarnation=2, frames=1, control=0)).total
    assert (total.frames, total.control) == (10, 1)


def test_counts_with_labels_rise_each_for_itself() -> None:
    total = after(
        ingest(disconnects=[["closed", 2], ["silent", 1]]),
        ingest(incarnation=2, disconnects=[["lost", 3], ["closed", 1]]),
    ).total
    assert dict(total.disconnects) == {"closed": 3, "silent": 1, "lost": 3}


def test_what_is_no_count_is_that_of_the_newest_report() -> None:
    total = after(writer(batch_size=7), writer(incarnation=2, batch_size=3, commit_secs=None)).total
    assert (total.incarnation, total.batch_size, total.commit_secs) == (2, 3, None)


def test_what_a_new_process_goes_on_from_is_not_counted_twice_and_never_falls() -> None:
    read_again = after(writer(messages=9), writer(incarnation=2, messages=6))
    assert read_again.total.messages == 9
    behind = read_again.after(writer(incarnation=2, messages=11, commit_failures=4)).total
    assert behind.messages == 11
    assert behind.commit_failures == 4
    assert behind.ledger == [("binance", "BTCUSDT", "trade", "sequence", "open", 1)]


def test_a_new_process_goes_on_from_the_counts_of_streams_and_knows_no_times() -> None:
    unmet = stream(messages=6, stored=8, gaps=0, last_received_us=None, last_durable_us=None)
    other = stream(symbol="ETHUSDT", messages=4)
    (met, new) = after(writer(), writer(incarnation=2, streams=[unmet, other])).stream_totals()
    before = StreamNumbers(*stream())
    assert (met.messages, met.stored, met.gaps) == (before.messages, 8, before.gaps)
    assert (met.last_received_us, met.last_durable_us) == (before.last_received_us, before.last_durable_us)
    assert new == StreamNumbers(*other)


def test_what_lines_saved_and_brought_first_never_falls() -> None:
    met = stream(saved=5, first=[(0, 6), (1, 1)])
    later = stream(saved=4, first=[(1, 3), (0, 2)])
    (once,) = after(writer(streams=[met]), writer(incarnation=2, streams=[later])).stream_totals()
    assert (once.saved, dict(once.first)) == (5, {0: 6, 1: 3})
    (unknown,) = after(writer(streams=[met]), writer(incarnation=2, streams=[stream()])).stream_totals()
    assert (unknown.saved, dict(unknown.first)) == (5, {0: 6, 1: 1})
    total = after(
        writer(first=[("binance", 0, 6)]), writer(incarnation=2, first=[("binance", 0, 2), ("binance", 1, 1)])
    )
    assert total.total.first == [("binance", 0, 6), ("binance", 1, 1)]


def test_a_stream_the_new_process_has_not_met_stays_as_it_was() -> None:
    totals = after(writer(), writer(incarnation=2, streams=[]), writer(incarnation=3, streams=[]))
    assert list(totals.stream_totals()) == [StreamNumbers(*stream())]


def test_before_the_first_report_there_is_nothing() -> None:
    assert totals_of({}, WriterReport).total == WriterReport()
    assert list(totals_of({}, WriterReport).stream_totals()) == []
    assert ingests_of({}) == {}


def test_the_totals_of_a_process_are_found_by_what_it_reports() -> None:
    totals: Totals = {
        "ingest:binance": first(ingest(frames=3)),
        "writer": first(writer(messages=5)),
        "toy": first(Report()),
    }
    assert totals_of(totals, WriterReport).total.messages == 5
    assert totals_of(totals, ArchiverReport).total == ArchiverReport()
    assert {feed: each.total.frames for feed, each in ingests_of(totals).items()} == {"binance": 3}


@given(st.lists(st.lists(st.integers(0, 50), min_size=1), min_size=1))
def test_a_total_is_the_sum_of_the_last_numbers_of_every_life(lives: list[list[int]]) -> None:
    totals: RoleTotals[IngestReport] | None = None
    seen = []
    for incarnation, counts in enumerate(lives):
        for count in sorted(counts):
            report = ingest(incarnation=incarnation, frames=count, disconnects=[["lost", count]])
            totals = first(report) if totals is None else totals.after(report)
            seen.append((totals.total.frames, dict(totals.total.disconnects)["lost"]))
    assert seen == sorted(seen)
    assert set(seen[-1]) == {sum(max(counts) for counts in lives)}
