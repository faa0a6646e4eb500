"""Typed rows of an exchange that is none of Binance's: numbers as JSON numbers, the taker's side by name."""

from array import array
from typing import Any, ClassVar, Generic, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.json import Decoder, encode

from collector.domain.records import BookRow, Lists, TradeRow
from collector.exchanges import typed_rows
from collector.exchanges.places import present
from collector.exchanges.row_tables import decimal_step, row_table
from collector.exchanges.typed_rows import BookHead, Read, RowReaders, book_columns, book_readers, number_readers
from tests.exchanges.rows import TypedRow, as_rows

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
    columns = staticmethod(typed_rows.trade_columns)


class RestTrade(Struct, Generic[Number_co]):
    price: Number_co
    size: Number_co
    id: int
    taker: str

    kind: ClassVar = None
    numbers: ClassVar = ("price", "size")
    sides: ClassVar = ()
    columns = staticmethod(typed_rows.trade_columns)

    @property
    def side(self) -> str:
        return self.taker


class Book(Struct, Generic[Side_co]):
    seq: int
    bids: Side_co
    asks: Side_co

    numbers: ClassVar = ()
    sides: ClassVar = ("bids", "asks")
    columns = staticmethod(book_columns)

    def head(self) -> BookHead:
        return None, self.seq, self.seq - 1, False


def new_reader(message: Any, **options: Any) -> Read:
    return Decoder(message, **options).decode


TRADES = number_readers(Trade, new_reader)
REST_TRADES = number_readers(RestTrade, new_reader)
BOOKS = book_readers(Book, new_reader)


def trade(price: str) -> bytes:
    return b'{"id":7,"price":%s,"size":2.50,"side":"buy"}' % price.encode()


def rows(data_type: str, readers: RowReaders, *payloads: bytes, fallback: RowReaders | None = None) -> list[Any]:
    found: list[TypedRow | None] = as_rows(data_type, len(payloads), typed_rows.columns(readers, payloads, fallback))
    return found


@pytest.mark.parametrize(
    ("price", "double"),
    [("0.1", 0.1), ('"0.1"', 0.1), ("1e999", None), ('"1e999"', None), ('"NaN"', None), ("null", None), ("[]", None)],
)
def test_a_number_that_is_not_a_finite_decimal_is_null(price: str, double: float | None) -> None:
    assert rows("trade", TRADES, trade(price)) == [TradeRow("7", double, 2.5, "buy", None, None)]


def test_an_absent_side_is_empty_and_a_bad_level_is_null() -> None:
    payload = b'{"seq":5,"bids":[[1.5,2],["x",3]],"asks":[]}'
    assert rows("book_delta", BOOKS, payload) == [BookRow(None, 5, 4, False, (1.5, None), (2.0, 3.0), (), ())]


def test_levels_of_many_messages_stand_end_to_end_as_doubles() -> None:
    payloads = [b'{"seq":5,"bids":[[1.5,2]],"asks":[]}', b'{"seq":6,"bids":[[3,4],[5,6]],"asks":[[7,8]]}']
    found = typed_rows.columns(BOOKS, payloads)
    assert found.untyped == []
    assert found.columns[:4] == ([None, None], [5, 6], [4, 5], [False, False])
    assert found.columns[4:] == (
        Lists([1, 2], array("d", [1.5, 3, 5])),
        Lists([1, 2], array("d", [2, 4, 6])),
        Lists([0, 1], array("d", [7])),
        Lists([0, 1], array("d", [8])),
    )


def test_books_of_any_number_of_levels_keep_every_level_in_its_place() -> None:
    sizes = (0, 1, 700, 3_000, 0, 2)
    levels = [[(float(index), float(row)) for index in range(size)] for row, size in enumerate(sizes)]
    payloads = [encode({"seq": row, "bids": side, "asks": side[:1]}) for row, side in enumerate(levels)]
    bad = encode({"seq": 9, "bids": [("x", 1)], "asks": []})
    for some in (payloads, [*payloads, bad]):
        found = rows("book_delta", BOOKS, *some)
        assert [list(zip(row.bid_prices, row.bid_sizes, strict=True)) for row in found[:6]] == levels
        assert [len(row.ask_sizes) for row in found[:6]] == [min(size, 1) for size in sizes]


@pytest.mark.parametrize("readers", [TRADES, BOOKS])
def test_no_payload_has_a_row_where_none_is_a_message(readers: RowReaders) -> None:
    payloads = [b"[]", b"", b"\xff"]
    assert typed_rows.columns(readers, payloads).untyped == [0, 1, 2]
    assert all(
        not column or column == Lists([], array("d")) for column in typed_rows.columns(readers, payloads).columns
    )
    assert typed_rows.columns(readers, []).untyped == []


