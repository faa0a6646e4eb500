"""What nautilus_trader itself makes of a catalog; run in an environment of its own.

    python catalog_reads.py CATALOG

Prints an object: how many `deltas`, `trades` and `quotes` it reads; the `instrument`; `best`, the time and the best prices of its
book after each message; how many times its engine called a strategy back with changes of the book, trades and quotes; and
`same`, whether its reader that goes over pyarrow finds the same changes.
"""

import json
import sys
from pathlib import Path
from typing import Any

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.data.config import DataEngineConfig
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import OrderBookDelta
from nautilus_trader.model.enums import AccountType, BookType, OmsType
from nautilus_trader.model.objects import Money
from nautilus_trader.persistence.catalog import ParquetDataCatalog
from nautilus_trader.trading.strategy import Strategy


class Counting(Strategy):  # type: ignore[misc] # of a package that is installed elsewhere
    """Counts what it is called with."""

    def __init__(self, instrument: Any) -> None:
        super().__init__()
        self._instrument = instrument
        self.calls = {"deltas": 0, "trades": 0, "quotes": 0}

    def on_start(self) -> None:
        """Ask for everything."""
        self.subscribe_order_book_deltas(self._instrument.id, BookType.L2_MBP)
        self.subscribe_trade_ticks(self._instrument.id)
        self.subscribe_quote_ticks(self._instrument.id)

    def on_order_book_deltas(self, deltas: Any) -> None:
        """One message."""
        self.calls["deltas"] += 1

    def on_trade_tick(self, tick: Any) -> None:
        """One trade."""
        self.calls["trades"] += 1

    def on_quote_tick(self, tick: Any) -> None:
        """One best bid and ask."""
        self.calls["quotes"] += 1


def main(path: str) -> None:
    """Read, apply, run."""
    catalog = ParquetDataCatalog(path)
    (instrument,) = catalog.instruments()
    deltas, trades, quotes = catalog.order_book_deltas(), catalog.trade_ticks(), catalog.quote_ticks()
    files = sorted(str(file) for file in Path(path, "data", "order_book_delta").rglob("*.parquet"))
    said = {
        "deltas": len(deltas),
        "trades": len(trades),
        "quotes": len(quotes),
        "instrument": [
            type(instrument).__name__,
            str(instrument.id),
            instrument.price_precision,
            instrument.size_precision,
        ],
        "best": _best(instrument, deltas),
        "calls": _calls(instrument, [deltas, trades, quotes]),
        "same": catalog.query(OrderBookDelta, files=files) == deltas,
    }
    print(json.dumps(said))


def _best(instrument: Any, deltas: list[Any]) -> list[Any]:
    book = OrderBook(instrument.id, BookType.L2_MBP)
    found = []
    for delta in deltas:
        book.apply_delta(delta)
        if delta.flags & 128:
            best = [book.best_bid_price(), book.best_ask_price()]
            found.append([delta.ts_init, *(None if price is None else str(price) for price in best)])
    return found


def _calls(instrument: Any, data: list[list[Any]]) -> dict[str, int]:
    quiet = LoggingConfig(bypass_logging=True)
    engine = BacktestEngine(BacktestEngineConfig(logging=quiet, data_engine=DataEngineConfig(buffer_deltas=True)))
    engine.add_venue(
        instrument.venue, OmsType.NETTING, AccountType.CASH, [Money(1, instrument.quote_currency)],
        book_type=BookType.L2_MBP,
    )  # fmt: skip
    engine.add_instrument(instrument)
    for rows in data:
        if rows:
            engine.add_data(rows)
    strategy = Counting(instrument)
    engine.add_strategy(strategy)
    engine.run()
    engine.dispose()
    return strategy.calls


if __name__ == "__main__":
    main(*sys.argv[1:])
