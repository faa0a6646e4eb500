"""A book of text levels: what checksums are made of."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.text_book import TextBook

PRICES = st.decimals("0.5", "99.9", places=2).map(str)
SIZES = st.sampled_from(["0.00", "0", "1.50", "2.25"])


def test_levels_keep_their_text_and_zeros_remove_them() -> None:
    book = TextBook(10)
    book.apply([("9.00", "1.500"), ("8.50", "2")], [("10.0", "3.0")])
    book.apply([("9.00", "0.000"), ("8.75", "4.10")], [])
    assert book.bids.best(9) == [("8.75", "4.10"), ("8.50", "2")]
    assert book.asks.best(9) == [("10.0", "3.0")]


def test_levels_that_fall_out_of_the_depth_are_forgotten() -> None:
    book = TextBook(2)
    book.apply([("9", "1"), ("8", "1")], [])
    book.apply([("8.5", "1")], [])
    book.apply([("9", "0")], [])
    assert book.bids.best(9) == [("8.5", "1")]


@pytest.mark.parametrize("level", [("x", "1"), ("1", "")])
def test_what_is_no_number_is_refused(level: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="could not convert"):
        TextBook(2).apply([level], [])


@given(st.lists(st.tuples(PRICES, SIZES), max_size=40), st.integers(1, 5))
def test_a_side_is_what_a_sorted_dictionary_says(changes: list[tuple[str, str]], depth: int) -> None:
    book, plain = TextBook(depth), dict[Decimal, str]()
    for price, size in changes:
        book.apply([], [(price, size)])
        plain[Decimal(price)] = size
        plain = {known: one for known, one in sorted(plain.items()) if Decimal(one)}
        plain = dict(list(plain.items())[:depth])
        assert [(Decimal(known), one) for known, one in book.asks.best(depth)] == list(plain.items())
