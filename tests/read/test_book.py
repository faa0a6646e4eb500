"""A book rebuilt from snapshots and deltas."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.records import BookRow
from collector.read.books.book import NO_LEVEL, Applied, Book

Levels = dict[float, float]


def snapshot(last_id: int, bids: Levels | None = None, asks: Levels | None = None) -> BookRow:
    bids, asks = bids or {}, asks or {}
    return BookRow(None, last_id, None, True, tuple(bids), tuple(bids.values()), tuple(asks), tuple(asks.values()))


def delta(first_id: int, last_id: int, bids: Levels | None = None, asks: Levels | None = None) -> BookRow:
    return snapshot(last_id, bids, asks)._replace(first_id=first_id, is_snapshot=False)


def linked(previous_id: int, last_id: int, bids: Levels | None = None) -> BookRow:
    """A delta that names the one before it; its own first id leaves a hole, as futures' do."""
    return delta(last_id, last_id, bids)._replace(previous_id=previous_id)


@pytest.fixture
def book() -> Book:
    """A book at id 100."""
    made = Book()
    assert made.apply(snapshot(100, {9.0: 1.0, 8.5: 2.0}, {10.0: 3.0})) is Applied.REPLACED
    return made


def test_before_the_first_snapshot_there_is_no_book() -> None:
    book = Book()
    assert book.apply(delta(1, 5, {9.0: 1.0})) is Applied.NO_BOOK
    assert book.last_id is None
    assert book.best() == (NO_LEVEL, NO_LEVEL)


def test_a_delta_sets_sizes_and_removes_levels(book: Book) -> None:
    assert book.apply(delta(101, 105, {9.0: 0.0, 8.5: 4.0, 8.0: 1.0, 7.0: 0.0}, {9.5: 2.5})) is Applied.CHANGED
    assert book.last_id == 105
    assert book.best() == ((8.5, 4.0), (9.5, 2.5))
    assert (book.bids.top(9), book.asks.top(1)) == ([(8.5, 4.0), (8.0, 1.0)], [(9.5, 2.5)])


def test_deltas_contained_in_a_snapshot_are_dropped(book: Book) -> None:
    assert book.apply(delta(90, 100, {9.0: 7.0})) is Applied.STALE
    assert book.best()[0] == (9.0, 1.0)


def test_the_first_delta_after_a_snapshot_may_begin_before_it(book: Book) -> None:
    assert book.apply(delta(97, 103)) is Applied.CHANGED
    assert book.apply(delta(104, 104)) is Applied.CHANGED


def test_a_hole_breaks_the_book_until_the_next_snapshot(book: Book) -> None:
    assert book.apply(delta(102, 105)) is Applied.BROKEN
    assert book.last_id is None
    assert book.apply(delta(106, 110)) is Applied.NO_BOOK
    assert book.apply(snapshot(108, {7.0: 1.0})) is Applied.REPLACED
    assert book.best() == ((7.0, 1.0), NO_LEVEL)
    assert book.apply(delta(106, 110)) is Applied.CHANGED


def test_previous_id_links_deltas_if_the_exchange_sends_it(book: Book) -> None:
    assert book.apply(linked(100, 150)) is Applied.CHANGED
    assert book.apply(linked(150, 190)) is Applied.CHANGED
    assert book.apply(linked(191, 200)) is Applied.BROKEN


def test_only_a_newer_snapshot_replaces_the_book(book: Book) -> None:
    assert book.apply(snapshot(120, {1.0: 1.0})) is Applied.REPLACED
    assert book.bids.top(9) == [(1.0, 1.0)]
    assert book.apply(snapshot(110, {2.0: 1.0})) is Applied.STALE
    assert book.bids.top(9) == [(1.0, 1.0)]


@pytest.mark.parametrize("row", [delta(101, 101), snapshot(101)])
def test_a_number_that_could_not_be_read_breaks_the_book(book: Book, row: BookRow) -> None:
    assert book.apply(row._replace(ask_prices=(None,), ask_sizes=(1.0,))) is Applied.BROKEN
    assert book.last_id is None


prices = st.integers(1, 30).map(float)
sizes = st.integers(0, 3).map(float)


@given(st.lists(st.dictionaries(prices, sizes, max_size=6), min_size=1, max_size=20))
def test_after_any_changes_the_best_levels_come_in_order(changes: list[Levels]) -> None:
    book, bids = Book(), dict[float, float]()
    book.apply(snapshot(0))
    for number, change in enumerate(changes, start=1):
        assert book.apply(delta(number, number, change, change)) is Applied.CHANGED
        bids |= change
        left = {price: size for price, size in bids.items() if size}
        assert book.bids.top(100) == sorted(left.items(), reverse=True)
        assert book.asks.top(3) == sorted(left.items())[:3]


def without_ids(row: BookRow) -> BookRow:
    return row._replace(first_id=None, last_id=None)


def test_rows_without_ids_are_applied_as_they_come() -> None:
    book = Book()
    assert book.apply(without_ids(delta(1, 1, {9.0: 1.0}))) is Applied.NO_BOOK
    assert book.apply(without_ids(snapshot(1, {9.0: 1.0}, {10.0: 2.0}))) is Applied.REPLACED
    assert (book.exists, book.last_id) == (True, None)
    assert book.apply(without_ids(delta(1, 1, {9.0: 0.0, 8.0: 3.0}))) is Applied.CHANGED
    assert book.best() == ((8.0, 3.0), (10.0, 2.0))
    assert book.apply(without_ids(snapshot(1, {7.0: 1.0}))) is Applied.REPLACED
    assert book.best() == ((7.0, 1.0), NO_LEVEL)


def test_a_book_of_a_depth_forgets_the_levels_that_fall_out_of_it() -> None:
    book = Book(depth=2)
    book.apply(without_ids(snapshot(1, {9.0: 1.0, 8.0: 1.0}, {10.0: 1.0, 11.0: 1.0})))
    book.apply(without_ids(delta(1, 1, {8.5: 2.0}, {9.5: 2.0})))
    book.apply(without_ids(delta(1, 1, {9.0: 0.0}, {9.5: 0.0})))
    assert (book.bids.top(9), book.asks.top(9)) == ([(8.5, 2.0)], [(10.0, 1.0)])
