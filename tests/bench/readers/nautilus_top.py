"""What books cost in nautilus_trader; run in an environment of its own.

    python nautilus_top.py LEVELS EVERY_US FOLDER INCREMENTAL_BOOK.csv.gz...

Prints an object: CPU seconds to load all updates from a catalog and apply them (`follow`), and what the `top` levels at each moment
take beside: so long for one that few are taken, and the others reckoned. Its own classes write the catalog, before.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from nautilus_trader.adapters.tardis.loaders import TardisCSVDataLoader
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.enums import BookType
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.persistence.catalog import ParquetDataCatalog

_NAME = InstrumentId.from_str("BTCUSDT.BINANCE")
_SAMPLES = 300


def main(levels: int, every_us: int, folder: str, files: list[str]) -> None:
    """Write, measure."""
    loader = TardisCSVDataLoader(price_precision=2, size_precision=8, instrument_id=_NAME)
    catalog = ParquetDataCatalog(folder)
    for file in files:
        catalog.write_data(loader.load_deltas(Path(file)))
    begin = time.process_time()
    deltas = catalog.order_book_deltas(instrument_ids=[_NAME.value])
    book = OrderBook(_NAME, BookType.L2_MBP)
    for delta in deltas:
        book.apply_delta(delta)
    follow = time.process_time() - begin
    every_ns = every_us * 1_000
    moments = deltas[-1].ts_init // every_ns - deltas[0].ts_init // every_ns
    top = follow + moments * _secs_of_one(deltas, levels)
    print(json.dumps({"top": top, "follow": follow, "samples": moments, "deltas": len(deltas)}))


def _secs_of_one(deltas: list[Any], levels: int) -> float:
    """Of some samples spread over the updates, what one takes."""
    book = OrderBook(_NAME, BookType.L2_MBP)
    spent, every = 0.0, len(deltas) // _SAMPLES
    for number, delta in enumerate(deltas):
        book.apply_delta(delta)
        if number % every == every - 1:
            begin = time.process_time()
            [(float(level.price), level.size()) for side in (book.bids(), book.asks()) for level in side[:levels]]
            spent += time.process_time() - begin
    return spent / _SAMPLES


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
