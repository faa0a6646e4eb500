"""Holes: which ids are missing, when a hole becomes a gap, and how it fills."""

from hypothesis import given
from hypothesis import strategies as st

from collector.domain.gap_stretches import SINGLE_ROWS, STRETCH_SECS, RowAllowance
from collector.domain.records import StreamKey
from collector.domain.sequence.hole import REFUSED, STRETCH_HOLES, STRETCH_LONGEST_SECS, DueRow, Hole
from collector.domain.sequence.hole_rules import MAX_HOLES, REORDER_SECS, Finder, forget, settle
from collector.domain.steps_back import MOST_US

KEY = StreamKey("binance", "BTCUSDT", "trade")
SEC_US = 1_000_000
REORDER_US = int(REORDER_SECS * SEC_US)
LATER_US = REORDER_US + 100


def hole(first: int, last: int, *, cause: str = "exchange") -> Hole:
    return Hole(first, last + 1, 50, 100, cause, [(first, last)])


def test_a_hole_is_a_gap_once_the_reorder_window_is_over() -> None:
    holes = [hole(5, 9)]
    assert settle(holes, RowAllowance(), 0, LATER_US - 1, all_due=False) == []
    (found,) = settle(holes, RowAllowance(), 0, LATER_US, all_due=False)
    row = found.row(KEY, LATER_US, chained=False)
    assert (row.kind, row.cause, row.expected_id, row.actual_id, row.missing) == ("sequence", "exchange", "5", "10", 5)
    assert (row.started_at, row.ended_at, row.status, row.detected_at) == (50, 100, "open", LATER_US)
    assert settle(holes, RowAllowance(), 0, LATER_US, all_due=True) == []


def test_a_clock_set_back_far_makes_a_hole_due_at_once() -> None:
    assert settle([hole(5, 9)], RowAllowance(), 0, 99, all_due=False) == []
    assert len(settle([hole(5, 9)], RowAllowance(), 0, 99 - MOST_US, all_due=False)) == 1


def test_a_hole_that_fills_in_time_leaves_no_row() -> None:
    holes = [hole(5, 6)]
    assert holes[0].fill(5, 5, 100)
    assert holes[0].fill(6, 6, 100)
    assert settle(holes, RowAllowance(), 0, LATER_US, all_due=True) == []
    assert holes == []


def test_a_refused_hole_has_no_row_of_its_own() -> None:
    holes = [hole(5, 9, cause=REFUSED)]
    assert settle(holes, RowAllowance(), 0, LATER_US, all_due=True) == []
    assert holes[0].fill(7, 7, 100)
    assert settle(holes, RowAllowance(), 0, LATER_US, all_due=True) == []


def test_rows_of_one_hole_share_an_id_and_ascend_in_detected_at() -> None:
    holes = [hole(5, 6)]
    rows = [found.row(KEY, 100, chained=False) for found in settle(holes, RowAllowance(), 0, LATER_US, all_due=True)]
    holes[0].fill(5, 6, 100)
    rows += [
        found.row(KEY, LATER_US, chained=False) for found in settle(holes, RowAllowance(), 0, LATER_US, all_due=False)
    ]
    assert [row.status for row in rows] == ["open", "repaired"]
    assert rows[0].gap_id == rows[1].gap_id
    assert rows[0].detected_at < rows[1].detected_at


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), max_size=30))
def test_what_is_missing_is_what_did_not_come(fills: list[tuple[int, int]]) -> None:
    gap = hole(10, 30)
    came: set[int] = set()
    for first, more in fills:
        before = gap.missing
        changed = gap.fill(first, first + more, 100)
        came |= set(range(first, first + more + 1))
        assert changed == (gap.missing < before)
        assert gap.missing == len(set(range(10, 31)) - came)
    assert {n for first, last in gap.parts for n in range(first, last + 1)} == set(range(10, 31)) - came


def test_a_chained_gap_has_the_exchanges_ids_and_no_count() -> None:
    (found,) = settle([hole(101, 149)], RowAllowance(), 0, LATER_US, all_due=False)
    row = found.row(KEY, LATER_US, chained=True)
    assert (row.expected_id, row.actual_id, row.missing) == ("100", "149", None)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=30), st.data())
def test_the_finder_finds_every_hole_also_inside_a_stretch(runs: list[tuple[int, int]], data: st.DataObject) -> None:
    holes, next_id = [], 1
    for there, lost in runs:
        holes.append(hole(next_id + there, next_id + there + lost - 1))
        next_id += there + lost
    if holes:
        at = data.draw(st.integers(0, len(holes) - 1))
        for joins in sorted(data.draw(st.sets(st.integers(at, len(holes) - 1), max_size=5)) - {at}):
            holes[at].join(holes[joins])
    first = data.draw(st.integers(0, next_id))
    last = data.draw(st.integers(first, next_id))
    hit = [each for each in holes if any(part[0] <= last and part[1] >= first for part in each.parts)]
    found = Finder(holes).touched(first, last)
    assert [each for each in found if each.fill(first, last, 0)] == hit


