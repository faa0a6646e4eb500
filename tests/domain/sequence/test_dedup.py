"""Copies are recognised by id, and no message is dropped that is not proven a copy."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.gap_stretches import SINGLE_ROWS
from collector.domain.records import IdRule
from collector.domain.sequence.conflicts import CONFLICTS
from collector.domain.sequence.dedup import RECENT_DENSE_IDS, RECENT_IDS, DuplicateFilter
from collector.domain.sequence.exchange_time import LEAP_US
from collector.domain.sequence.hole import Hole
from collector.domain.sequence.hole_rules import MAX_HOLES, REORDER_SECS
from collector.domain.sequence.lag import SUCCESSOR_LAG_SECS
from collector.domain.sequence.recent_ids import RECENT_LIMIT
from collector.domain.sequence.stream_progress import StreamProgress
from collector.domain.sequence.verdict import Verdict


def memory(*, dense: bool = True, overlap_secs: float = 0.0, progress: StreamProgress | None = None) -> DuplicateFilter:
    rule = IdRule.DENSE if dense else IdRule.RISING
    return DuplicateFilter(rule=rule, overlap_secs=overlap_secs, progress=progress or StreamProgress(), recent={})


def tell(
    stream: DuplicateFilter,
    message_id: int,
    *,
    at: int | None = None,
    digest: int = 1,
    received: int = 0,
    connection: int = 1,
) -> Verdict:
    return stream.judge(message_id, None, message_id if at is None else at, received, digest, connection=connection)


def test_the_same_id_and_content_is_a_copy() -> None:
    for dense in (True, False):
        stream = memory(dense=dense)
        assert tell(stream, 5) is Verdict.NEW
        assert tell(stream, 5) is Verdict.COPY


def test_other_content_under_a_known_id_is_a_conflict() -> None:
    stream = memory()
    tell(stream, 5)
    assert tell(stream, 5, digest=2) is Verdict.CONFLICT


@pytest.mark.parametrize("dense", [True, False])
def test_different_messages_with_one_id_are_each_new_once(*, dense: bool) -> None:
    stream = memory(dense=dense, overlap_secs=40.0)
    told = [stream.judge(5, None, 0, 0, digest, line) for line in range(3) for digest in (1, 2, 3)]
    assert told == [Verdict.NEW, Verdict.CONFLICT, Verdict.CONFLICT, *[Verdict.COPY] * 6]
    progress = msgspec.msgpack.decode(msgspec.msgpack.encode(stream.progress), type=StreamProgress)
    again = memory(dense=dense, progress=progress)
    for digest in (1, 2, 3):
        again.remember(5, 0, digest)
    assert [tell(again, 5, at=0, digest=digest) for digest in (1, 2, 3, 4)] == [*[Verdict.COPY] * 3, Verdict.CONFLICT]


def test_only_the_newest_conflicts_are_kept() -> None:
    stream = memory()
    tell(stream, 5)
    for digest in range(2, 1_000):
        assert tell(stream, 5, digest=digest) is Verdict.CONFLICT
    assert len(stream.progress.conflicts) == CONFLICTS
    assert [tell(stream, 5, digest=digest) for digest in (1, 999)] == [Verdict.COPY] * 2


@pytest.mark.parametrize("dense", [True, False])
def test_messages_that_shared_an_id_are_forgotten_with_it(*, dense: bool) -> None:
    stream = memory(dense=dense)
    for digest in range(1, 10):
        tell(stream, 1, digest=digest)
    for message_id in range(2, 3_000):
        tell(stream, message_id, received=1_000_000 * message_id)
    assert stream.progress.conflicts == ()


def test_a_late_message_inside_a_hole_is_new_once() -> None:
    stream = memory()
    for message_id in (1, 2, 6):
        tell(stream, message_id)
    assert [hole.parts for hole in stream.progress.holes] == [[(3, 5)]]
    assert tell(stream, 4) is Verdict.LATE
    assert [hole.parts for hole in stream.progress.holes] == [[(3, 3), (5, 5)]]
    assert tell(stream, 4) is Verdict.COPY


def test_a_dense_id_far_behind_is_a_copy_by_its_time() -> None:
    stream = memory()
    for message_id in range(3 * RECENT_IDS + 10):
        tell(stream, message_id)
    assert 3 not in stream.recent
    assert tell(stream, 3) is Verdict.COPY


def test_a_lower_dense_id_starts_a_series_if_time_moves_on() -> None:
    stream = memory()
    for message_id in range(1_000, 1_000 + 3 * RECENT_IDS):
        tell(stream, message_id)
    assert tell(stream, 1_001, at=1_000_000) is Verdict.RESET
    assert (stream.progress.series, stream.progress.last_id) == (1, 1_001)
    assert tell(stream, 1_002, at=1_000_001) is Verdict.NEW


def test_a_message_that_covers_many_ids_leaves_holes_and_fills_them() -> None:
    stream = memory()
    assert stream.judge(10, 5, 1, 1, 1) is Verdict.NEW
    assert stream.judge(20, 11, 2, 2, 1) is Verdict.NEW
    assert stream.judge(40, 31, 3, 3, 1) is Verdict.AHEAD
    assert [hole.parts for hole in stream.progress.holes] == [[(21, 30)]]
    assert stream.judge(30, 21, 4, 4, 1) is Verdict.LATE
    assert stream.holes.settle(10**9) == []
    assert stream.progress.holes == []


def test_holes_of_an_ended_series_are_not_forgotten() -> None:
    stream = memory()
    for message_id in (1, 5, *range(10, 10 + 3 * RECENT_IDS)):
        tell(stream, message_id)
    assert tell(stream, 11, at=10**7) is Verdict.RESET
    due_rows = stream.holes.settle(0)
    assert [(found.series, found.hole.first_id) for found in due_rows] == [(0, 2), (0, 6)]


def test_ids_below_the_first_one_seen_are_new() -> None:
    stream = memory()
    tell(stream, 100)
    assert tell(stream, 40) is Verdict.NEW


def test_ids_below_the_first_one_start_a_series_if_time_moves_on() -> None:
    stream = memory()
    for message_id in range(5_000_000, 5_000_010):
        tell(stream, message_id)
    assert tell(stream, 1, at=5_000_010) is Verdict.RESET
    assert (stream.progress.series, stream.progress.known_from_id) == (1, 1)
    assert tell(stream, 4, at=5_000_011) is Verdict.AHEAD


REORDER_US = round(REORDER_SECS * 1_000_000)
STEP_US = 10_000


def test_an_id_that_jumps_far_ahead_and_back_hides_no_later_loss() -> None:
    stream = memory()
    told: list[Verdict] = []
    for step, message_id in enumerate([*range(1, 101), 10**15, *range(101, 1_500), *range(1_501, 2_000)]):
        told.append(tell(stream, message_id, at=step * STEP_US, received=step * STEP_US))
    window = REORDER_US // STEP_US
    back = told[101:]
    assert back[: window + 1] == [*[Verdict.LATE] * window, Verdict.RESET]
    assert [verdict for verdict in back[window + 1 :] if verdict is not Verdict.NEW] == [Verdict.AHEAD]
    assert (stream.progress.series, stream.progress.last_id) == (1, 1_999)
    assert [(hole.first_id, hole.missing) for hole in stream.progress.holes] == [(1_500, 1)]


def test_a_late_message_into_a_hole_never_starts_a_series() -> None:
    stream = memory(overlap_secs=40.0)
    for message_id in (*range(100), *range(200, 300)):
        tell(stream, message_id, at=message_id * STEP_US, received=message_id * STEP_US)
    lag_us = 40_000_000
    told = [tell(stream, id_, at=id_ * STEP_US, received=id_ * STEP_US + lag_us) for id_ in range(300)]
    assert told == [*[Verdict.COPY] * 100, *[Verdict.LATE] * 100, *[Verdict.COPY] * 100]
    assert stream.progress.series == 0


@pytest.mark.parametrize(
    "ids",
    [
        [*range(500, 800), *range(1, 1_000)],
        [*range(500), 10**15, *range(500, 1_500)],
        [*range(5_000, 5_300), *range(3_000, 3_040), *range(1, 1_000)],
    ],
)
@pytest.mark.parametrize("lag_secs", [0.05, 1.0, 3.0, 10.0, 30.0])
def test_a_lagging_lines_repeats_of_an_ended_series_are_copies(ids: list[int], lag_secs: float) -> None:
    stream = memory(overlap_secs=40.0)
    sent = [(message_id, step * STEP_US) for step, message_id in enumerate(ids)]
    lag_us = round(lag_secs * 1_000_000)
    arrived = sorted((at + lag, lag, message_id, at) for message_id, at in sent for lag in (0, lag_us))
    told = [
        tell(stream, id_, at=at, digest=at, received=received, connection=1 + lag) for received, lag, id_, at in arrived
    ]
    assert told.count(Verdict.COPY) == len(sent)
    assert told.count(Verdict.RESET) == stream.progress.series == sum(after < id_ for id_, after in pairwise(ids))
    assert stream.progress.last_id == ids[-1]


def test_only_repeats_of_an_ended_series_are_copies() -> None:
    stream = memory(overlap_secs=40.0)
    ids, lag_us = [*range(5_000, 5_300), *range(1, 1_000)], 10_000_000
    sent = [(message_id, step * STEP_US) for step, message_id in enumerate(ids)]
    lost = set(range(5_200, 5_290, 7))
    arrived = [(at, 0, id_, at) for id_, at in sent if id_ not in lost]
    arrived += [(at + lag_us, 1, id_, at) for id_, at in sent]
    told = [
        tell(stream, id_, at=at, digest=at, received=now, connection=1 + line) for now, line, id_, at in sorted(arrived)
    ]
    assert told.count(Verdict.COPY) == len(arrived) - len(sent)


def test_the_same_content_long_after_a_series_ended_is_no_copy() -> None:
    stream = memory(overlap_secs=40.0)
    for id_ in (9, 10):
        tell(stream, id_, at=id_)
    assert tell(stream, 8, at=LEAP_US, received=LEAP_US) is Verdict.RESET
    later_us = LEAP_US + 41_000_000
    told = [tell(stream, id_, at=later_us, received=later_us) for id_ in (9, 10)]
    assert told == [Verdict.NEW, Verdict.NEW]


def test_ids_of_many_ended_series_stay_within_the_limit() -> None:
    stream = memory(overlap_secs=40.0)
    for number in range(2 * RECENT_LIMIT // 40):
        for id_ in range(40):
            tell(stream, 10**9 - 50 * number + id_, at=10**7 * number + id_)
    assert stream.progress.series == 2 * RECENT_LIMIT // 40 - 1
    assert len(stream.recent) <= RECENT_LIMIT + 40


def test_ids_before_a_series_restart_survive_a_kill_and_a_seal() -> None:
    stream = memory(overlap_secs=40.0)
    for message_id in range(1_000, 1_010):
        tell(stream, message_id, received=message_id * 1_000_000)
    kept = dict(stream.recent)
    assert tell(stream, 1, at=1_010, received=1_010_000_000) is Verdict.RESET
    progress = msgspec.msgpack.encode(stream.progress)
    again, other, sealed = (
        DuplicateFilter(
            rule=IdRule.DENSE,
            overlap_secs=40.0,
            progress=msgspec.msgpack.decode(progress, type=StreamProgress),
            recent=recent,
        )
        for recent in (kept, {}, dict(stream.recent))
    )
    for message_id in (900, *range(1_000, 1_010)):
        other.remember_ended(message_id, message_id * 1_000_000, 1)
    for each in (stream, again, other, sealed):
        assert tell(each, 1_005, received=1_011_000_000) is Verdict.COPY
    assert tell(again, 1_005, digest=2, received=1_011_000_000) is Verdict.AHEAD
    for message_id in range(2, 3 * RECENT_IDS):
        tell(stream, message_id, at=1_010 + message_id, received=1_060_000_000)
    assert tell(stream, 1_005, received=1_060_000_000) is Verdict.AHEAD


def test_recent_ids_that_come_again_later_start_a_new_series() -> None:
    stream = memory()
    for message_id in range(1_000, 1_100):
        tell(stream, message_id, at=message_id)
    assert 1_050 in stream.recent
    assert tell(stream, 1_050, at=1_099 + REORDER_US, digest=2) is Verdict.CONFLICT
    assert tell(stream, 1_050, at=1_100 + REORDER_US) is Verdict.COPY
    assert tell(stream, 1_051, at=1_100 + REORDER_US, digest=2) is Verdict.RESET
    told = [tell(stream, message_id, at=1_100 + REORDER_US, digest=2) for message_id in range(1_052, 1_200)]
    assert told == [Verdict.NEW] * 148
    assert (stream.progress.series, stream.progress.last_id) == (1, 1_199)


@given(st.data())
def test_falling_ids_start_a_series_and_late_ones_never_do(data: st.DataObject) -> None:
    started = data.draw(st.integers(100, 10**7))
    stream = memory()
    for message_id in range(started, started + 30):
        tell(stream, message_id)
    for message_id in data.draw(st.lists(st.integers(0, started + 29), max_size=20)):
        assert tell(stream, message_id) in {Verdict.NEW, Verdict.COPY}
    again = data.draw(st.integers(0, started).filter(lambda message_id: message_id not in stream.recent))
    told = [tell(stream, again + number, at=started + 30 + number, digest=2) for number in range(100)]
    assert told == [Verdict.RESET, *[Verdict.NEW] * 99]
    assert stream.progress.series == 1


def test_ids_of_forgotten_holes_are_new_rather_than_copies() -> None:
    stream = memory()
    for message_id in range(0, 2 * (MAX_HOLES + 600), 2):
        tell(stream, message_id)
    assert len(stream.holes.settle(0, all_due=True)) == SINGLE_ROWS + 1
    given_up = stream.holes.settle(10**9)
    assert [due_row.status for due_row in given_up] == ["unrepairable"] * (SINGLE_ROWS + 1)
    assert stream.progress.holes == []
    assert tell(stream, 1) is Verdict.NEW


def asked_for(holes: int) -> DuplicateFilter:
    """A stream with this many holes of one message each, all requested."""
    stream = memory()
    for message_id in range(0, 2 * holes + 2, 2):
        tell(stream, message_id, received=1_000_000 * message_id)
        if message_id % 1_000 == 0 or message_id == 2 * holes:
            for due_row in stream.holes.settle(1_000_000 * message_id, all_due=True):
                due_row.hole.is_requested = not due_row.hole.lasts
    for due_row in stream.holes.settle(10**18):
        due_row.hole.is_requested = True
    return stream


def test_requested_holes_are_not_forgotten_for_newer_ones() -> None:
    stream = asked_for(8 * MAX_HOLES)
    stream.holes.settle(10**18)
    missing = range(1, 16 * MAX_HOLES, 2)
    assert [message_id for message_id in missing if stream.backfill(message_id)] == list(missing)
    assert not any(map(stream.backfill, missing))


def test_an_answered_hole_is_found_without_a_linear_search(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = asked_for(8 * MAX_HOLES)
    looked_at: list[Hole] = []
    real = Hole._take_out

    def take_out(hole: Hole, first: int, last: int) -> bool:
        looked_at.append(hole)
        return real(hole, first, last)

    monkeypatch.setattr(Hole, "_take_out", take_out)
    assert stream.backfill(8_001)
    assert tell(stream, 8_003) is Verdict.LATE
    assert len(looked_at) == 2


def test_beyond_the_limit_the_oldest_requested_holes_are_given_up() -> None:
    stream = asked_for(8 * MAX_HOLES)
    found = stream.holes.settle(10**18, max_requested=4 * MAX_HOLES)
    assert {due_row.status for due_row in found} == {"unrepairable"}
    held = sum(hole.missing for hole in stream.progress.holes)
    assert held <= 4 * MAX_HOLES
    assert held + sum(due_row.hole.missing for due_row in found) == 8 * MAX_HOLES
    assert stream.progress.known_from_id == max(due_row.hole.next_id for due_row in found)
    assert not stream.backfill(1)
    assert stream.holes.settle(10**18, max_requested=4 * MAX_HOLES) == []


def test_redundant_lines_are_remembered_by_time_too() -> None:
    stream = memory(dense=False, overlap_secs=10.0)
    for message_id in range(20 * RECENT_IDS):
        tell(stream, message_id, received=1_000 * message_id)
    assert tell(stream, 10, received=20 * RECENT_IDS * 1_000) is Verdict.COPY


def test_what_is_remembered_of_a_stream_stays_small() -> None:
    for stream, most in ((memory(), 2 * RECENT_DENSE_IDS), (memory(dense=False), 2 * RECENT_IDS)):
        sizes = set()
        for message_id in range(5_000):
            tell(stream, message_id, received=1_000_000 * message_id)
            sizes.add(len(stream.recent))
        assert max(sizes) <= most


@pytest.mark.parametrize("dense", [True, False])
def test_frequent_restarts_do_not_add_to_the_ids_kept(*, dense: bool) -> None:
    rule = IdRule.DENSE if dense else IdRule.RISING
    per_sec, window_secs, life_secs = 40, 40, 5
    progress, recent = StreamProgress(), dict[int, int]()
    for life in range(100):
        stream = DuplicateFilter(rule=rule, overlap_secs=window_secs, progress=progress, recent=recent)
        for number in range(life * life_secs * per_sec, (life + 1) * life_secs * per_sec):
            received_us = number * 1_000_000 // per_sec
            assert tell(stream, number, at=received_us, received=received_us, connection=life + 1) is Verdict.NEW
            kept = range(max(0, number - window_secs * per_sec), number)
            assert number % 97 or {tell(stream, known, at=0, received=received_us) for known in kept} <= {Verdict.COPY}
        progress, recent = stream.progress, stream.recent
        assert len(recent) <= 2 * window_secs * per_sec


def test_ids_are_kept_by_time_while_connections_overlap() -> None:
    stream = memory(dense=False, overlap_secs=40.0)
    tell(stream, 0)
    sizes = {}
    for step in range(1, 30_000):
        renewing = 10_000 <= step < 12_000
        for connection in (1, 2)[: 1 + renewing] if step < 12_000 else (2,):
            tell(stream, step, received=step * STEP_US, connection=connection)
        sizes[step] = len(stream.recent)
    alone = 2 * round(SUCCESSOR_LAG_SECS * 1_000_000) // STEP_US + RECENT_IDS
    assert max(sizes[step] for step in range(8_500, 10_000)) <= alone
    assert sizes[13_900] > 3_900
    assert max(sizes[step] for step in range(20_000, 30_000)) <= alone


@pytest.mark.parametrize("lag_secs", [1.0, 39.0])
def test_messages_since_a_connection_opened_are_copies_when_it_lags(lag_secs: float) -> None:
    stream = memory(dense=False, overlap_secs=40.0)
    for step in range(20_000):
        tell(stream, step, received=step * STEP_US)
    stream.join(20_000 * STEP_US)
    behind = round(lag_secs * 1_000_000) // STEP_US
    for step in range(20_000, 20_000 + behind):
        tell(stream, step, received=step * STEP_US)
    told = [
        tell(stream, step - lag, received=step * STEP_US, connection=connection)
        for step in range(20_000 + behind, 30_000)
        for connection, lag in ((1, 0), (2, behind))
    ]
    assert told[::2] == [Verdict.NEW] * (10_000 - behind)
    assert told[1::2] == [Verdict.COPY] * (10_000 - behind)


def test_recent_ids_stay_within_the_limit_however_fast_they_come() -> None:
    stream = memory(dense=False, overlap_secs=40.0)
    for step in range(2 * RECENT_LIMIT):
        tell(stream, step, received=step, connection=step & 1)
    assert RECENT_LIMIT // 2 <= len(stream.recent) <= RECENT_LIMIT


def test_a_clock_set_back_forgets_no_recent_id() -> None:
    stream = memory(dense=False, overlap_secs=40.0)
    for step in range(1_000):
        tell(stream, step, received=10**12 + step * STEP_US)
    for step in range(1_000, 2_000):
        tell(stream, step, received=step * STEP_US)
    assert [tell(stream, step, received=2_000 * STEP_US, connection=2) for step in range(1_000, 2_000)] == [
        Verdict.COPY
    ] * 1_000


@given(st.lists(st.integers(0, 60), max_size=200))
def test_every_dense_id_is_stored_exactly_once_whatever_the_order(ids: list[int]) -> None:
    stream = memory()
    stored = [i for i in ids if stream.judge(i, None, 0, 0, 7) is not Verdict.COPY]
    assert sorted(stored) == sorted(set(ids))


@given(st.lists(st.integers(0, 5_000), max_size=60), st.integers(0, 59))
def test_a_restored_filter_gives_the_same_verdicts(ids: list[int], cut: int) -> None:
    whole = memory()
    first = [tell(whole, i, at=0) for i in ids]
    part = memory()
    second = [tell(part, i, at=0) for i in ids[:cut]]
    part = DuplicateFilter(rule=IdRule.DENSE, overlap_secs=0.0, progress=part.progress, recent=dict(part.recent))
    second += [tell(part, i, at=0) for i in ids[cut:]]
    assert first == second


def test_a_message_with_first_id_above_its_id_covers_its_id() -> None:
    stream = memory()
    stream.judge(10, 5, 1, 1, 1)
    assert stream.judge(11, 60, 2, 2, 1) is Verdict.NEW
    assert stream.progress.last_id == 11
    assert stream.judge(12, 12, 3, 3, 1) is Verdict.NEW


def test_a_message_from_rest_is_stored_only_if_it_was_missing() -> None:
    stream = memory()
    for message_id in (1, 2, 6):
        tell(stream, message_id)
    assert [message_id for message_id in range(1, 8) if stream.backfill(message_id)] == [3, 4, 5]
    assert not stream.backfill(4)


def test_a_message_fetched_over_rest_is_a_copy_when_it_comes_late() -> None:
    stream = memory()
    for message_id in (1, 2, 6):
        tell(stream, message_id)
    stream.backfill(4)
    assert tell(stream, 4, digest=77) is Verdict.COPY
    assert tell(stream, 3) is Verdict.LATE


def test_holes_are_ended_by_their_ids() -> None:
    stream = memory()
    for message_id in (1, 5, 9, 20):
        tell(stream, message_id)
    stream.holes.settle(0, all_due=True)
    stream.holes.end(6, 8)
    assert [(found.hole.first_id, found.status) for found in stream.holes.settle(0)] == [(6, "unrepairable")]


def test_a_restarted_series_ends_the_holes_of_the_one_before() -> None:
    stream = memory()
    for message_id in (1_000, *range(1_003, 1_003 + 3 * RECENT_IDS)):
        tell(stream, message_id)
    assert [found.status for found in stream.holes.settle(0, all_due=True)] == ["open"]
    assert tell(stream, 1_000, at=1_000_000) is Verdict.RESET
    assert [(found.series, found.status) for found in stream.holes.settle(0)] == [(0, "unrepairable")]


def rising(stream: DuplicateFilter, *messages: tuple[int, int]) -> list[Verdict]:
    """Judge ids, each with its line."""
    return [stream.judge(message_id, None, None, 0, 1, line) for message_id, line in messages]


def test_a_step_back_on_a_line_is_told_from_a_jump_ahead() -> None:
    stream = memory(dense=False)
    assert rising(stream, (5, 0), (900, 0)) == [Verdict.NEW] * 2
    assert rising(stream, (7, 0), (8, 0), (950, 0)) == [Verdict.BACK, Verdict.NEW, Verdict.NEW]
    assert rising(stream, (949, 0)) == [Verdict.BACK]
    assert stream.stepped_back_from == 950


def test_copies_and_lines_that_lag_are_no_steps_back() -> None:
    stream = memory(dense=False)
    assert rising(stream, (5, 0), (9, 0), (5, 0), (10, 0)) == [Verdict.NEW, Verdict.NEW, Verdict.COPY, Verdict.NEW]
    assert rising(stream, (5, 1), (6, 1), (9, 1)) == [Verdict.COPY, Verdict.NEW, Verdict.COPY]
    assert rising(stream, (8, 1)) == [Verdict.BACK]


def test_a_new_connection_or_two_on_one_line_are_not_compared() -> None:
    stream = memory(dense=False)
    rising(stream, (100, 0))
    assert stream.begin_line(0, {0}, alone=True)
    assert not stream.begin_line(0, {0}, alone=True)
    assert rising(stream, (50, 0)) == [Verdict.NEW]
    assert stream.begin_line(0, {0}, alone=False)
    assert rising(stream, (49, 0), (60, 0), (51, 0)) == [Verdict.NEW] * 3
    assert stream.begin_line(0, {0}, alone=True)
    assert rising(stream, (52, 0), (48, 0)) == [Verdict.NEW, Verdict.BACK]
    assert not memory().begin_line(0, {0}, alone=False)


@given(st.lists(st.integers(0, 1 << 40), unique=True, min_size=1, max_size=60))
def test_steps_back_are_those_to_a_lower_id_than_the_one_before(ids: list[int]) -> None:
    found = rising(memory(dense=False), *((message_id, 0) for message_id in ids))
    assert [verdict is Verdict.BACK for verdict in found[1:]] == [b < a for a, b in pairwise(ids)]


BEGUN_US = 1_800_000_000_000_000
LONG_US = 36_000_000_000


def passed(stream: DuplicateFilter, ids: range, begun_us: int = BEGUN_US) -> list[Verdict]:
    """Messages a tenth of a second apart, each sent 20 ms before its receipt."""
    times = (begun_us + number * 100_000 for number in range(len(ids)))
    return [tell(stream, id_, at=at_us - 20_000, received=at_us) for id_, at_us in zip(ids, times, strict=True)]


@pytest.mark.parametrize("odd_us", [LONG_US, -LONG_US, LEAP_US + 1, None])
@pytest.mark.parametrize("behind", [0, 1, 5])
def test_one_odd_time_neither_hides_nor_causes_a_restart(odd_us: int | None, behind: int) -> None:
    stream = memory()
    assert Verdict.RESET not in passed(stream, range(1_000, 2_000))
    at_us = BEGUN_US + 100_000_000
    odd = None if odd_us is None else at_us + odd_us
    assert stream.judge(2_000, None, odd, at_us, 1) is Verdict.NEW
    assert passed(stream, range(2_001, 2_001 + behind), at_us + 100_000) == [Verdict.NEW] * behind
    again_us = at_us + 100_000 * (1 + behind)
    assert tell(stream, 1_100, at=BEGUN_US + 10_000_000 - 20_000, received=again_us) is Verdict.COPY
    assert passed(stream, range(1, 50), again_us) == [Verdict.RESET, *[Verdict.NEW] * 48]


@pytest.mark.parametrize(("message_id", "verdict"), [(1_100, Verdict.NEW), (1_990, Verdict.CONFLICT)])
def test_one_late_message_with_an_odd_time_begins_no_series(message_id: int, verdict: Verdict) -> None:
    stream = memory()
    passed(stream, range(1_000, 2_000))
    at_us = BEGUN_US + 100_000_000
    assert tell(stream, message_id, at=at_us + LONG_US, digest=2, received=at_us) is verdict
    assert passed(stream, range(2_000, 2_010), at_us) == [Verdict.NEW] * 10
    assert stream.progress.series == 0


def test_a_clock_step_is_trusted_from_the_second_message_on() -> None:
    stream = memory()
    passed(stream, range(1_000, 1_100))
    for number in range(10):
        received_us = BEGUN_US + 10_000_000 + number * 100_000
        assert tell(stream, 1_100 + number, at=received_us + LONG_US, received=received_us) is Verdict.NEW
    assert tell(stream, 1, at=received_us + 100_000 + LONG_US, received=received_us + 100_000) is Verdict.RESET
