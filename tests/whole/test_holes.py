"""A ledger is exact only if each row has the missing ids that are in it, and no missing id is in none."""

import pytest

from tests.whole.holes import Hole, Stream, Told, between, differences

TRADES = Stream("BTCUSDT", "trade")
LACKING = {TRADES: [Hole(5, 7), Hole(9, 10)]}


def test_holes_are_what_no_message_covers() -> None:
    assert between([Hole(1, 3), Hole(3, 4), Hole(4, 5), Hole(7, 9), Hole(10, 11)]) == LACKING[TRADES]


@pytest.mark.parametrize("rows", [[Told(Hole(5, 7), 2), Told(Hole(9, 10), 1)], [Told(Hole(5, 10), 3)]])
def test_a_row_for_each_hole_or_for_several_is_exact(rows: list[Told]) -> None:
    assert differences(LACKING, {TRADES: rows}) == []


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [Told(Hole(5, 7), 2)],
        [Told(Hole(5, 7), 1), Told(Hole(9, 10), 1)],
        [Told(Hole(5, 7), 2), Told(Hole(5, 7), 2), Told(Hole(9, 10), 1)],
        [Told(Hole(5, 7), 2), Told(Hole(9, 10), 1), Told(Hole(20, 21), 1)],
        [Told(Hole(5, 8), 3)],
    ],
)
def test_any_other_ledger_is_not(rows: list[Told]) -> None:
    assert differences(LACKING, {TRADES: rows}) != []


def test_a_row_where_nothing_is_missing_is_not_exact() -> None:
    assert differences({}, {TRADES: [Told(Hole(5, 6), 1)]}) != []
