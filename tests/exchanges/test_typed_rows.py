"""Typed rows of an exchange that is none of Binance's: numbers as JSON numbers, the taker's side by name."""

from typing import Any, ClassVar, Generic, TypeVar

import pytest
from msgspec import Struct
from msgspec.json import Decoder

from collector.domain.records import BookRow, TradeRow
from collector.exchanges import typed_rows
from collector.exchanges.typed_rows import Read, book_readers, book_row, trade_readers, trade_row

Number_co = TypeVar("Number_co", covariant=True)
Side_co = TypeVar("Side_co", covariant=True)


class Trade(Struct, Generic[Number_co]):
    id: int
    price: Number_co
    size: Number_co
    side: str

    kind: ClassVar = None
    numbers: ClassVar = ("price", "size")
    sides: ClassVar = ()

    row = trade_row


class Book(Struct, Generic[Side_co]):
    seq: int
    bids: Side_co
    asks: Side_co

    numbers: ClassVar = ()
    sides: ClassVar = ("bids", "asks")

    def row(self: "Book[Any]") -> BookRow:
        return book_row(None, self.seq, self.seq - 1, False, self.bids, self.asks)


def new_reader(message: Any, **options: Any) -> Read:
    return Decoder(message, **options).decode


TRADES = trade_readers(Trade, new_reader)
BOOKS = book_readers(Book, new_reader)


def trade(price: str) -> bytes:
    return b'{"id":7,"price":%s,"size":2.50,"side":"buy"}' % price.encode()


@pytest.mark.parametrize(
    ("price", "double"),
    [("0.1", 0.1), ('"0.1"', 0.1), ("1e999", None), ('"1e999"', None), ('"NaN"', None), ("null", None), ("[]", None)],
)
def test_a_number_that_is_not_a_finite_decimal_is_null(price: str, double: float | None) -> None:
    assert typed_rows.rows(TRADES, [trade(price)]) == [TradeRow("7", double, 2.5, "buy", None, None)]


def test_an_absent_side_is_empty_and_a_bad_level_is_null() -> None:
    payload = b'{"seq":5,"bids":[[1.5,2],["x",3]],"asks":[]}'
    assert typed_rows.rows(BOOKS, [payload]) == [BookRow(None, 5, 4, False, (1.5, None), (2.0, 3.0), (), ())]


def test_decimals_are_the_texts_as_sent() -> None:
    assert typed_rows.decimals(TRADES, trade("0.10")) == ["0.10", "2.50"]
    assert typed_rows.decimals(BOOKS, b'{"seq":5,"bids":[[1.50,2]],"asks":[]}') == ["1.50", "2"]


def test_a_payload_the_first_readers_refuse_is_tried_with_the_next() -> None:
    payloads = [trade("1"), b'{"seq":5,"bids":[],"asks":[]}', b"[]"]
    (first, second, third) = typed_rows.rows(TRADES, payloads, BOOKS)
    assert isinstance(first, TradeRow)
    assert isinstance(second, BookRow)
    assert third is None
    assert typed_rows.decimals(TRADES, b"[]", BOOKS) == []
