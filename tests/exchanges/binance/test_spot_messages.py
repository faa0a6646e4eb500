"""Binance spot's typed rows: exact doubles, and no other number than the exchange sent."""

import math
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.domain.records import AggTradeRow, BookRow, BookTickerRow, TradeRow
from collector.exchanges.binance import Binance
from tests.exchanges import rows
from tests.exchanges.numbers import NOT_FINITE_DECIMALS, decimals, numbers_of
from tests.exchanges.rows import altered, assert_told_alike, payload, rows_of

adapter = Binance()

TRADE = {"e": "trade", "E": 5, "s": "BTCUSDT", "t": 7, "p": "64000.10", "q": "0.01", "T": 4, "m": True, "M": True}
AGG_TRADE = {"e": "aggTrade", "E": 5, "s": "BTCUSDT", "a": 77, "p": "64000.10", "q": "0.01", "f": 501, "l": 503, "T": 4,
             "m": True, "M": True}  # fmt: skip
DELTA = {"e": "depthUpdate", "E": 5, "s": "BTCUSDT", "U": 1001, "u": 1007, "b": [["9.5", "0.5"], ["9", "0.0"]], "a": []}
SNAPSHOT = {"lastUpdateId": 1007, "bids": [["9.5", "0.5"], ["9", "2"]], "asks": [["10", "1"], ["11.25", "3"]]}
TICKER = {"u": 1007, "s": "BTCUSDT", "b": "9.5", "B": "0.5", "a": "10", "A": "1"}
MESSAGES = {
    "trade": TRADE,
    "agg_trade": AGG_TRADE,
    "book_delta": DELTA,
    "book_snapshot": SNAPSHOT,
    "book_ticker": TICKER,
}


only_row = partial(rows.only_row, adapter)


def test_every_data_type_has_its_row() -> None:
    assert only_row("trade", TRADE) == TradeRow("7", 64000.1, 0.01, "sell", None, "market")
    assert only_row("agg_trade", AGG_TRADE) == AggTradeRow("77", 64000.1, 0.01, "sell", "501", "503")
    assert only_row("book_delta", DELTA) == BookRow(1001, 1007, None, False, (9.5, 9.0), (0.5, 0.0), (), ())
    assert only_row("book_snapshot", SNAPSHOT) == BookRow(
        None, 1007, None, True, (9.5, 9.0), (0.5, 2.0), (10.0, 11.25), (1.0, 3.0)
    )
    assert only_row("book_ticker", TICKER) == BookTickerRow(1007, 9.5, 0.5, 10.0, 1.0)


@pytest.mark.parametrize("data_type", ["trade", "agg_trade"])
def test_if_the_buyer_is_the_maker_the_taker_sold(data_type: str) -> None:
    assert only_row(data_type, {**MESSAGES[data_type], "m": True}).side == "sell"
    assert only_row(data_type, {**MESSAGES[data_type], "m": False}).side == "buy"


def test_a_book_side_without_levels_is_empty_and_not_null() -> None:
    row = only_row("book_delta", {**DELTA, "b": [], "a": []})
    assert row[4:] == ((), (), (), ())


def test_rows_are_in_the_order_of_their_payloads() -> None:
    rows = rows_of(adapter, "trade", [payload({**TRADE, "t": number}) for number in range(50)])
    assert [row.trade_id for row in rows if isinstance(row, TradeRow)] == [str(number) for number in range(50)]


@pytest.mark.parametrize("text", NOT_FINITE_DECIMALS)
def test_only_a_number_that_is_not_a_finite_decimal_is_null(text: str) -> None:
    assert only_row("trade", {**TRADE, "p": text}) == TradeRow("7", None, 0.01, "sell", None, "market")
    assert only_row("agg_trade", {**AGG_TRADE, "q": text}) == AggTradeRow("77", 64000.1, None, "sell", "501", "503")
    assert only_row("book_ticker", {**TICKER, "B": text}) == BookTickerRow(1007, 9.5, None, 10.0, 1.0)
    assert only_row("book_delta", {**DELTA, "b": [["9.5", text], [text, "1"]]}) == BookRow(
        1001, 1007, None, False, (9.5, None), (None, 1.0), (), ()
    )
    assert only_row("book_snapshot", {**SNAPSHOT, "asks": [[text, "1"]]}).ask_prices == (None,)