def statuses(holes: list[Hole]) -> list[tuple[str, str | None]]:
    return [(found.status, found.repaired_by) for found in settle(holes, RowAllowance(), 0, LATER_US, all_due=True)]


def test_a_hole_filled_over_rest_gets_one_row_for_all_pages() -> None:
    holes = [hole(5, 7)]
    assert statuses(holes) == [("open", None)]
    for missing in (5, 6):
        assert holes[0].backfill(missing, missing)
        assert statuses(holes) == []
    assert holes[0].backfill(7, 7)
    assert not holes[0].backfill(7, 7)
    assert statuses(holes) == [("repaired", "rest")]
    assert holes == []


def test_ids_that_cannot_be_fetched_leave_a_final_row() -> None:
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
    holes[0].fill(5, 5, 100)
    assert statuses(holes) == [("partly_repaired", "late")]
    holes[0].fill(6, 6, 100)
    assert statuses(holes) == [("repaired", "late")]


def test_late_messages_into_a_large_hole_make_one_row_when_they_pause() -> None:
    holes = [hole(1, 10**15)]
    statuses(holes)
    found: list[tuple[int, str, int]] = []

    def look(now_us: int) -> None:
        due_rows = settle(holes, RowAllowance(), 0, now_us, all_due=False)
        found.extend((now_us, due_row.status, due_row.hole.missing) for due_row in due_rows)

    for number in range(1, 5_001):
        assert holes[0].fill(number, number, number * 1_000)
        look(number * 1_000)
    quiet_us = 5_000_000 + REORDER_US
    look(quiet_us - 1)
    assert found == []
    look(quiet_us)
    look(quiet_us + 1)
    assert holes[0].fill(5_001, 10**15, quiet_us + 2)
    look(quiet_us + 2)
    assert found == [(quiet_us, "partly_repaired", 10**15 - 5_000), (quiet_us + 2, "repaired", 0)]


def test_a_clock_set_back_does_not_delay_the_row_of_a_late_message() -> None:
    holes = [hole(5, 9)]
    statuses(holes)
    holes[0].fill(5, 5, 10**9)
    assert [found.status for found in settle(holes, RowAllowance(), 0, 10**9 - 1 - MOST_US, all_due=False)] == [
        "partly_repaired"
    ]


def test_a_hole_that_keeps_filling_is_forgotten_like_any_other() -> None:
    holes = [hole(1, 10**15)]
    statuses(holes)
    for number in range(MAX_HOLES + 1):
        holes[0].fill(2 * number, 2 * number, number)
    (found,), behind = forget(holes, 0, MAX_HOLES)
    assert (found.status, found.hole.missing, behind) == ("partly_repaired", 10**15 - MAX_HOLES, 10**15 + 1)
    assert holes == []


def test_a_hole_filled_over_rest_before_its_row_is_due_still_gets_one() -> None:
    holes = [hole(5, 6)]
    holes[0].backfill(5, 6)
    assert [(found.status, found.repaired_by) for found in settle(holes, RowAllowance(), 0, 100, all_due=False)] == [
        ("repaired", "rest")
    ]


class Trouble:
    """A stream that loses every second id, one each `step_us`, and is checked after each."""

    def __init__(self, step_us: int) -> None:
        self.step_us = step_us
        self.holes: list[Hole] = []
        self.allowance = RowAllowance()
        self.now_us = 0
        self.found: list[tuple[bool, str, int]] = []
        """For each row: whether it lasts, its status, number of missing ids."""
        self.next_id = 1

    def lose(self, count: int = 1, *, cause: str = "exchange") -> None:
        for _ in range(count):
            since_us, self.now_us = self.now_us, self.now_us + self.step_us
            lost, self.next_id = self.next_id, self.next_id + 2
            self.holes.append(Hole(lost, lost + 1, since_us, self.now_us, cause, [(lost, lost)]))
            self.look()

    def look(self) -> list[DueRow]:
        due_rows = settle(self.holes, self.allowance, 0, self.now_us, all_due=False)
        rows = [due_row.row(KEY, self.now_us, chained=False) for due_row in due_rows]
        self.found += [(row.ended_at is None, row.status, row.missing or 0) for row in rows]
        return due_rows

    def rest(self, secs: float) -> list[DueRow]:
        self.now_us += round(secs * SEC_US)
        return self.look()


