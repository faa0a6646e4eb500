"""What may be judged together, and that it leaves what judging one by one leaves."""

import zlib
from copy import deepcopy
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.records import IdRule
from collector.domain.sequence.dedup import DuplicateFilter
from collector.domain.sequence.stream_progress import StreamProgress
from collector.domain.sequence.stretch import Stretch, continues, rises
from collector.domain.sequence.verdict import Verdict

START_US = 1_700_000_000_000_000


def stretch(
    ids: list[int], *, since_us: int = START_US, step_us: int = 1_000, text: bytes = b"", ahead_us: int = 0
) -> Stretch:
    received_us = [since_us + step_us * number for number in range(len(ids))]
    sent_us: list[int | None] = [at_us + ahead_us for at_us in received_us]
    return Stretch(ids, ids, sent_us, received_us, [text + b"%d" % message_id for message_id in ids], 0, 1)


def one_by_one(memory: DuplicateFilter, given_: Stretch) -> list[Verdict]:
    columns = zip(given_.ids, given_.first_ids, given_.exchange_us, given_.received_us, given_.payloads, strict=True)
    return [
        memory.judge(message_id, first_id, sent_us, received_us, zlib.crc32(payload), given_.line, given_.connection)
        for message_id, first_id, sent_us, received_us, payload in columns
    ]


def memory_of(rule: IdRule, *before: Stretch) -> DuplicateFilter:
    memory = DuplicateFilter(rule=rule, overlap_secs=40.0, progress=StreamProgress(), recent={})
    for part in before:
        one_by_one(memory, part)
    return memory


def inside(memory: DuplicateFilter) -> object:
    recent = memory._recent
    return memory.progress, list(recent.young.items()), list(recent.old.items()), recent.full_at, recent._since_us


@given(
    st.sampled_from([IdRule.DENSE, IdRule.RISING]),
    st.lists(st.integers(1, 700), min_size=2, max_size=5),
    st.sampled_from([0, 1_000, 100_000, 3_000_000]),
    st.sampled_from([0, 50_000_000]),
)
def test_together_or_one_by_one_the_same_ids_are_remembered(
    rule: IdRule, sizes: list[int], step_us: int, pause_us: int
) -> None:
    together, apart = memory_of(rule), memory_of(rule)
    first, since_us = 1, START_US
    for size in sizes:
        part = stretch(list(range(first, first + size)), since_us=since_us, step_us=step_us)
        if not together.judge_together(part):
            one_by_one(together, part)
        assert set(one_by_one(apart, part)) == {Verdict.NEW}
        assert inside(together) == inside(apart)
        first, since_us = first + size, part.received_us[-1] + pause_us


def test_a_stream_in_its_usual_state_is_judged_together() -> None:
    assert memory_of(IdRule.DENSE, stretch([1])).judge_together(stretch([2, 3, 4]))
    assert memory_of(IdRule.RISING, stretch([1])).judge_together(stretch([5, 6, 9]))


@pytest.mark.parametrize("leap_us", [-90_000_000, 90_000_000, 90_000_000_000_000, -START_US])
def test_times_that_leap_are_followed_as_one_by_one(leap_us: int) -> None:
    parts = [stretch([2, 3], ahead_us=leap_us), stretch([4, 5, 6], ahead_us=leap_us), stretch([7, 8])]
    together, apart = memory_of(IdRule.DENSE, stretch([1])), memory_of(IdRule.DENSE, stretch([1]))
    for part in parts:
        assert together.judge_together(part)
        sound = part._replace(
            exchange_us=[at if leap_us > -START_US and leap_us < 9e13 else None for at in part.exchange_us]
        )
        one_by_one(apart, part if part is parts[2] else sound)
        assert inside(together) == inside(apart)


UNUSUAL = {
    "a hole": ([stretch([1])], stretch([2, 4])),
    "a copy": ([stretch([1, 2])], stretch([2, 3])),
    "a first message": ([], stretch([1, 2])),
    "another connection": ([stretch([1])._replace(connection=2)], stretch([2, 3])),
    "a series that ended lately": (
        [stretch([8, 9, 10]), stretch([7], since_us=START_US + 10_000_000)],
        stretch([8, 9, 10]),
    ),
    "other content under a known id": ([stretch([1, 2]), stretch([2], text=b"x")], stretch([3, 4])),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_anything_unusual_is_judged_one_by_one_and_changes_nothing(name: str) -> None:
    before, part = UNUSUAL[name]
    memory = memory_of(IdRule.DENSE, *before)
    unchanged = deepcopy(inside(memory))
    assert not memory.judge_together(part)
    assert inside(memory) == unchanged


def test_an_id_that_another_line_has_brought_is_judged_one_by_one() -> None:
    memory = memory_of(IdRule.RISING, stretch([5, 6, 7])._replace(line=1), stretch([1, 2]))
    assert not memory.judge_together(stretch([3, 7]))
    assert not memory.judge_together(stretch([3, 2]))
    assert memory.judge_together(stretch([3, 4]))


def test_ids_without_a_rule_are_never_judged_together() -> None:
    assert not memory_of(IdRule.NONE, stretch([1])).judge_together(stretch([2]))


@given(st.integers(0, 50), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=6))
def test_continuity_is_that_of_each_pair_of_neighbours(last: int, covered: list[tuple[int, int]]) -> None:
    given_ = stretch([end for _, end in covered])._replace(first_ids=[first for first, _ in covered])
    steps = pairwise([(0, last), *covered])
    assert continues(last, given_) == all(first == before + 1 <= end for (_, before), (first, end) in steps)


@given(st.integers(0, 9), st.lists(st.integers(0, 20), min_size=1, max_size=5))
def test_rising_is_that_of_each_pair_of_neighbours(last: int, ids: list[int]) -> None:
    assert rises(last, ids) == all(before < after for before, after in pairwise([last, *ids]))
    assert continues(last, stretch(ids)) == all(before + 1 == after for before, after in pairwise([last, *ids]))