@pytest.mark.parametrize(("text", "value"), [("+1.5", 1.5), ("01.5", 1.5), (".5", 0.5), ("1e5", 1e5), ("1e-999", 0.0)])
def test_decimals_in_unusual_notation_are_read(text: str, value: float) -> None:
    assert only_row("trade", {**TRADE, "p": text}).price == value
    assert only_row("book_delta", {**DELTA, "a": [[text, "1"]]}).ask_prices == (value,)


def test_huge_numbers_whose_sum_is_beyond_a_double_are_kept() -> None:
    assert only_row("book_delta", {**DELTA, "a": [["1e308", "1e308"]]}).ask_prices == (1e308,)
    assert only_row("trade", {**TRADE, "p": "1e308", "q": "1e308"}).price == 1e308


@pytest.mark.parametrize("data_type", MESSAGES)
@pytest.mark.parametrize("other", MESSAGES)
def test_a_payload_of_another_data_type_has_no_row(data_type: str, other: str) -> None:
    row = only_row(data_type, MESSAGES[other])
    assert (row is None) == (data_type != other)
    assert bool(adapter.decimals(data_type, payload(MESSAGES[other]))) == (data_type == other)


@pytest.mark.parametrize("broken", [b"", b"{", b"null", b"\xff", b"[" * 100_000, payload({**DELTA, "b": [["1"]]})])
def test_a_broken_payload_loses_only_its_own_row(broken: bytes) -> None:
    good = payload(DELTA)
    first, second, third = rows_of(adapter, "book_delta", [good, broken, good])
    assert second is None
    assert first == third != None  # noqa: E711  # both are rows
    assert adapter.decimals("book_delta", broken) == []


@pytest.mark.parametrize("levels", ["x", None, 5, {}, [1], [[1, 2, 3]], [["1"]], [None], [{"p": "1"}]])
def test_sides_that_are_not_lists_of_pairs_give_no_row(levels: object) -> None:
    assert only_row("book_delta", {**DELTA, "b": levels}) is None
    assert only_row("book_snapshot", {**SNAPSHOT, "asks": levels}) is None


def test_decimals_are_the_texts_of_all_prices_and_sizes() -> None:
    assert adapter.decimals("trade", payload(TRADE)) == ["64000.10", "0.01"]
    assert adapter.decimals("agg_trade", payload(AGG_TRADE)) == ["64000.10", "0.01"]
    assert adapter.decimals("book_delta", payload(DELTA)) == ["9.5", "0.5", "9", "0.0"]
    assert adapter.decimals("book_snapshot", payload(SNAPSHOT)) == ["9.5", "0.5", "9", "2", "10", "1", "11.25", "3"]
    assert adapter.decimals("book_ticker", payload(TICKER)) == ["9.5", "0.5", "10", "1"]


def test_bare_numbers_in_levels_keep_their_text() -> None:
    data = payload(DELTA).replace(b'["9.5","0.5"]', b"[1234567890.1234567890,12345678901234567890]")
    assert list(adapter.decimals("book_delta", data))[:2] == ["1234567890.1234567890", "12345678901234567890"]
    (row,) = rows_of(adapter, "book_delta", [data])
    assert list(numbers_of(row))[:2] == [1234567890.1234567890, 12345678901234567890.0]


@given(st.lists(st.tuples(decimals, decimals), max_size=12), st.lists(st.tuples(decimals, decimals), max_size=12))
@example([("9007199254740993", "0.1000000000000000055")], [("1e-400", "2.2250738585072011e-308")])
def test_every_double_is_the_nearest_to_its_decimal(bids: list[Any], asks: list[Any]) -> None:
    row = only_row("book_delta", {**DELTA, "b": bids, "a": asks})
    texts = [text for level in bids + asks for text in level]
    assert list(numbers_of(row)) == [value if math.isfinite(value := float(text)) else None for text in texts]
    assert adapter.decimals("book_delta", payload({**DELTA, "b": bids, "a": asks})) == texts


@given(altered(MESSAGES))
def test_rows_and_decimals_agree_on_any_payload(message: tuple[str, dict[str, Any]]) -> None:
    assert_told_alike(adapter, *message)


def test_an_exact_decimal_equals_its_double() -> None:
    for text in ("61837.63000000", "0.00000001", "20014582.00000000", "999999999999.999"):
        assert Decimal(repr(only_row("trade", {**TRADE, "p": text}).price)) == Decimal(text)
