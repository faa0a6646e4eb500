"""What nautilus_trader's loader makes of CSV files; run in an environment of its own.

    python nautilus_reads.py INCREMENTAL_BOOK.csv.gz TRADES.csv.gz QUOTES.csv.gz

Prints an object: how many `deltas`, `trades` and `quotes` it reads, how many of the deltas are the last of their message, and the
first of the trades and quotes.
"""

import json
import sys
from pathlib import Path

from nautilus_trader.adapters.tardis.loaders import TardisCSVDataLoader
from nautilus_trader.model.enums import RecordFlag
from nautilus_trader.model.identifiers import InstrumentId


def main(book: str, trades: str, quotes: str) -> None:
    """Read, count."""
    loader = TardisCSVDataLoader(
        price_precision=2, size_precision=8, instrument_id=InstrumentId.from_str("BTCUSDT.BINANCE")
    )
    deltas = loader.load_deltas(Path(book))
    ticks = loader.load_trades(Path(trades))
    tops = loader.load_quotes(Path(quotes))
    said = {
        "deltas": len(deltas),
        "messages": sum(1 for delta in deltas if delta.flags & RecordFlag.F_LAST),
        "trades": len(ticks),
        "first_trade": [str(ticks[0].price), str(ticks[0].size), str(ticks[0].trade_id), ticks[0].ts_init],
        "quotes": len(tops),
        "first_quote": [str(tops[0].bid_price), str(tops[0].ask_price)],
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
