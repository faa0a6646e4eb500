"""Books rebuilt from recorded snapshots and diffs: the exchange's own best bid and ask say whether they are right."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from collector.domain.records import BookRow, BookTickerRow
from collector.exchanges.adapter import Adapter
from collector.exchanges.registry import adapter
from collector.read.books.book import Applied, Book
from tests.conftest import Lines
from tests.exchanges.numbers import numbers_of
from tests.exchanges.rows import rows_of

RECORDINGS: dict[str, tuple[str, dict[str, int]]] = {
    "binance_spot/hftbacktest_btcusdt_20240808": ("binance", {"BTCUSDT": 564}),
    "binance_spot/hftbacktest_ethusdt_20240808": ("binance", {"ETHUSDT": 577}),
    "binance_spot/cryptofeed_v3_BINANCE": ("binance", {"NKNUSDT": 19, "BLZETH": 1, "LRCBTC": 6, "RUNEEUR": 0}),
    "binance_usdm/cryptofeed_v3_BINANCE_FUTURES": (
        "binance_usdm",
        {"SUSHIUSDT": 12, "AKROUSDT": 7, "KEEPUSDT": 13, "CTKUSDT": 18},
    ),
    "binance_usdm/hftbacktest_btcusdt_20230404": ("binance_usdm", {"BTCUSDT": 310}),
    "binance_usdm/hftbacktest_btcusdt_20240718 binance_usdm/hftbacktest_btcusdt_20240719": (
        "binance_usdm",
        {"BTCUSDT": 625},
    ),
    "binance_usdm/hftbacktest_ethusdt_20240718": ("binance_usdm", {"ETHUSDT": 281}),
    "binance_usdm/hftbacktest_ethusdt_20240808": ("binance_usdm", {"ETHUSDT": 551}),
    "binance_coinm/hftbacktest_btcusd_perp_20240808 binance_coinm/hftbacktest_btcusd_perp_20240809": (
        "binance_coinm",
        {"BTCUSD_PERP": 1885},
    ),
}
"""How many tickers of each symbol stand at the end of a diff, once there is a book."""


def symbol_of(line: dict[str, Any]) -> str:
    """Whose snapshot or frame it is; "" where the address of a snapshot leaves it out."""
    pattern, key = (r"symbol=(\w+)", "url") if line["dir"] == "http" else (r'"stream": ?"(\w+)@', "raw")
    name = re.search(pattern, line[key])
    return "" if name is None else name[1].upper()


def payloads(lines: list[dict[str, Any]], symbol: str, part: str) -> list[bytes]:
    """Frames of a symbol with this in the beginning, or snapshots with this in the address."""
    return [
        line["raw"].encode()
        for line in lines
        if (part in line["url"] if line["dir"] == "http" else part in line["raw"][:60])
        and symbol_of(line) in {symbol, ""}
    ]


def book_rows(market: Adapter, lines: list[dict[str, Any]], symbol: str) -> list[BookRow]:
    """The snapshot and the diffs in the order of their ids."""
    found = rows_of(market, "book_delta", payloads(lines, symbol, "depth"))
    rows = [row for row in found if isinstance(row, BookRow)]
    assert len(rows) == len(found)
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
def test_a_rebuilt_book_has_the_recorded_best_prices_and_sizes(names: str, recorded: Lines) -> None:
    exchange, expected = RECORDINGS[names]
    market = adapter(exchange)
    lines = [line for name in names.split() for line in recorded(name) if line["dir"] in {"in", "http"}]
    compared = Counter[str]()
    for symbol in expected:
        tickers = rows_of(market, "book_ticker", payloads(lines, symbol, "@bookTicker"))
        told = {row.update_id: row for row in tickers if isinstance(row, BookTickerRow)}
        for last_id, book in after_each_diff(book_rows(market, lines, symbol)):
            if last_id in told:
                compared[symbol] += 1
                bid, ask = book.best()
                assert (*bid, *ask) == tuple(numbers_of(told[last_id]))
    assert compared == Counter(expected)


def test_the_best_20_levels_match_an_independent_rebuild(recorded: Lines, top20: list[dict[str, Any]]) -> None:
    lines = recorded("binance_spot/hftbacktest_btcusdt_20240808")
    for (last_id, book), expected in zip(
        after_each_diff(book_rows(adapter("binance"), lines, "BTCUSDT")), top20, strict=True
    ):
        assert last_id == expected["u"]
        assert book.bids.top(20) == [(float(price), float(size)) for price, size in expected["bids"]]
        assert book.asks.top(20) == [(float(price), float(size)) for price, size in expected["asks"]]
