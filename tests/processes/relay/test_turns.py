"""The oldest slice is taken first, and no edge is waited for in vain."""

import pytest

from collector.processes.relay.turns import CATCHING_UP_NS, PATIENCE_SECS, Turn, next_edge

NOW_NS = 100 * CATCHING_UP_NS
OLD_NS = 50 * CATCHING_UP_NS


def waiting(edge: str, first_ns: int, newest_ns: int = 1) -> Turn:
    return Turn(edge, first_ns, newest_ns, is_quiet=False)


def empty(edge: str, newest_ns: int, *, is_quiet: bool = False) -> Turn:
    return Turn(edge, None, newest_ns, is_quiet)


def test_the_oldest_is_next_and_nothing_if_nothing_waits() -> None:
    assert next_edge([waiting("a", 7), waiting("b", 5), waiting("c", 9)], NOW_NS, 0.0) == "b"
    assert next_edge([empty("a", 1)], NOW_NS, 9.0) is None


def test_an_edge_that_catches_up_is_waited_for_as_long_as_its_next_slice_may_be_on_its_way() -> None:
    turns = [waiting("a", OLD_NS), empty("b", OLD_NS - 1)]
    assert next_edge(turns, NOW_NS, 0.0) is None
    assert next_edge(turns, NOW_NS, PATIENCE_SECS) == "a"


@pytest.mark.parametrize(
    "other",
    [
        empty("b", OLD_NS - 1, is_quiet=True),
        empty("b", OLD_NS + 1),
        empty("b", NOW_NS - 1),
        empty("b", 0, is_quiet=True),
    ],
    ids=["at its end", "further already", "live", "without anything"],
)
def test_no_other_is_waited_for(other: Turn) -> None:
    assert next_edge([waiting("a", OLD_NS), other], NOW_NS, 0.0) == "a"


def test_what_says_that_a_file_ended_waits_for_nobody() -> None:
    assert next_edge([waiting("a", 0), empty("b", 1)], NOW_NS, 0.0) == "a"
