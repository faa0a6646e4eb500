"""The instruments that nautilus_trader finds in a catalog; run in an environment of its own.

    python instruments_reads.py CATALOG

Prints a list: of each its kind, id, steps of price and size, multiplier, settlement, and whether it is inverse; by id.
"""

import json
import sys

from nautilus_trader.persistence.catalog import ParquetDataCatalog


def main(path: str) -> None:
    """Read."""
    found = sorted(ParquetDataCatalog(path).instruments(), key=lambda instrument: str(instrument.id))
    print(
        json.dumps(
            [
                [
                    type(one).__name__,
                    str(one.id),
                    str(one.price_increment),
                    str(one.size_increment),
                    str(one.multiplier),
                    one.get_settlement_currency().code,
                    one.is_inverse,
                ]
                for one in found
            ]
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
