"""The filter's verdicts on a run of messages, unbroken or with messages removed, repeated or swapped."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.records import IdRule
from collector.domain.sequence.dedup import DuplicateFilter
from collector.domain.sequence.stream_progress import StreamProgress
from collector.domain.sequence.verdict import Verdict

Covered = tuple[int, int]
"""First and last id of a message."""

PROVING = (IdRule.DENSE, IdRule.CHAINED)
sizes_of = st.lists(st.integers(1, 50), min_size=3, max_size=40)
starts = st.integers(0, 10**12)
places = st.data()


def run_of(start: int, sizes: Iterable[int]) -> list[Covered]:
    run = []
    for size in sizes:
        run.append((start, start + size - 1))
        start += size
    return run


def judge(stream: DuplicateFilter, run: Iterable[Covered]) -> list[Verdict]:
    """Each message has the content of its ids."""
    return [stream.judge(last, first, None, 0, hash((first, last)) % 2**32) for first, last in run]


def new_filter(rule: IdRule) -> DuplicateFilter:
    return DuplicateFilter(rule=rule, overlap_secs=0.0, progress=StreamProgress(), recent={})


@pytest.mark.parametrize("rule", [*PROVING, IdRule.RISING])
@given(starts, sizes_of)
def test_an_unbroken_run_is_new(rule: IdRule, start: int, sizes: list[int]) -> None:
    assert set(judge(new_filter(rule), run_of(start, sizes))) == {Verdict.NEW}


@pytest.mark.parametrize("rule", PROVING)
@given(starts, sizes_of, places)
def test_removed_messages_are_one_hole(rule: IdRule, start: int, sizes: list[int], place: st.DataObject) -> None:
    first = place.draw(st.integers(1, len(sizes) - 2))
    behind = place.draw(st.integers(first + 1, len(sizes) - 1))
    run, stream = run_of(start, sizes), new_filter(rule)
    verdicts = judge(stream, run[:first] + run[behind:])
    assert [n for n, verdict in enumerate(verdicts) if verdict is not Verdict.NEW] == [first]
    assert verdicts[first] is Verdict.AHEAD
    (hole,) = stream.progress.holes
    assert (hole.first_id, hole.next_id) == (run[first][0], run[behind][0])
    assert hole.missing == sum(sizes[first:behind])


@pytest.mark.parametrize("rule", [*PROVING, IdRule.RISING])
@given(starts, sizes_of, places)
def test_a_repeated_message_is_a_copy(rule: IdRule, start: int, sizes: list[int], place: st.DataObject) -> None:
    at = place.draw(st.integers(0, len(sizes) - 1))
    run = run_of(start, sizes)
    verdicts = judge(new_filter(rule), [*run[: at + 1], run[at], *run[at + 1 :]])
    assert [n for n, verdict in enumerate(verdicts) if verdict is not Verdict.NEW] == [at + 1]
    assert verdicts[at + 1] is Verdict.COPY


@pytest.mark.parametrize("rule", PROVING)
@given(starts, sizes_of, places)
def test_exchanged_messages_fill_their_hole(rule: IdRule, start: int, sizes: list[int], place: st.DataObject) -> None:
    at = place.draw(st.integers(1, len(sizes) - 2))
    run, stream = run_of(start, sizes), new_filter(rule)
    run[at], run[at + 1] = run[at + 1], run[at]
    verdicts = judge(stream, run)
    assert verdicts[at : at + 2] == [Verdict.AHEAD, Verdict.LATE]
    assert sum(hole.missing for hole in stream.progress.holes) == 0


@given(starts, sizes_of, places)
def test_exchanged_messages_of_rising_ids_step_back(start: int, sizes: list[int], place: st.DataObject) -> None:
    at = place.draw(st.integers(1, len(sizes) - 2))
    run = run_of(start, sizes)
    run[at], run[at + 1] = run[at + 1], run[at]
    assert judge(new_filter(IdRule.RISING), run)[at : at + 2] == [Verdict.NEW, Verdict.BACK]


def test_a_message_that_reaches_back_and_further_leaves_no_hole() -> None:
    stream = new_filter(IdRule.DENSE)
    assert set(judge(stream, [(1, 5), (3, 9), (10, 10)])) == {Verdict.NEW}
    assert stream.progress.holes == []
