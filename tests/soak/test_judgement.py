"""The judgement over made-up runs: each rule is broken once, and only that is found."""

from collections.abc import Sequence
from typing import Any

import pytest

from collector.domain.records import Gap
from tests.soak.evidence import Connection, Evidence, Handed, Ids, Killed, Sent, Span, Stream, latest, outages
from tests.soak.judgement import Judgement, judge

TRADES, TICKER, DELTA = Stream("A", "trade"), Stream("A", "book_ticker"), Stream("A", "book_delta")
SEC = 1_000_000


def trade(number: int, at_secs: float = 0.0) -> Sent:
    return Sent(b"trade %d" % number, Ids(number, number), int((at_secs or number) * SEC), 10)


def ticker(number: int) -> Sent:
    return Sent(b"ticker %d" % number, None, number * SEC, 10)


def delta(first: int, last: int) -> Sent:
    return Sent(b"delta %d" % first, Ids(first, last), first * SEC, 10)


def connection(number: int, opened: float, closed: float, *frames: tuple[Stream, Sent]) -> Connection:
    return Connection(number, "all", int(opened * SEC), int(closed * SEC), [Handed(*frame) for frame in frames])


def gap(kind: str, expected: int | None = None, actual: int | None = None, **changes: Any) -> Gap:
    numbered = expected is not None and actual is not None
    row = Gap(
        f"{kind}-{expected}", "trade", kind, "restart", str(expected) if numbered else None,
        str(actual) if numbered else None, (actual or 0) - (expected or 0) if numbered else None,
        0, 0, None, "unrepairable", None, 0,
    )  # fmt: skip
    return row._replace(**changes)


def silence(started: float, ended: float | None, **changes: Any) -> Gap:
    ended_us = None if ended is None else int(ended * SEC)
    name = f"silence-{started}"
    return gap("silence", gap_id=name, started_at=int(started * SEC), ended_at=ended_us, **changes)


def evidence(
    connections: Sequence[Connection],
    kept: Sequence[Sent],
    gaps: Sequence[Gap] = (),
    killed: Sequence[float] = (),
    breaks: Sequence[Ids] = (),
    cuts: Sequence[tuple[float, float]] = (),
) -> Evidence:
    """A run with one stream: the one its connections carry."""
    sent: dict[bytes, Sent] = {}
    for link in connections:
        for _, frame in link.frames:
            sent.setdefault(frame.digest, frame)
    (stream,) = {stream for link in connections for stream, _ in link.frames}
    return Evidence(
        {"all": [stream]}, {stream: list(sent.values())}, connections, {stream: [frame.digest for frame in kept]},
        {stream: gaps}, [Killed("all", int(at * SEC), int(at * SEC)) for at in killed],
        [Span(int(start * SEC), int(end * SEC)) for start, end in cuts], {stream: breaks},
    )  # fmt: skip


def kinds(run: Evidence) -> list[str]:
    return [problem.kind for problem in judge(run).problems]


def trades(numbers: Sequence[int]) -> list[tuple[Stream, Sent]]:
    return [(TRADES, trade(number)) for number in numbers]


def count(judgement: Judgement, stream: Stream) -> tuple[int, ...]:
    one = judgement.counts[stream]
    return one.sent, one.archived, one.covered, one.lost, one.duplicated


KILLED = [connection(1, 0.5, 5, *trades([1, 2, 3, 4])), connection(2, 8, 20, *trades([9, 10, 11]))]
"""The ingest of connection 1 was killed at second 5, with 3 and 4 not yet appended; 5 to 8 were never sent to anyone."""
KEPT = [trade(number) for number in (1, 2, 9, 10, 11)]
ROW = gap("sequence", 3, 9)


def test_a_run_that_kept_everything_has_no_problem() -> None:
    run = evidence([connection(1, 0, 20, *trades([1, 2, 3]))], [trade(1), trade(2), trade(3)])
    assert kinds(run) == []
    assert count(judge(run), TRADES) == (3, 3, 0, 0, 0)


def test_the_tail_of_a_killed_ingest_may_be_missing_where_a_row_covers_it() -> None:
    judgement = judge(evidence(KILLED, KEPT, [ROW], killed=[5]))
    assert judgement.problems == []
    assert count(judgement, TRADES) == (7, 5, 2, 0, 0)
    assert (judgement.tails, judgement.longest_tail_frames, judgement.longest_tail_bytes) == (1, 2, 20)
    assert judgement.gaps == {("sequence", "restart"): 1}


def test_a_missing_frame_without_a_gap_row_is_lost() -> None:
    assert kinds(evidence(KILLED, KEPT, killed=[5])) == ["lost", "sequence"]


