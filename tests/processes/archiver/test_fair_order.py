from hypothesis import given
from hypothesis import strategies as st

from collector.processes.archiver.fair_order import AHEAD, NEWEST_EVERY, newest_goes_next, next_to_stage


@given(st.integers(0, 1_000_000))
def test_of_turns_in_a_row_one_is_the_newests_and_the_others_the_oldests(turn: int) -> None:
    assert sum(newest_goes_next(turn + number) for number in range(NEWEST_EVERY)) == 1
    assert not newest_goes_next(0)


@given(st.lists(st.integers(0, 99), min_size=1, unique=True).map(sorted), st.integers(0, 99), st.integers(0, AHEAD + 3))
def test_few_are_made_ahead_and_only_ends_of_the_line_come_next(unstaged: list[int], turn: int, ahead: int) -> None:
    chosen = next_to_stage(turn, unstaged, ahead, newest_is_unstaged=True)
    assert chosen in {None, unstaged[0], unstaged[-1]}
    assert (chosen is None) == (ahead > AHEAD)


def test_the_segment_sealed_last_gets_the_seat_kept_for_it() -> None:
    assert next_to_stage(0, [1, 2, 9], AHEAD, newest_is_unstaged=True) == 9
    assert next_to_stage(0, [1, 2], AHEAD, newest_is_unstaged=False) is None
    assert next_to_stage(0, [], 0, newest_is_unstaged=False) is None


@given(st.integers(1, 300), st.integers(1, 6))
def test_however_long_the_line_is_what_came_last_is_done_within_its_share_of_turns(waiting: int, work: int) -> None:
    """Every set has `work` files; a new one comes while the line is long, and needs at most four turns for each."""
    line = [work] * waiting
    turns = 0
    while line and line[-1]:
        place = -1 if newest_goes_next(turns) else next(index for index, left in enumerate(line) if left)
        line[place] -= 1
        turns += 1
    assert turns <= work * NEWEST_EVERY
