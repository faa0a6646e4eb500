"""What each rule says of an unbroken run, and of one with messages removed, repeated and exchanged."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from collector.domain.records import IdRule
from collector.domain.sequence.rules import (
    CONTIGUOUS,
    COUNTER,
    LINKED,
    RISING,
    RULES,
    UNVERIFIABLE,
    Break,
    Ids,
    Mark,
    Rule,
    Scope,
)

steps = st.lists(st.integers(1, 50), min_size=3, max_size=40)
starts = st.integers(0, 10**12)
places = st.data()


def covering(start: int, sizes: Iterable[int]) -> list[Ids]:
    """Spot's diffs: each covers so many ids."""
    run = []
    for size in sizes:
        run.append(Ids(start, start + size - 1))
        start += size
    return run


def linked(start: int, sizes: Iterable[int]) -> list[Ids]:
    """Futures' diffs: ids of their own leave holes, which mean nothing."""
    run = []
    for size in sizes:
        run.append(Ids(start + size, start + size, previous=start))
        start += size
    return run


def rising(start: int, sizes: Iterable[int]) -> list[Ids]:
    return [Ids(ids.last, ids.last) for ids in covering(start, sizes)]


MAKERS = ((CONTIGUOUS, covering), (COUNTER, rising), (LINKED, linked), (RISING, rising))


def judge(rule: Rule, run: Iterable[Ids]) -> list[Break | None]:
    mark = Mark()
    return [rule.judge(mark, ids) for ids in run]


def kinds(rule: Rule, run: Iterable[Ids]) -> list[str]:
    return [found.kind for found in judge(rule, run) if found is not None]


@given(starts, steps)
def test_an_unbroken_run_breaks_no_rule(start: int, sizes: list[int]) -> None:
    for rule, make in MAKERS:
        counted = [1] * len(sizes) if rule is COUNTER else sizes
        assert kinds(rule, make(start, counted)) == []


@given(starts, steps, places)
def test_what_is_removed_is_found_and_counted_where_it_can_be(
    start: int, sizes: list[int], place: st.DataObject
) -> None:
    first = place.draw(st.integers(1, len(sizes) - 2))
    count = place.draw(st.integers(1, len(sizes) - 1 - first))
    run = covering(start, sizes)
    lost, behind = run[first : first + count], run[first + count]
    (found,) = filter(None, judge(CONTIGUOUS, run[:first] + run[first + count :]))
    missing = sum(ids.last - ids.first + 1 for ids in lost)
    assert found == Break("sequence", lost[0].first, behind.first, missing)
    run = linked(start, sizes)
    (found,) = filter(None, judge(LINKED, run[:first] + run[first + count :]))
    assert found == Break("sequence", run[first - 1].last, run[first + count].previous, None)
    run = rising(start, sizes)
    assert kinds(RISING, run[:first] + run[first + count :]) == []


@given(starts, steps, places)
def test_what_comes_twice_is_out_of_order_once(start: int, sizes: list[int], place: st.DataObject) -> None:
    at = place.draw(st.integers(0, len(sizes) - 1))
    for rule, make in MAKERS:
        run = make(start, [1] * len(sizes) if rule is COUNTER else sizes)
        found = judge(rule, [*run[: at + 1], run[at], *run[at + 1 :]])
        assert [n for n, broken in enumerate(found) if broken] == [at + 1]
        assert kinds(rule, [*run[: at + 1], run[at]]) == ["out_of_order"]


@given(starts, steps, places)
def test_two_exchanged_are_a_hole_and_a_step_back_or_only_that(
    start: int, sizes: list[int], place: st.DataObject
) -> None:
    at = place.draw(st.integers(1, len(sizes) - 2))
    for rule, make in MAKERS:
        run = make(start, [1] * len(sizes) if rule is COUNTER else sizes)
        run[at], run[at + 1] = run[at + 1], run[at]
        expected = ["out_of_order"] if rule is RISING else ["sequence", "out_of_order"]
        assert kinds(rule, run) == expected


def test_a_link_to_nothing_or_ahead_of_its_own_id_is_a_reset() -> None:
    run = [Ids(9, 9, previous=None), Ids(12, 12, previous=9), Ids(3, 3, previous=12), Ids(5, 5, previous=3)]
    assert judge(LINKED, run) == [None, None, Break("reset", 12, 3, None), None]
    assert judge(LINKED, [Ids(9, 9), Ids(2, 2)]) == [None, Break("reset", 9, 2, None)]


def test_a_message_that_changes_nothing_may_repeat_the_id_it_names() -> None:
    assert judge(LINKED, [Ids(9, 9, previous=5), Ids(9, 9, previous=9), Ids(11, 11, previous=9)]) == [None] * 3


def test_a_message_that_reaches_back_and_further_leaves_nothing_out() -> None:
    assert judge(CONTIGUOUS, [Ids(1, 5), Ids(3, 9), Ids(10, 10)]) == [None] * 3
    assert judge(LINKED, [Ids(5, 5), Ids(9, 9, previous=3), Ids(10, 10, previous=9)]) == [None] * 3


def test_a_stream_without_meaning_in_its_ids_is_never_found_broken() -> None:
    assert judge(UNVERIFIABLE, [Ids(5, 5), Ids(1, 1), Ids(99, 99)]) == [None] * 3


def test_every_word_for_a_rule_has_one_and_they_agree_on_what_is_proven() -> None:
    assert {word: rule.proves_continuity for word, rule in RULES.items()} == {
        word: word.proves_continuity for word in IdRule
    }
    assert [rule.scope for rule, _ in MAKERS].count(Scope.CONNECTION) == 1
