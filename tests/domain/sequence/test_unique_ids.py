"""Ids that are unique and in no order show copies and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from collector.domain.records import INT64_MAX, IdRule
from collector.domain.sequence.dedup import RECENT_IDS, DuplicateFilter
from collector.domain.sequence.stream_progress import StreamProgress
from collector.domain.sequence.stretch import Stretch
from collector.domain.sequence.verdict import Verdict

ids_of = st.lists(st.integers(0, INT64_MAX), unique=True, min_size=1, max_size=100)


def memory(progress: StreamProgress | None = None, recent: dict[int, int] | None = None) -> DuplicateFilter:
    return DuplicateFilter(
        rule=IdRule.UNIQUE, overlap_secs=40.0, progress=progress or StreamProgress(), recent=recent or {}
    )


def tell(stream: DuplicateFilter, message_id: int, digest: int = 1, at_us: int = 0, connection: int = 1) -> Verdict:
    return stream.judge(message_id, None, at_us, at_us, digest, connection=connection)


@given(ids_of)
def test_in_whatever_order_they_come_each_is_new_once(ids: list[int]) -> None:
    stream = memory()
    assert {tell(stream, message_id) for message_id in ids} == {Verdict.NEW}
    assert {tell(stream, message_id) for message_id in reversed(ids)} == {Verdict.COPY}
    assert (stream.progress.holes, stream.progress.series, stream.progress.last_id) == ([], 0, None)


@given(ids_of)
def test_they_are_compared_on_one_connection_as_between_two(ids: list[int]) -> None:
    for other in (1, 2):
        stream = memory()
        for message_id in ids:
            tell(stream, message_id)
        assert {tell(stream, message_id, connection=other) for message_id in ids} == {Verdict.COPY}


def test_other_content_under_a_known_id_is_a_conflict_and_kept_once() -> None:
    stream = memory()
    told = [tell(stream, 7, digest, at_us=at * 10_000_000) for at in range(2) for digest in (1, 2, 3)]
    assert told == [Verdict.NEW, Verdict.CONFLICT, Verdict.CONFLICT, *[Verdict.COPY] * 3]


def test_a_later_time_begins_no_series() -> None:
    stream = memory()
    tell(stream, 9, at_us=1)
    assert tell(stream, 4, at_us=10**12) is Verdict.NEW


@given(ids_of)
def test_they_are_known_again_from_stored_messages_and_from_stored_ids(ids: list[int]) -> None:
    stream, restored = memory(), memory()
    for message_id in ids:
        tell(stream, message_id)
        restored.remember(message_id, 0, 1)
    for again in (restored, memory(recent=stream.recent)):
        assert {tell(again, message_id) for message_id in ids} == {Verdict.COPY}


def test_at_least_the_newest_are_kept_and_those_within_the_lag_of_two_connections() -> None:
    stream = memory()
    stream.join(0)
    for message_id in range(4 * RECENT_IDS):
        tell(stream, message_id ^ 0xFFFF, at_us=30_000_000 * message_id // (4 * RECENT_IDS))
    assert tell(stream, 0xFFFF, at_us=30_000_000) is Verdict.COPY
    for message_id in range(4 * RECENT_IDS, 10 * RECENT_IDS):
        tell(stream, message_id ^ 0xFFFF, at_us=30_000_000 + message_id * 1_000_000)
    assert len(stream.recent) <= 2 * RECENT_IDS
    assert tell(stream, 10 * RECENT_IDS - RECENT_IDS ^ 0xFFFF) is Verdict.COPY


def test_they_are_judged_one_by_one() -> None:
    stream = memory()
    tell(stream, 1)
    assert not stream.judge_together(Stretch([2, 3], [2, 3], [0, 0], [0, 0], [b"", b""], 0, 1))
    assert tell(stream, 2) is Verdict.NEW
