from hypothesis import given
from hypothesis import strategies as st

from collector.processes.archiver.fair_order import AHEAD, NEWEST_EVERY, newest_goes_next, next_to_stage


@given(st.integers(0, 1_000_000))
def test_every_nth_turn_goes_to_the_newest_segment(turn: int) -> None:
    assert sum(newest_goes_next(turn + number) for number in range(NEWEST_EVERY)) == 1
    assert not newest_goes_next(0)


@given(st.lists(st.integers(0, 99), min_size=1, unique=True).map(sorted), st.integers(0, 99), st.integers(0, AHEAD + 3))
def test_only_the_oldest_or_newest_is_staged_and_few_ahead(unstaged: list[int], turn: int, ahead: int) -> None:
    chosen = next_to_stage(turn, unstaged, ahead, newest_is_unstaged=True)
    assert chosen in {None, unstaged[0], unstaged[-1]}
    assert (chosen is None) == (ahead > AHEAD)


def test_one_place_ahead_is_kept_for_the_newest_segment() -> None:
    assert next_to_stage(0, [1, 2, 9], AHEAD, newest_is_unstaged=True) == 9
    assert next_to_stage(0, [1, 2], AHEAD, newest_is_unstaged=False) is None
    assert next_to_stage(0, [], 0, newest_is_unstaged=False) is None


@given(st.integers(1, 300), st.integers(1, 6))
def test_the_newest_set_is_done_within_its_share_of_turns(waiting: int, work: int) -> None:
    """Every set has `work` files; a new one comes while the line is long, and needs at most four turns for each."""
    line = [work] * waiting
    turns = 0
    while line and line[-1]:
        place = -1 if newest_goes_next(turns) else next(index for index, left in enumerate(line) if left)
        line[place] -= 1
        turns += 1
    assert turns <= work * NEWEST_EVERY
