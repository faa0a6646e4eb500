"""What an edge gives up it records until whoever gets it brings it; what it gets it begins at once."""

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.domain.sharing import Share, View, alone
from collector.processes.cluster.moves import LEAST, MOST, Moves
from tests.processes.cluster.rules import view

DEAD_SECS = 3.0
SYMBOLS = [f"S{number}" for number in range(60)]
LATER = LEAST * DEAD_SECS
LATEST = MOST * DEAD_SECS


def of(share: Share) -> set[str]:
    return set(share.of("f", SYMBOLS))


def settled(edge: str, given: View) -> Moves:
    """An edge that has that view since long."""
    moves = Moves(edge, None, DEAD_SECS)
    moves.follow(given, given.members, (), 0.0)
    assert moves.follow(given, given.members, (), 10_000.0) == Share(edge, given)
    return moves


def test_the_symbols_of_a_member_that_is_gone_are_begun_at_once() -> None:
    both, now = view("a", "b"), 20_000.0
    moves = settled("a", both)
    assert of(moves.follow(view("a"), (), (), now)) == set(SYMBOLS)


def test_what_a_returned_member_gets_is_held_until_it_is_ready() -> None:
    both, now = view("a", "b"), 20_000.0
    moves = settled("a", view("a"))
    for waited in (0.0, LATER, LATEST - 1):
        assert of(moves.follow(both, (), (), now + waited)) == set(SYMBOLS)
    assert moves.follow(both, ("b",), (), now + LATEST - 0.5) == Share("a", both)


def test_a_member_that_never_says_that_it_is_ready_gets_its_symbols_after_a_while() -> None:
    both, now = view("a", "b"), 20_000.0
    moves = settled("a", view("a"))
    moves.follow(both, (), (), now)
    assert moves.follow(both, (), (), now + LATEST) == Share("a", both)


def test_of_two_members_that_get_symbols_the_ready_one_waits_for_nobody() -> None:
    everybody, now = view("a", "b", "c"), 20_000.0
    moves = settled("a", view("a"))
    moves.follow(everybody, (), (), now)
    kept = of(moves.follow(everybody, ("b",), (), now + LATER))
    owned = {owner: {s for s in SYMBOLS if everybody.owners("f", s) == (owner,)} for owner in "abc"}
    assert kept == owned["a"] | owned["c"]


def test_a_member_that_flickers_moves_nothing() -> None:
    both, one, now = view("a", "b"), view("a"), 20_000.0
    moves = settled("a", both)
    for beat in range(10):
        moves.follow(one if beat % 2 == 0 else both, ("b",), (), now + beat)
        if beat:
            assert of(moves.follow(one if beat % 2 == 0 else both, ("b",), (), now + beat)) == set(SYMBOLS)


def test_an_edge_that_begins_holds_everything_that_its_ingests_record() -> None:
    moves = Moves("a", None, DEAD_SECS)
    both = view("a", "b")
    assert of(moves.follow(both, (), (), 5.0)) == set(SYMBOLS)
    assert moves.follow(both, ("b",), (), 5.0 + LATER) == Share("a", both)


def test_a_new_process_goes_on_with_the_share_of_the_one_before() -> None:
    both = view("a", "b")
    before = Share("a", both, held=(alone("a"),))
    share = Moves("a", before, DEAD_SECS).follow(both, (), (), 5.0)
    assert share == before


@settings(max_examples=30)
@given(
    st.lists(
        st.sampled_from([("a",), ("a", "b"), ("a", "c"), ("a", "b", "c"), ("a", "d"), ("a", "b", "d")]), max_size=5
    )
)
def test_however_members_come_and_go_nothing_is_dropped_before_its_time(names: list[tuple[str, ...]]) -> None:
    moves, now = settled("a", view("a", "b")), 20_000.0
    recorded = of(moves.follow(view("a", "b"), (), (), now))
    for each in names:
        now += 0.1
        share = moves.follow(view(*each), ("b", "c", "d"), (), now)
        assert of(share) >= recorded
        assert len(share.held) <= 3
        recorded = of(share)


def test_a_feed_that_is_chosen_differently_is_recorded_whole_until_the_others_are_ready_again() -> None:
    both, now = view("a", "b"), 20_000.0
    moves = settled("a", both)
    assert moves.follow(both, ("b",), ("f",), now).whole == ("f",)
    assert moves.follow(both, (), (), now + 1).whole == ("f",)
    assert moves.follow(both, (), (), now + 1 + LATER).whole == ("f",)
    assert moves.follow(both, ("b",), (), now + 2 + LATER).whole == ()