def test_lasting_trouble_is_some_rows_and_then_one_shared_row() -> None:
    trouble = Trouble(SEC_US // 10)
    trouble.lose(400)
    trouble.rest(REORDER_SECS)
    single = [(False, "open", 1)] * SINGLE_ROWS
    assert trouble.found == [*single, (True, "open", 1)]
    assert sum(hole.missing for hole in trouble.holes) == 400
    (closed,) = trouble.rest(STRETCH_SECS)
    assert trouble.found[SINGLE_ROWS:] == [(True, "open", 1), (False, "open", 400 - SINGLE_ROWS)]
    first, last = 2 * SINGLE_ROWS + 1, 2 * 400 - 1
    assert (closed.hole.first_id, closed.hole.next_id) == (first, last + 1)
    assert {first for first, _ in closed.hole.parts} == set(range(first, last + 1, 2))


def test_rows_of_a_stretch_share_an_id_and_ascend_in_detected_at() -> None:
    trouble = Trouble(SEC_US // 10)
    trouble.lose(SINGLE_ROWS + 1)
    (opened,) = (found.row(KEY, 0, chained=False) for found in trouble.rest(REORDER_SECS) if found.hole.lasts)
    (closed,) = (found.row(KEY, trouble.now_us, chained=False) for found in trouble.rest(STRETCH_SECS + 1))
    assert opened.gap_id == closed.gap_id
    assert opened.detected_at < closed.detected_at
    assert opened.ended_at is None


def test_a_stretch_found_at_the_end_has_one_row() -> None:
    holes = [hole(first, first) for first in range(1, 2 * SINGLE_ROWS, 2)]
    holes += [hole(first, first) for first in range(1_001, 1_005, 2)]
    due_rows = settle(holes, RowAllowance(), 0, LATER_US, all_due=True)
    rows = [due_row.row(KEY, LATER_US, chained=False) for due_row in due_rows]
    assert [row.missing for row in rows] == [1] * SINGLE_ROWS + [2]
    assert not any(due_row.hole.lasts for due_row in due_rows)


def test_holes_far_from_one_another_have_a_row_each() -> None:
    trouble = Trouble(STRETCH_SECS * SEC_US // SINGLE_ROWS)
    trouble.lose(5 * SINGLE_ROWS)
    trouble.rest(REORDER_SECS)
    assert trouble.found == [(False, "open", 1)] * 5 * SINGLE_ROWS


def test_a_stretch_is_closed_before_it_is_too_long_to_be_requested() -> None:
    trouble = Trouble(SEC_US // 10)
    trouble.lose(4 * MAX_HOLES)
    trouble.rest(REORDER_SECS)
    trouble.rest(STRETCH_SECS)
    closed = [missing for lasts, _, missing in trouble.found[SINGLE_ROWS:] if not lasts]
    assert sum(closed) == 4 * MAX_HOLES - SINGLE_ROWS
    assert max(closed) == STRETCH_HOLES
    trouble = Trouble(SEC_US // 10)
    trouble.lose(SINGLE_ROWS + 1)
    trouble.step_us = 30 * SEC_US
    trouble.lose(2 * STRETCH_LONGEST_SECS // 30)
    closed = [missing for lasts, _, missing in trouble.found[SINGLE_ROWS:] if not lasts]
    assert closed[0] == 1 + STRETCH_LONGEST_SECS // 30


def test_late_messages_into_a_stretch_count_when_it_is_closed() -> None:
    trouble = Trouble(SEC_US // 10)
    trouble.lose(SINGLE_ROWS + 4)
    trouble.rest(REORDER_SECS)
    (stretch,) = (hole for hole in trouble.holes if hole.lasts)
    assert stretch.fill(2 * SINGLE_ROWS + 3, 2 * SINGLE_ROWS + 3, 100)
    assert trouble.look() == []
    trouble.rest(STRETCH_SECS + 1)
    assert trouble.found[-1] == (False, "open", 3)
    assert stretch.fill(2 * SINGLE_ROWS + 1, trouble.next_id, 100)
    assert [(found.status, found.repaired_by) for found in trouble.look()] == [("repaired", "late")]


def test_a_filled_stretch_is_repaired_when_it_is_closed() -> None:
    trouble = Trouble(SEC_US // 10)
    trouble.lose(SINGLE_ROWS + 2)
    trouble.rest(REORDER_SECS)
    (stretch,) = (hole for hole in trouble.holes if hole.lasts)
    assert stretch.backfill(stretch.first_id, stretch.next_id)
    assert trouble.look() == []
    assert [(found.status, found.repaired_by) for found in trouble.rest(STRETCH_SECS + 1)] == [("repaired", "rest")]
    assert stretch not in trouble.holes


def test_a_stretch_of_a_series_that_ended_is_closed_with_it() -> None:
    trouble = Trouble(SEC_US // 10)
    trouble.lose(SINGLE_ROWS + 2)
    trouble.rest(REORDER_SECS)
    for hole in trouble.holes:
        hole.end()
    assert trouble.look()
    assert trouble.found[-1] == (False, "unrepairable", 2)


def test_a_later_row_has_a_later_detected_at_though_the_clock_steps_back() -> None:
    holes = [hole(5, 6)]
    (found,) = settle(holes, RowAllowance(), 0, LATER_US, all_due=True)
    opened = found.row(KEY, 10**9, chained=False)
    holes[0].fill(5, 6, 100)
    (found,) = settle(holes, RowAllowance(), 0, LATER_US, all_due=True)
    closed = found.row(KEY, LATER_US, chained=False)
    assert opened.gap_id == closed.gap_id
    assert closed.detected_at > opened.detected_at
