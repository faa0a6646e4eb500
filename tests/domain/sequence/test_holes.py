"""Holes: what is missing, when it is a gap, and how it fills."""

from hypothesis import given
from hypothesis import strategies as st

from collector.domain.records import StreamKey
from collector.domain.sequence.holes import REFUSED, REORDER_SECS, Hole, settle

KEY = StreamKey("binance", "BTCUSDT", "trade")
LATER_US = int(REORDER_SECS * 1_000_000) + 100


def hole(first: int, last: int, *, cause: str = "exchange") -> Hole:
    return Hole(first, last + 1, 50, 100, cause, [(first, last)])


def test_a_hole_is_a_gap_once_the_reorder_window_is_over() -> None:
    holes = [hole(5, 9)]
    assert settle(holes, 0, LATER_US - 1, all_due=False) == []
    (found,) = settle(holes, 0, LATER_US, all_due=False)
    row = found.row(KEY, LATER_US, chained=False)
    assert (row.kind, row.cause, row.expected_id, row.actual_id, row.missing) == ("sequence", "exchange", "5", "10", 5)
    assert (row.started_at, row.ended_at, row.status, row.detected_at) == (50, 100, "open", LATER_US)
    assert settle(holes, 0, LATER_US, all_due=True) == []


def test_a_clock_set_back_makes_a_hole_due_at_once() -> None:
    assert len(settle([hole(5, 9)], 0, 99, all_due=False)) == 1


def test_a_hole_that_fills_in_time_leaves_no_row() -> None:
    holes = [hole(5, 6)]
    assert holes[0].fill(5, 5)
    assert holes[0].fill(6, 6)
    assert settle(holes, 0, LATER_US, all_due=True) == []
    assert holes == []


def test_a_refused_hole_has_no_row_of_its_own() -> None:
    holes = [hole(5, 9, cause=REFUSED)]
    assert settle(holes, 0, LATER_US, all_due=True) == []
    assert holes[0].fill(7, 7)
    assert settle(holes, 0, LATER_US, all_due=True) == []


def test_rows_of_one_hole_share_an_id_and_the_later_is_detected_later() -> None:
    holes = [hole(5, 6)]
    rows = [found.row(KEY, 100, chained=False) for found in settle(holes, 0, LATER_US, all_due=True)]
    holes[0].fill(5, 6)
    rows += [found.row(KEY, LATER_US, chained=False) for found in settle(holes, 0, LATER_US, all_due=False)]
    assert [row.status for row in rows] == ["open", "repaired"]
    assert rows[0].gap_id == rows[1].gap_id
    assert rows[0].detected_at < rows[1].detected_at


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), max_size=30))
def test_what_is_missing_is_what_did_not_come(fills: list[tuple[int, int]]) -> None:
    gap = hole(10, 30)
    came: set[int] = set()
    for first, more in fills:
        before = gap.missing
        changed = gap.fill(first, first + more)
        came |= set(range(first, first + more + 1))
        assert changed == (gap.missing < before)
        assert gap.missing == len(set(range(10, 31)) - came)
    assert {n for first, last in gap.parts for n in range(first, last + 1)} == set(range(10, 31)) - came


def test_chained_ids_are_told_as_the_exchange_tells_them_and_missing_is_unknown() -> None:
    (found,) = settle([hole(101, 149)], 0, LATER_US, all_due=False)
    row = found.row(KEY, LATER_US, chained=True)
    assert (row.expected_id, row.actual_id, row.missing) == ("100", "149", None)


def statuses(holes: list[Hole]) -> list[tuple[str, str | None]]:
    return [(found.status, found.repaired_by) for found in settle(holes, 0, LATER_US, all_due=True)]


def test_a_hole_that_fills_over_rest_gets_one_row_however_many_pages_it_took() -> None:
    holes = [hole(5, 7)]
    assert statuses(holes) == [("open", None)]
    for missing in (5, 6):
        assert holes[0].backfill(missing, missing)
        assert statuses(holes) == []
    assert holes[0].backfill(7, 7)
    assert not holes[0].backfill(7, 7)
    assert statuses(holes) == [("repaired", "rest")]
    assert holes == []


def test_what_does_not_come_over_rest_is_unrepairable_or_partly_repaired() -> None:
    holes = [hole(5, 7), hole(15, 17)]
    statuses(holes)
    holes[1].backfill(16, 16)
    for each in holes:
        each.end()
        each.end()
    assert statuses(holes) == [("unrepairable", None), ("partly_repaired", "rest")]
    for each in holes:
        each.end()
    assert statuses(holes) == []


def test_a_hole_given_up_is_still_filled_by_what_comes_late() -> None:
    holes = [hole(5, 6)]
    holes[0].end()
    assert statuses(holes) == [("unrepairable", None)]
    holes[0].fill(5, 5)
    assert statuses(holes) == [("partly_repaired", "late")]
    holes[0].fill(6, 6)
    assert statuses(holes) == [("repaired", "late")]


def test_a_hole_that_fills_over_rest_before_its_row_is_due_has_one_all_the_same() -> None:
    holes = [hole(5, 6)]
    holes[0].backfill(5, 6)
    assert [(found.status, found.repaired_by) for found in settle(holes, 0, 100, all_due=False)] == [
        ("repaired", "rest")
    ]
