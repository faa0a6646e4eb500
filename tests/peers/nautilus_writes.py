"""What it costs nautilus_trader to make a catalog of a CSV file; run in an environment of its own.

    python nautilus_writes.py plain|quicker FOLDER INCREMENTAL_BOOK.csv.gz

Prints what tests/bench/own_export.py prints. `plain` takes the rows as its loader gives them, `quicker` asks it for the objects that
its documentation has for catalogs.
"""

import json
import sys
import time
from pathlib import Path

from nautilus_trader.adapters.tardis.loaders import TardisCSVDataLoader
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.persistence.catalog import ParquetDataCatalog


def main(kind: str, folder: str, book: str) -> None:
    """Load and write twice."""
    spent = []
    for name in ("first", "again"):
        loader = TardisCSVDataLoader(
            price_precision=2, size_precision=8, instrument_id=InstrumentId.from_str("BTCUSDT.BINANCE")
        )
        deltas = loader.load_deltas(Path(book), as_legacy_cython=kind == "plain")
        ParquetDataCatalog(f"{folder}/{name}").write_data(deltas)
        spent.append(time.process_time())
    size = sum(file.stat().st_size for file in Path(folder, "again").rglob("*.parquet"))
    print(json.dumps({"first_cpu_secs": spent[0], "again_cpu_secs": spent[1] - spent[0], "bytes": size}))


if __name__ == "__main__":
    main(*sys.argv[1:])
