"""What it costs hftbacktest to make its file of CSV files; run in an environment of its own.

    python hftbacktest_writes.py LEVEL FOLDER TRADES.csv.gz INCREMENTAL_BOOK.csv.gz ROWS

Prints what tests/bench/own_export.py prints. If LEVEL is 0 the file is written by NumPy without compressing it, else as it does itself.
"""

import contextlib
import json
import sys
import time
from pathlib import Path

import numpy as np
from hftbacktest.data.utils import tardis


def main(level: str, folder: str, trades: str, book: str, rows: str) -> None:
    """Convert twice."""
    spent = []
    for name in ("first", "again"):
        path = f"{folder}/{name}.npz"
        with contextlib.redirect_stdout(sys.stderr):
            made = tardis.convert([trades, book], None if level else path, buffer_size=int(rows))
        if level:
            np.savez(path, data=made)
        spent.append(time.process_time())
    size = Path(folder, "again.npz").stat().st_size
    print(json.dumps({"first_cpu_secs": spent[0], "again_cpu_secs": spent[1] - spent[0], "bytes": size}))


if __name__ == "__main__":
    main(*sys.argv[1:])