@pytest.mark.parametrize(
    ("expected", "actual", "wrong"),
    [
        (4, 9, ["lost", "sequence"]),  # begins too late
        (3, 8, ["sequence"]),  # ends too early, over ids nobody was sent
        (2, 9, ["sequence"]),  # covers a frame that was kept
        (3, 10, ["sequence"]),
    ],
)
def test_a_gap_row_must_name_exactly_the_missing_ids(expected: int, actual: int, wrong: list[str]) -> None:
    assert kinds(evidence(KILLED, KEPT, [gap("sequence", expected, actual)], killed=[5])) == wrong


@pytest.mark.parametrize("rows", [[gap("sequence", 3, 6), gap("sequence", 6, 9)], [ROW]])
def test_a_hole_may_be_covered_by_several_rows(rows: list[Gap]) -> None:
    assert kinds(evidence(KILLED, KEPT, rows, killed=[5])) == []


def test_overlapping_gap_rows_are_a_problem() -> None:
    assert kinds(evidence(KILLED, KEPT, [ROW, gap("sequence", 5, 7)], killed=[5])) == ["sequence"]


def test_a_gap_row_needs_the_right_count_and_a_cause_of_the_recorder() -> None:
    assert kinds(evidence(KILLED, KEPT, [ROW._replace(missing=5)], killed=[5])) == ["sequence"]
    assert kinds(evidence(KILLED, KEPT, [ROW._replace(cause="exchange")], killed=[5])) == ["sequence"]


def test_ids_the_exchange_left_out_may_have_another_cause() -> None:
    run = [connection(1, 0, 20, *trades([1, 2, 5]))]
    kept = [trade(1), trade(2), trade(5)]
    row = gap("sequence", 3, 5, cause="unknown")
    assert kinds(evidence(run, kept, [row])) == ["sequence"]
    assert kinds(evidence(run, kept, [row], breaks=[Ids(3, 4)])) == []


def test_a_repaired_row_covers_nothing() -> None:
    run = [connection(1, 0, 20, *trades([1, 2, 3]))]
    kept = [trade(1), trade(2), trade(3)]
    assert kinds(evidence(run, kept, [gap("sequence", 2, 3, status="repaired")])) == []


def test_a_gap_row_outside_the_archived_ids_is_a_problem() -> None:
    assert kinds(evidence(KILLED, KEPT, [ROW, gap("sequence", 12, 14)], killed=[5])) == ["sequence"]


def test_a_row_of_an_unexpected_kind_is_a_problem() -> None:
    assert kinds(evidence(KILLED, KEPT, [ROW, gap("damaged")], killed=[5])) == ["gap row"]
    run = evidence(KILLED, KEPT, [ROW], killed=[5])
    assert kinds(Evidence(**{**vars(run), "gaps": {**run.gaps, Stream("_", "_"): [gap("damaged")]}})) == ["gap row"]


def test_missing_frames_without_a_kill_are_a_problem_even_if_covered() -> None:
    assert kinds(evidence(KILLED, KEPT, [ROW])) == ["tail"]
    assert kinds(evidence(KILLED, KEPT, [ROW], killed=[15])) == ["tail"]


def test_only_the_end_of_a_connection_may_be_missing() -> None:
    kept = [frame for frame in KEPT if frame != trade(2)] + []
    rows = [gap("sequence", 2, 9)]
    assert kinds(evidence(KILLED, [trade(1), trade(4), *kept[1:]], rows, killed=[5])) == ["tail", "sequence"]


def test_a_copy_on_another_connection_does_not_make_a_tail_torn() -> None:
    links = [KILLED[0], connection(2, 4, 20, *trades([4, 5, 6]))]
    kept = [trade(number) for number in (1, 2, 4, 5, 6)]
    run = evidence(links, kept, [gap("sequence", 3, 4)], killed=[5])
    assert kinds(run) == []
    assert count(judge(run), TRADES) == (6, 5, 1, 0, 0)


def test_frames_sent_long_before_the_kill_must_be_archived() -> None:
    long = [connection(1, 0.5, 9, *trades([1, 2, 3, 4])), KILLED[1]]
    assert kinds(evidence(long, KEPT, [ROW], killed=[9])) == ["tail"]


def test_frames_sent_while_ingest_is_stopped_may_be_missing() -> None:
    long = [connection(1, 0.5, 9, *trades([1, 2, 3, 4])), KILLED[1]]
    run = evidence(long, KEPT, [ROW])
    run = Evidence(**{**vars(run), "killed": [Killed("all", 9 * SEC, 3 * SEC)]})
    assert kinds(run) == []
    assert (judge(run).longest_tail_bytes, judge(run).longest_stopped_tail_bytes) == (0, 20)


@pytest.mark.parametrize(
    ("cut", "closed", "found"), [((3, 6), 6, []), ((9, 12), 12, ["tail"]), ((12, 20), 6, ["tail"])]
)
def test_frames_sent_during_an_outage_may_be_missing(cut: tuple[int, int], closed: int, found: list[str]) -> None:
    long = [connection(1, 0.5, closed, *trades([1, 2, 3, 4])), KILLED[1]]
    assert kinds(evidence(long, KEPT, [ROW], cuts=[cut])) == found


