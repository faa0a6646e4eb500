from hypothesis import given
from hypothesis import strategies as st

from collector.simulator.book import Book, Side

CHANGES = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 5)))


@given(CHANGES, st.sampled_from([-1, 1]))
def test_a_side_is_a_sorted_map_of_the_last_size_at_each_price(changes: list[tuple[int, int]], sign: int) -> None:
    side, model = Side(sign), dict[int, int]()
    for price, size in changes:
        side.set(price, size)
        model[price] = size
    expected = sorted(((p, s) for p, s in model.items() if s), key=lambda level: sign * level[0])
    assert side.top(100) == expected
    assert len(side) == len(expected)


@given(CHANGES)
def test_changes_hold_each_touched_price_once_with_its_size_now(changes: list[tuple[int, int]]) -> None:
    book = Book(update_id=7)
    for price, size in changes:
        book.set(book.asks, price, size)
    taken = book.take_changes()
    assert (taken is None) == (not changes)
    if taken is not None:
        assert taken.asks == sorted(dict(changes).items())
        assert (taken.first_id, taken.last_id) == (8, 7 + len(changes))


def test_changes_link_across_skipped_ids_and_are_taken_once() -> None:
    book = Book(update_id=100)
    book.skip(9)
    book.set(book.bids, 5, 1)
    first = book.take_changes()
    assert first is not None
    assert (first.first_id, first.last_id) == (101, 110)
    assert book.take_changes() is None
    book.set(book.bids, 5, 0)
    second = book.take_changes()
    assert second is not None
    assert (second.first_id, second.last_id, second.bids) == (111, 111, [(5, 0)])