def test_an_empty_text_is_no_number_where_a_number_may_be_absent() -> None:
    rates = row_table("funding_rate", funding_rate="rate", predicted_rate="next?")
    payloads = [b'{"rate":"0.1","next":""}', b'{"rate":"","next":"0.2"}', b'{"rate":"0.3","next":"x"}']
    typed = typed_rows.columns(rates, payloads)
    assert typed.columns[:2] == ([0.1, None, 0.3], [None, 0.2, None])
    assert list(typed.unread) == [1, 2]
    assert [typed_rows.decimals(rates, one) for one in payloads] == [["0.1"], ["", "0.2"], ["0.3", "x"]]


def test_decimals_are_the_texts_as_sent() -> None:
    assert typed_rows.decimals(TRADES, trade("0.10")) == ["0.10", "2.50"]
    assert typed_rows.decimals(BOOKS, b'{"seq":5,"bids":[[1.50,2]],"asks":[]}') == ["1.50", "2"]


def test_a_payload_the_first_readers_refuse_is_tried_with_the_next() -> None:
    over_rest = b'{"id":8,"price":"x","size":"2","taker":"sell"}'
    assert rows("trade", TRADES, trade("1"), over_rest, b"[]", trade("2"), fallback=REST_TRADES) == [
        TradeRow("7", 1.0, 2.5, "buy", None, None),
        TradeRow("8", None, 2.0, "sell", None, None),
        None,
        TradeRow("7", 2.0, 2.5, "buy", None, None),
    ]
    assert typed_rows.decimals(TRADES, over_rest, REST_TRADES) == ["x", "2"]
    assert typed_rows.decimals(TRADES, b"[]", REST_TRADES) == []


def test_finite_numbers_with_a_sum_beyond_all_doubles_are_kept() -> None:
    first, second = rows("trade", TRADES, trade("1.7e308"), trade("1.7e308"))
    assert first == second == TradeRow("7", 1.7e308, 2.5, "buy", None, None)


PRICES = st.sampled_from(["1.5", '"2"', '"NaN"', "-1e999", '"1e400"', "null", '"x"', "1e308", "{}"])
SOME_TRADES = st.builds(trade, PRICES) | st.sampled_from(
    [b"[]", b"", b'{"id":1', b'{"id":1,"price":2,"size":3,"side":4}']
)
SOME_BOOKS = st.builds(
    lambda seq, bids, asks: b'{"seq":%d,"bids":[%b],"asks":[%b]}' % (seq, b",".join(bids), b",".join(asks)),
    st.integers(0, 9),
    *[st.lists(st.sampled_from([b"[1,2]", b'["3.5",null]', b'["NaN",1]', b"[1e308,1e308]", b"[1]"]), max_size=3)] * 2,
)


@given(st.lists(SOME_TRADES, max_size=8), st.lists(SOME_BOOKS, max_size=8))
def test_a_payload_becomes_the_same_row_alone_and_among_others(trades: list[bytes], books: list[bytes]) -> None:
    assert rows("trade", TRADES, *trades) == [row for one in trades for row in rows("trade", TRADES, one)]
    assert rows("book_delta", BOOKS, *books) == [row for one in books for row in rows("book_delta", BOOKS, one)]


FRAMES = row_table("book_delta", last_id="data.u", is_snapshot="data.full?", bids="data.b", asks="data.a")
ANSWERS = row_table("book_delta", last_id="seq", is_snapshot=("seq", present), bids="bids", asks="asks")
EMPTY = ((), (), (), ())


def test_frames_and_answers_that_have_nothing_in_common_are_read_together_in_their_order() -> None:
    frame, answer = b'{"data":{"u":%d,"b":[],"a":[["1.5","2"]]}}', b'{"seq":%d,"bids":[["7","%s"]],"asks":[]}'
    read = rows(
        "book_delta", FRAMES, answer % (1, b"3"), frame % 2, frame % 3, b"{}", answer % (4, b"x"), fallback=ANSWERS
    )
    assert read == [
        BookRow(None, 1, None, True, (7.0,), (3.0,), (), ()),
        BookRow(None, 2, None, False, (), (), (1.5,), (2.0,)),
        BookRow(None, 3, None, False, (), (), (1.5,), (2.0,)),
        None,
        BookRow(None, 4, None, True, (7.0,), (None,), (), ()),
    ]


def test_payloads_that_are_nothing_have_no_rows() -> None:
    assert rows("book_delta", FRAMES, b"{}", b"[]", fallback=ANSWERS) == [None, None]


def test_a_book_is_a_snapshot_only_where_it_says_so() -> None:
    said, unsaid = (b'{"data":{"u":1,%s"b":[],"a":[]}}' % word for word in (b'"full":true,', b""))
    assert rows("book_delta", FRAMES, said, unsaid) == [
        BookRow(None, 1, None, True, *EMPTY),
        BookRow(None, 1, None, False, *EMPTY),
    ]


@pytest.mark.parametrize(
    ("digits", "step"), [(0, 1.0), (2, 0.01), (8, 1e-8), (300, 1e-300), (301, None), (-1, None), (float("nan"), None)]
)
def test_digits_behind_the_point_make_a_step(digits: float, step: float | None) -> None:
    assert decimal_step(digits) == step
