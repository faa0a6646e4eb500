"""What hftbacktest itself makes of an export; run in an environment of its own.

    python hftbacktest_reads.py FILE.npz TRADES.csv.gz INCREMENTAL_BOOK.csv.gz

Prints an object: `events` in the npz; `equal`, whether they are what its own converter makes of the CSV files; `best`, the best
prices after all local events, as its backtest sees them; `converted_cpu_secs`, what its converter took, compiled and with the file.
"""

import contextlib
import json
import sys
import time
from typing import Any

import numpy as np
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest
from hftbacktest.data import validate_event_order
from hftbacktest.data.utils import tardis

_ROWS = 20_000_000


def main(npz: str, trades: str, book: str) -> None:
    """Read, convert, compare."""
    own = np.load(npz)["data"]
    validate_event_order(own)
    with contextlib.redirect_stdout(sys.stderr):
        tardis.convert([trades, book], buffer_size=_ROWS)  # compiles
        begin = time.process_time()
        theirs = tardis.convert([trades, book], f"{npz}.converted.npz", buffer_size=_ROWS)
        secs = time.process_time() - begin
    equal = own.shape == theirs.shape and all(np.array_equal(own[name], theirs[name]) for name in theirs.dtype.names)
    print(json.dumps({"events": len(own), "equal": equal, "best": _best(npz), "converted_cpu_secs": secs}))


def _best(npz: str) -> list[float]:
    asset: Any = (
        BacktestAsset()
        .data([npz])
        .linear_asset(1.0)
        .constant_order_latency(1, 1)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(0.01)
        .lot_size(0.00001)
    )
    test = HashMapMarketDepthBacktest([asset])
    while test.elapse(100_000_000) == 0:
        pass
    depth = test.depth(0)
    found = [depth.best_bid, depth.best_ask]
    test.close()
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
