import msgspec
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.silence import (
    FACTOR,
    HIGHEST_SECS,
    LEARNED_AFTER,
    REMEMBERED,
    Bounds,
    LearnedIntervals,
    SilenceLimit,
)

UNLEARNED_SECS, LOWEST_SECS = 40.0, 25.0


def rhythm_of(*intervals_secs: float) -> SilenceLimit:
    rhythm = SilenceLimit(Bounds(UNLEARNED_SECS, LOWEST_SECS), LearnedIntervals())
    for interval_secs in intervals_secs:
        rhythm.note(interval_secs)
    return rhythm


def test_the_given_limit_holds_until_one_is_learned() -> None:
    assert rhythm_of().limit_secs == UNLEARNED_SECS
    assert rhythm_of(*[1.0] * (LEARNED_AFTER - 1)).limit_secs == UNLEARNED_SECS


def test_a_frequent_stream_is_silent_sooner() -> None:
    assert rhythm_of(*[1.0] * LEARNED_AFTER).limit_secs == LOWEST_SECS
    assert rhythm_of(*[8.0] * LEARNED_AFTER).limit_secs == FACTOR * 8.0


def test_a_quiet_stream_is_known_as_one_after_its_first_interval() -> None:
    assert rhythm_of(600.0).limit_secs == FACTOR * 600.0


def test_no_silence_may_last_longer_than_the_highest_limit() -> None:
    assert rhythm_of(HIGHEST_SECS).limit_secs == HIGHEST_SECS


def test_an_outage_at_most_doubles_the_limit_and_is_forgotten() -> None:
    rhythm = rhythm_of(*[10.0] * 20)
    rhythm.note(50_000.0)
    assert rhythm.limit_secs == 2 * FACTOR * 10.0
    for _ in range(2 * REMEMBERED):
        rhythm.note(10.0)
    assert rhythm.limit_secs == FACTOR * 10.0


def test_a_stream_that_slows_down_for_good_gets_a_longer_limit() -> None:
    rhythm = rhythm_of(*[1.0] * 100)
    intervals = 0
    while rhythm.limit_secs < 600.0:
        rhythm.note(600.0)
        intervals += 1
    assert intervals <= 6


@given(st.lists(st.floats(0, 1e9)))
def test_the_limit_is_always_within_its_bounds(intervals_secs: list[float]) -> None:
    assert LOWEST_SECS <= rhythm_of(*intervals_secs).limit_secs <= HIGHEST_SECS


@given(st.lists(st.floats(0, 100)), st.floats(0, 1e6))
def test_an_interval_just_seen_may_come_again(intervals_secs: list[float], interval_secs: float) -> None:
    rhythm = rhythm_of(*intervals_secs)
    previous_longest_secs = rhythm.limit_secs
    rhythm.note(interval_secs)
    assert rhythm.limit_secs >= min(FACTOR * interval_secs, 2 * previous_longest_secs, HIGHEST_SECS) * (1 - 1e-9)


@given(st.lists(st.floats(0, 1_000), max_size=200), st.lists(st.floats(0, 1_000), max_size=20))
def test_a_limit_restored_from_learned_intervals_is_the_same(
    previous_longest_secs: list[float], after_secs: list[float]
) -> None:
    whole = rhythm_of(*previous_longest_secs)
    part = SilenceLimit(Bounds(UNLEARNED_SECS, LOWEST_SECS), whole.learned)
    assert part.limit_secs == whole.limit_secs
    part = SilenceLimit(
        Bounds(UNLEARNED_SECS, LOWEST_SECS),
        msgspec.msgpack.decode(msgspec.msgpack.encode(whole.learned), type=LearnedIntervals),
    )
    for interval_secs in after_secs:
        whole.note(interval_secs)
        part.note(interval_secs)
    assert part.limit_secs == whole.limit_secs
