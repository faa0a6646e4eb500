"""Books rebuilt from recorded snapshots and diffs: the exchange's own best bid and ask say whether they are right."""

from collections.abc import Iterator
from typing import Any

import pytest

from collector.domain.book import Applied, Book
from collector.domain.records import BookRow, BookTickerRow
from collector.exchanges.adapter import Adapter
from collector.exchanges.registry import adapter
from tests.conftest import Lines
from tests.exchanges.numbers import numbers_of

RECORDINGS = {
    "binance_spot/hftbacktest_btcusdt_20240808": ("binance", 564),
    "binance_spot/hftbacktest_ethusdt_20240808": ("binance", 577),
    "binance_usdm/hftbacktest_btcusdt_20230404": ("binance_usdm", 310),
    "binance_usdm/hftbacktest_btcusdt_20240718 binance_usdm/hftbacktest_btcusdt_20240719": ("binance_usdm", 625),
    "binance_usdm/hftbacktest_ethusdt_20240718": ("binance_usdm", 281),
    "binance_usdm/hftbacktest_ethusdt_20240808": ("binance_usdm", 551),
    "binance_coinm/hftbacktest_btcusd_perp_20240808 binance_coinm/hftbacktest_btcusd_perp_20240809": (
        "binance_coinm",
        1885,
    ),
}
"""How many tickers stand at the end of a diff, once there is a book."""


def book_rows(market: Adapter, lines: list[dict[str, Any]]) -> list[BookRow]:
    """The snapshot and the diffs in the order of their ids."""
    payloads = [line["raw"].encode() for line in lines if line["dir"] == "http" or "@depth@" in line["raw"][:60]]
    rows = [row for row in market.rows("book_delta", payloads) if isinstance(row, BookRow)]
    assert len(rows) == len(payloads)
    return sorted(rows, key=lambda row: row.last_id or 0)


def after_each_diff(rows: list[BookRow]) -> Iterator[tuple[int, Book]]:
    """The book behind each diff that carried it on."""
    book = Book()
    for row in rows:
        applied = book.apply(row)
        assert applied is not Applied.BROKEN
        if applied is Applied.CHANGED and row.last_id is not None:
            yield row.last_id, book


@pytest.mark.parametrize("names", RECORDINGS)
def test_the_book_has_the_best_prices_and_sizes_that_the_exchange_told(names: str, recorded: Lines) -> None:
    exchange, expected = RECORDINGS[names]
    market = adapter(exchange)
    lines = [line for name in names.split() for line in recorded(name)]
    tickers = [line["raw"].encode() for line in lines if "@bookTicker" in line["raw"][:60]]
    told = {row.update_id: row for row in market.rows("book_ticker", tickers) if isinstance(row, BookTickerRow)}
    compared = 0
    for last_id, book in after_each_diff(book_rows(market, lines)):
        if last_id in told:
            compared += 1
            bid, ask = book.best()
            assert (*bid, *ask) == tuple(numbers_of(told[last_id]))
    assert compared == expected


def test_the_best_20_levels_after_each_diff_are_those_found_independently(
    recorded: Lines, top20: list[dict[str, Any]]
) -> None:
    lines = recorded("binance_spot/hftbacktest_btcusdt_20240808")
    for (last_id, book), expected in zip(after_each_diff(book_rows(adapter("binance"), lines)), top20, strict=True):
        assert last_id == expected["u"]
        assert book.bids.top(20) == [(float(price), float(size)) for price, size in expected["bids"]]
        assert book.asks.top(20) == [(float(price), float(size)) for price, size in expected["asks"]]
