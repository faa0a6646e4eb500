"""A check of books against tickers finds the same in every form."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.domain.records import BookTickerRow
from collector.read.books import check as book_check
from collector.read.books.archive_rows import KeyedRow
from collector.read.books.best_prices import FastBestPrices, PlainBestPrices
from collector.read.books.book import Book
from collector.read.books.forms import Form
from tests.read.test_book_forms import Case, cases


def keyed(case: Case) -> list[KeyedRow]:
    """The rows that have an id, by series and id; the last third is of another series."""
    rows = [row for row in case[0] if row.row.last_id is not None]
    found = [
        KeyedRow((number > len(rows) * 2 // 3, row.row.last_id or 0), row.at_us, row.row)
        for number, row in enumerate(rows)
    ]
    return sorted(found, key=lambda one: one.key)


@st.composite
def tickers(draw: st.DrawFn, deltas: list[KeyedRow]) -> list[KeyedRow]:
    """Tickers of some updates, and of some that are none: most say what the book says, and some lie."""
    found, books = [], {False: Book(), True: Book()}
    for number, delta in enumerate(deltas):
        book = books[bool(delta.key[0])]
        book.apply(delta.row)
        is_last = number + 1 == len(deltas) or deltas[number + 1].key != delta.key
        if is_last and draw(st.booleans()):
            bid, ask = book.best()
            lie = draw(st.sampled_from([0.0, 0.0, 0.0, 1.0]))
            row = BookTickerRow(delta.key[1], bid[0] + lie, bid[1], ask[0], ask[1])
            update = delta.key[1] + draw(st.sampled_from([0, 0, 0, 1]))
            found += [KeyedRow((delta.key[0], update), delta.received_us, row)] * draw(st.integers(1, 2))
    return sorted(found, key=lambda one: one.key)


@settings(max_examples=100, deadline=None)
@given(cases(), st.data(), st.integers(1, 20))
def test_the_report_is_that_of_the_plain_form(form: Form, case: Case, data: st.DataObject, at_a_time: int) -> None:
    deltas = keyed(case)
    told = data.draw(tickers(deltas))
    plain = book_check.check(deltas, told, PlainBestPrices)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(book_check, "FOLLOWED_ROWS", at_a_time)
        found = book_check.check(deltas, told, lambda: FastBestPrices(form))
        again = book_check.check(deltas, told, PlainBestPrices)
    assert found == plain == again
    assert plain.tickers == plain.compared + plain.no_book + plain.no_counterpart == len(told)