def test_a_frame_archived_twice_is_a_problem() -> None:
    run = evidence([connection(1, 0, 20, *trades([1, 2]))], [trade(1), trade(2), trade(2)])
    assert kinds(run) == ["duplicated"]


def test_frames_out_of_order_are_a_problem() -> None:
    run = evidence([connection(1, 0, 20, *trades([1, 2, 3]))], [trade(2), trade(1), trade(3)])
    assert kinds(run) == ["order"]


def test_an_archived_frame_that_was_never_sent_is_a_problem() -> None:
    run = evidence([connection(1, 0, 20, *trades([1, 2]))], [trade(1), trade(2), trade(3)])
    assert kinds(run) == ["invented"]


def book_unknown(first: int) -> Gap:
    """No book goes with the updates from that one on."""
    return gap("book_unknown", stream_type="book_delta", status="open", expected_id=str(first), ended_at=None)


DIFFS = [connection(1, 0, 5, (DELTA, delta(1, 4)), (DELTA, delta(5, 9))), connection(2, 8, 20, (DELTA, delta(10, 12)))]
LACKING_BOOK = book_unknown(1)


def test_diffs_chain_from_one_frames_last_id_to_the_next_ones_first() -> None:
    assert kinds(evidence(DIFFS, [delta(1, 4), delta(5, 9), delta(10, 12)], [LACKING_BOOK])) == []
    kept = [delta(1, 4), delta(10, 12)]
    assert kinds(evidence(DIFFS, kept, [LACKING_BOOK, gap("sequence", 5, 10)], killed=[5])) == []
    assert kinds(evidence(DIFFS, kept, [LACKING_BOOK, gap("sequence", 6, 10)], killed=[5])) == ["lost", "sequence"]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [LACKING_BOOK, book_unknown(10)],
        [book_unknown(5)],  # begins with a later update
        [LACKING_BOOK._replace(ended_at=9 * SEC)],  # no book came
        [LACKING_BOOK._replace(status="unrepairable")],
        [LACKING_BOOK._replace(cause="disconnect")],
    ],
)
def test_one_row_says_that_the_book_is_unknown_from_the_first_update_on(rows: list[Gap]) -> None:
    assert kinds(evidence(DIFFS, [delta(1, 4), delta(5, 9), delta(10, 12)], rows)) == ["book"]


def test_only_updates_of_a_book_lack_one() -> None:
    assert kinds(evidence(DIFFS, [], [LACKING_BOOK, gap("sequence", 1, 13)], killed=[5])).count("book") == 1
    assert kinds(evidence(KILLED, KEPT, [ROW, LACKING_BOOK], killed=[5])) == ["gap row"]


QUIET = [
    connection(1, 0, 5, *((TICKER, ticker(number)) for number in (1, 2, 3, 4))),
    connection(2, 8, 20, *((TICKER, ticker(number)) for number in (9, 10))),
]
HEARD = [ticker(number) for number in (1, 2, 9, 10)]


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        (silence(2.5, 8), []),
        (silence(2.5, 8, cause="disconnect"), []),
        (silence(3.9, 7.1), []),  # within the slack
        (silence(4.5, 8), ["lost"]),
        (silence(2.5, 6.5), ["silence"]),
        (silence(2.5, 11), ["silence"]),  # covers frames that were kept
        (silence(2.5, 8, cause="unknown"), ["silence"]),
        (silence(2.5, None), ["silence"]),
    ],
)
def test_a_silence_lasts_from_the_last_frame_to_the_next_connection(row: Gap, wrong: list[str]) -> None:
    assert kinds(evidence(QUIET, HEARD, [row], killed=[5])) == wrong


def test_time_without_a_connection_is_a_silence_even_if_nothing_was_sent() -> None:
    links = [QUIET[0], QUIET[1]]
    kept = [ticker(number) for number in (1, 2, 3, 4, 9, 10)]
    assert kinds(evidence(links, kept)) == ["silence"]
    assert kinds(evidence(links, kept, [silence(5, 8)])) == []


def test_a_silence_row_that_covers_nothing_is_a_problem() -> None:
    assert kinds(evidence(QUIET, HEARD, [silence(2.5, 8), silence(11.5, 12.5)], killed=[5])) == ["silence"]


def test_outages_are_times_that_no_connection_spans() -> None:
    links = [connection(1, 0, 5), connection(2, 4, 6), connection(3, 1, 2), connection(4, 8, 9)]
    assert [(span.start_us // SEC, span.end_us // SEC) for span in outages(links)] == [(6, 8)]


def test_the_latest_row_of_a_gap_counts() -> None:
    old, new = gap("sequence", 3, 9, detected_at=1), gap("sequence", 3, 9, detected_at=2, status="repaired")
    assert latest([new, old]) == [new]
