"""Events for hftbacktest are in an order that both clocks keep, whatever the rows are."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.exports.event_order import ordered, settled
from collector.exports.events import AT_EXCHANGE, AT_LOCAL, EVENT, TRADE, is_trade

Times = list[tuple[int, int, bool]]

_ROWS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.booleans()), min_size=1, max_size=40)


def events(rows: Times) -> Any:
    """Events with those times (exchange, local, is a trade), as received; each has a price of its own."""
    made = np.zeros(len(rows), EVENT)
    for place, (exchange, local, of_trade) in enumerate(sorted(rows, key=lambda row: (row[1], not row[2]))):
        made[place]["exch_ts"], made[place]["local_ts"] = exchange, local
        made[place]["ev"] = TRADE if of_trade else 1
        made[place]["px"] = place
    return made


def stepwise(rows: Any) -> list[tuple[int, float]]:
    """What two pointers make of it, one in the order of each clock: marks and price."""
    by_exchange = sorted(range(len(rows)), key=lambda place: (rows[place]["exch_ts"], not is_trade(rows)[place]))
    locally = list(range(len(rows)))
    found = []
    while by_exchange or locally:
        first = rows[by_exchange[0]] if by_exchange else None
        second = rows[locally[0]] if locally else None
        keys = [None if one is None else (one["exch_ts"], one["local_ts"]) for one in (first, second)]
        if keys[0] == keys[1]:
            found.append((AT_EXCHANGE | AT_LOCAL, rows[by_exchange.pop(0)]["px"]))
            locally.pop(0)
        elif keys[1] is None or (keys[0] is not None and keys[0] < keys[1]):
            found.append((AT_EXCHANGE, rows[by_exchange.pop(0)]["px"]))
        else:
            found.append((AT_LOCAL, rows[locally.pop(0)]["px"]))
    return found


def marked(rows: Any) -> list[tuple[int, float]]:
    return [(int(row["ev"]) & (AT_EXCHANGE | AT_LOCAL), float(row["px"])) for row in rows]


@given(_ROWS)
def test_the_order_is_that_of_stepping_through_both_clocks(rows: Times) -> None:
    made = events(rows)
    assert marked(ordered(made)) == stepwise(made)


@given(_ROWS)
def test_neither_clock_steps_back_and_every_event_happens_once_in_each(rows: Times) -> None:
    made = events(rows)
    found = ordered(made)
    for mark, clock in ((AT_EXCHANGE, "exch_ts"), (AT_LOCAL, "local_ts")):
        own = found[found["ev"] & np.uint64(mark) != 0]
        assert (np.diff(own[clock]) >= 0).all()
        assert sorted(own["px"]) == sorted(made["px"])


@given(_ROWS)
def test_piece_by_piece_it_is_the_same_order(rows: Times) -> None:
    made = events(rows)
    pieces, held = [], made[:0]
    for place in range(0, len(made), 4):
        held = np.concatenate([held, made[place : place + 4]])
        rest = made[place + 4 :]
        count = settled(held, int(rest["exch_ts"].min()) if len(rest) else 1_000)
        if count:
            pieces.append(ordered(held[:count]))
        held = held[count:]
    assert not len(held)
    assert (np.concatenate(pieces) == ordered(made)).all()


def test_rows_that_both_clocks_order_alike_stand_once() -> None:
    made = events([(1, 2, False), (3, 4, True), (5, 6, False)])
    assert marked(ordered(made)) == [(AT_EXCHANGE | AT_LOCAL, price) for price in (0.0, 1.0, 2.0)]


@pytest.mark.parametrize("late", [0, 3])
def test_a_row_that_came_late_stands_twice(late: int) -> None:
    made = events([(5, 6, False), (late, 7, False), (8, 9, False)])
    assert marked(ordered(made)) == [
        (AT_EXCHANGE, 1.0), (AT_EXCHANGE | AT_LOCAL, 0.0), (AT_LOCAL, 1.0), (AT_EXCHANGE | AT_LOCAL, 2.0),
    ]  # fmt: skip
