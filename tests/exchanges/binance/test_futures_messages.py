"""Typed rows of Binance's futures: ids and links of the book, exact doubles, and trades that are none."""

from functools import partial
from typing import Any

import pytest
from hypothesis import given

from collector.domain.records import AggTradeRow, BookRow, BookTickerRow, TradeRow
from collector.exchanges.binance import BinanceCoinm, BinanceUsdm
from tests.exchanges import rows
from tests.exchanges.numbers import NOT_FINITE_DECIMALS
from tests.exchanges.rows import altered, assert_told_alike, payload, rows_of

adapter = BinanceUsdm()

TRADE = {"e": "trade", "E": 5, "T": 4, "s": "BTCUSDT", "t": 7, "p": "64000.10", "q": "0.01", "X": "MARKET", "m": True}
AGG_TRADE = {"e": "aggTrade", "E": 5, "a": 77, "s": "BTCUSDT", "p": "64000.10", "q": "0.01", "nq": "0", "f": 501, "l": 503,
             "T": 4, "m": False, "st": 1}  # fmt: skip
DELTA = {"e": "depthUpdate", "E": 5, "T": 4, "s": "BTCUSDT", "ps": "BTCUSDT", "U": 1001, "u": 1007, "pu": 990,
         "b": [["9.5", "0.5"], ["9", "0.0"]], "a": [], "st": 1}  # fmt: skip
SNAPSHOT = {**DELTA, "a": [["10", "1"], ["11.25", "3"]]}
TICKER = {"e": "bookTicker", "u": 1007, "s": "BTCUSDT", "b": "9.5", "B": "0.5", "a": "10", "A": "1", "T": 4, "E": 5}
MESSAGES: dict[str, dict[str, Any]] = {
    "trade": TRADE,
    "agg_trade": AGG_TRADE,
    "book_delta": DELTA,
    "book_snapshot": SNAPSHOT,
    "book_ticker": TICKER,
}


only_row = partial(rows.only_row, adapter)


def test_every_data_type_has_its_row() -> None:
    assert only_row("trade", TRADE) == TradeRow("7", 64000.1, 0.01, "sell", None, "market")
    assert only_row("agg_trade", AGG_TRADE) == AggTradeRow("77", 64000.1, 0.01, "buy", "501", "503")
    assert only_row("book_delta", DELTA) == BookRow(1001, 1007, 990, False, (9.5, 9.0), (0.5, 0.0), (), ())
    assert only_row("book_snapshot", SNAPSHOT) == BookRow(
        1001, 1007, 990, True, (9.5, 9.0), (0.5, 0.0), (10.0, 11.25), (1.0, 3.0)
    )
    assert only_row("book_ticker", TICKER) == BookTickerRow(1007, 9.5, 0.5, 10.0, 1.0)


@pytest.mark.parametrize("data_type", MESSAGES)
def test_both_markets_make_the_same_rows(data_type: str) -> None:
    assert rows_of(BinanceCoinm(), data_type, [payload(MESSAGES[data_type])]) == [
        only_row(data_type, MESSAGES[data_type])
    ]


@pytest.mark.parametrize("data_type", ["book_delta", "book_snapshot"])
def test_a_previous_id_of_minus_1_means_none(data_type: str) -> None:
    row = only_row(data_type, {**MESSAGES[data_type], "pu": -1})
    assert (row.first_id, row.last_id, row.previous_id) == (1001, 1007, None)
    assert only_row(data_type, {**MESSAGES[data_type], "pu": 0}).previous_id == 0


@pytest.mark.parametrize(
    ("mark", "kind"),
    [
        ("MARKET", "market"),
        ("INSURANCE_FUND", "insurance_fund"),
        ("ADL", "adl"),
        ("NA", "none"),
        ("SOMETHING_NEW", "something_new"),
        ("", ""),
        (7, None),
        (None, None),
        ([], None),
    ],
)
def test_a_trade_of_every_kind_is_a_row_that_says_which(mark: object, kind: str | None) -> None:
    assert only_row("trade", {**TRADE, "X": mark}) == TradeRow("7", 64000.1, 0.01, "sell", None, kind)


def test_a_trade_without_a_kind_has_a_row() -> None:
    unmarked = {key: value for key, value in TRADE.items() if key != "X"}
    assert only_row("trade", unmarked) == TradeRow("7", 64000.1, 0.01, "sell", None, None)


def test_a_non_market_trade_keeps_its_zero_price_and_size() -> None:
    assert only_row("trade", {**TRADE, "p": "0", "q": "0", "X": "NA"}) == TradeRow("7", 0.0, 0.0, "sell", None, "none")


@pytest.mark.parametrize("text", NOT_FINITE_DECIMALS)
def test_only_a_number_that_is_not_a_finite_decimal_is_null(text: str) -> None:
    assert only_row("trade", {**TRADE, "p": text}) == TradeRow("7", None, 0.01, "sell", None, "market")
    assert only_row("book_ticker", {**TICKER, "B": text}) == BookTickerRow(1007, 9.5, None, 10.0, 1.0)
    assert only_row("book_snapshot", {**SNAPSHOT, "b": [["9.5", text]]})[:6] == (1001, 1007, 990, True, (9.5,), (None,))


@pytest.mark.parametrize("data_type", MESSAGES)
@pytest.mark.parametrize("other", MESSAGES)
def test_a_payload_of_another_data_type_has_no_row(data_type: str, other: str) -> None:
    alike = MESSAGES[data_type]["e"] == MESSAGES[other]["e"]
    assert (only_row(data_type, MESSAGES[other]) is not None) == alike
    assert bool(adapter.decimals(data_type, payload(MESSAGES[other]))) == alike


def test_decimals_are_the_texts_of_all_prices_and_sizes() -> None:
    assert adapter.decimals("trade", payload(TRADE)) == ["64000.10", "0.01"]
    assert adapter.decimals("agg_trade", payload(AGG_TRADE)) == ["64000.10", "0.01"]
    assert adapter.decimals("book_delta", payload(DELTA)) == ["9.5", "0.5", "9", "0.0"]
    assert adapter.decimals("book_snapshot", payload(SNAPSHOT)) == ["9.5", "0.5", "9", "0.0", "10", "1", "11.25", "3"]
    assert adapter.decimals("book_ticker", payload(TICKER)) == ["9.5", "0.5", "10", "1"]


@given(altered(MESSAGES))
def test_rows_and_decimals_agree_on_any_payload(message: tuple[str, dict[str, Any]]) -> None:
    assert_told_alike(adapter, *message)
