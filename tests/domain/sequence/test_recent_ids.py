"""What is remembered of the newest ids."""

from collections.abc import Sequence
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from collector.domain.sequence.recent_ids import Recent, packed

MIN_KEPT: Final = 5
IDS: Final = st.integers(0, 30) | st.integers(0, (1 << 63) - 1)


@given(st.dictionaries(IDS, st.just(packed(0, 7)), max_size=8), st.lists(IDS), st.sampled_from([0, 10_000_000]))
def test_an_id_has_the_value_it_came_with_last_until_its_generation_is_forgotten(
    kept: dict[int, int], ids: Sequence[int], min_age_us: int
) -> None:
    recent = Recent(kept, MIN_KEPT)
    for at_us, message_id in enumerate(ids):
        value = packed(at_us * 1_000_000, message_id & 7)
        if recent.add(message_id, value):
            recent.turn(at_us * 1_000_000, min_age_us)
        known = {**dict(recent.old.items()), **dict(recent.young.items())}
        assert known[message_id] == value
        for asked in (*ids, *kept):
            assert recent.get(asked) == known.get(asked)
        assert recent.has_none_of([message_id + 1]) == (message_id + 1 not in known)


def test_a_time_that_no_clock_should_tell_is_kept_as_the_nearest_possible() -> None:
    assert packed(-5_000_000, 7) == packed(0, 7) == 7
    last = packed(((1 << 32) - 1) * 1_000_000, 7)
    assert packed(1 << 62, 7) == last < 1 << 64
