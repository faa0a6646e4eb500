"""Several workers never wait at the end for one that began a long test last."""

import pytest

from tests.shares import in_shares

SLOW = [f"{file}{number}" for file, count in (("a", 7), ("b", 2), ("c", 4), ("d", 3)) for number in range(count)]
QUICK = [f"q{number}" for number in range(101)]


def slow_file_of(test: str) -> str | None:
    return None if test.startswith("q") else test[0]


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_each_worker_begins_with_slow_tests_and_ends_with_quick_ones(workers: int) -> None:
    ordered = in_shares([*QUICK, *SLOW], slow_file_of, workers, frozenset("b"))
    left, kinds = list(ordered), []
    for number in range(workers):
        size = len(left) // (workers - number)
        share, left = left[:size], left[size:]
        kinds.append("".join("q" if slow_file_of(test) is None else "s" for test in share))
    assert [(kind.lstrip("s").strip("q"), kind[0], kind[-1]) for kind in kinds] == [("", "s", "q")] * workers
    assert max(kind.count("s") for kind in kinds) <= max(7, len(SLOW) // workers + 4)
    assert sorted(ordered) == sorted([*QUICK, *SLOW])
    assert ordered[:2] == ["b0", "b1"], "the longest come first"


def test_the_tests_of_a_slow_file_stay_together_in_their_order() -> None:
    ordered = in_shares([*QUICK, *SLOW], slow_file_of, 3, frozenset())
    for file in "abcd":
        own = [test for test in ordered if test.startswith(file)]
        start = ordered.index(own[0])
        assert ordered[start : start + len(own)] == own == sorted(own)


def test_nothing_is_left_out_where_most_tests_are_slow() -> None:
    assert sorted(in_shares([*SLOW, "q0"], slow_file_of, 5, frozenset("c"))) == sorted([*SLOW, "q0"])
    assert in_shares([], slow_file_of, 4, frozenset()) == []
