from collections.abc import Mapping

import pytest

from collector.domain.records import StreamKey
from collector.domain.retry import renewal_secs
from collector.exchanges.registry import adapter, data_types
from collector.processes.ingest.takeover import (
    ANSWER_SECS,
    LONGEST_OVERLAP_SECS,
    LOOK_SECS,
    Overlap,
    Rhythm,
    is_awaited,
    is_settled,
)

A, B, C = (StreamKey("plain", symbol, "trade") for symbol in "ABC")
HOUR = 3_600.0
NEVER_SPOKE = Rhythm(300.0, float("inf"))


def test_without_requests_the_first_data_settles_a_connection() -> None:
    assert not is_settled(has_data=False, unsent=0, unanswered=0, since_sent_secs=0.0)
    assert is_settled(has_data=True, unsent=0, unanswered=0, since_sent_secs=0.0)


@pytest.mark.parametrize(("unsent", "unanswered"), [(2, 3), (1, 1), (0, 1)])
def test_unsent_and_unanswered_requests_are_waited_for(unsent: int, unanswered: int) -> None:
    assert not is_settled(has_data=True, unsent=unsent, unanswered=unanswered, since_sent_secs=ANSWER_SECS / 2)


def test_a_missing_answer_is_waited_for_a_minute() -> None:
    assert is_settled(has_data=True, unsent=0, unanswered=1, since_sent_secs=ANSWER_SECS)
    assert not is_settled(has_data=True, unsent=1, unanswered=1, since_sent_secs=ANSWER_SECS)
    assert not is_settled(has_data=False, unsent=0, unanswered=1, since_sent_secs=ANSWER_SECS)


def test_a_stream_that_speaks_often_is_awaited() -> None:
    assert is_awaited(Rhythm(limit_secs=30.0, silent_secs=0.1))
    assert is_awaited(Rhythm(LONGEST_OVERLAP_SECS, silent_secs=60.0))


def test_a_stream_that_may_be_silent_for_hours_is_not_awaited() -> None:
    assert not is_awaited(Rhythm(limit_secs=4 * HOUR, silent_secs=1.0))


def test_a_stream_that_the_old_connection_does_not_bring_either_is_not_awaited() -> None:
    assert not is_awaited(Rhythm(limit_secs=30.0, silent_secs=31.0))
    assert not is_awaited(NEVER_SPOKE)


@pytest.mark.parametrize("exchange", data_types())
def test_the_longest_overlap_is_over_before_the_exchange_cuts(exchange: str) -> None:
    lifetime_secs = adapter(exchange).limits.lifetime_secs
    latest_secs = renewal_secs(lifetime_secs, lambda: 1.0) + ANSWER_SECS + LONGEST_OVERLAP_SECS
    assert latest_secs < lifetime_secs - 600


def overlap(rhythms: Mapping[StreamKey, Rhythm]) -> Overlap:
    return Overlap(rhythms, lambda key, now: rhythms[key])


def test_the_overlap_ends_with_the_last_stream_that_is_awaited() -> None:
    new = overlap({A: Rhythm(30.0, 0.1), B: Rhythm(30.0, 2.0), C: Rhythm(4 * HOUR, 9.0)})
    assert not new.is_over(10.0)
    assert new.awaited == {A, B}
    new.note_frames([A, None])
    assert not new.is_over(10.1)
    new.note_frames([B])
    assert new.is_over(10.2)


def test_what_the_new_connection_brought_before_it_settled_counts() -> None:
    new = overlap({A: Rhythm(30.0, 0.1), B: Rhythm(30.0, 0.1)})
    new.note_frames([A, B])
    assert new.is_over(10.0)


def test_a_stream_that_falls_silent_on_both_is_awaited_no_longer() -> None:
    rhythms = {A: Rhythm(30.0, 29.0)}
    new = overlap(rhythms)
    assert not new.is_over(10.0)
    rhythms[A] = Rhythm(30.0, 30.5)
    assert new.is_over(10.0 + LOOK_SECS)


def test_no_overlap_lasts_longer_than_its_limit() -> None:
    new = overlap({A: Rhythm(30.0, 0.1)})
    assert not new.is_over(10.0)
    assert not new.is_over(10.0 + LONGEST_OVERLAP_SECS - 1)
    assert new.is_over(10.0 + LONGEST_OVERLAP_SECS)
    assert new.awaited == {A}


def test_while_it_waits_the_rhythms_are_looked_at_once_a_second() -> None:
    looked: list[float] = []

    def rhythm(key: StreamKey, now: float) -> Rhythm:
        looked.append(now)
        return Rhythm(30.0, 0.1)

    new = Overlap([A], rhythm)
    for tick in range(1_000):
        assert not new.is_over(tick / 100)
    assert looked == [float(second) for second in range(10)]
