"""Rows in the format of tardis.dev's CSV files.

Source: https://docs.tardis.dev/downloadable-csv-files/data-types. Times are microseconds since the epoch. `local_timestamp` is when the
recorder received a message, or one before it in the order of ids, if that came later; `timestamp` is the exchange's.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from collector.exports.asked import BOOK_TYPES, Asked
from collector.exports.book_walk import BookWalk
from collector.exports.export import Export
from collector.exports.levels import levels_of
from collector.exports.plain_rows import timed_rows
from collector.exports.tops import Top, tops

_EXCHANGES: Final = {
    "binance_usdm": "binance-futures",
    "binance_coinm": "binance-delivery",
    "bybit_spot": "bybit-spot",
    "bybit_linear": "bybit",
    "kraken_futures": "cryptofacilities",
    "gate": "gate-io",
}
"""Their names of exchanges that are ours under another."""

_TOP: Final = 25


class Kind(NamedTuple):
    """One of their data types."""

    needs: tuple[str, ...]
    """Our data types, of which one is needed."""
    export: Callable[[Asked], Export]


def exchange_name(asked: Asked) -> str:
    """Their name of the exchange."""
    if asked.exchange == "okx":
        is_swap, is_dated = asked.symbol.endswith("-SWAP"), asked.symbol.count("-") > 1
        return "okex-swap" if is_swap else "okex-futures" if is_dated else "okex"
    return _EXCHANGES.get(asked.exchange, asked.exchange.replace("_", "-"))


def file_name(asked: Asked, kind: str, date: str) -> str:
    """The name of a day's file: `binance_trades_2026-11-23_BTCUSDT.csv.gz`."""
    return f"{exchange_name(asked)}_{kind}_{date}_{asked.symbol.replace('/', '-')}.csv.gz"


def _incremental_book(asked: Asked) -> Export:
    walk = BookWalk(asked)

    def tables() -> Iterator[pa.Table]:
        for part in walk.parts():
            levels = levels_of(part)
            side = pc.if_else(levels["is_bid"], "bid", "ask")
            yield _table(
                asked, levels["exchange_us"], levels["local_us"],
                is_snapshot=levels["is_snapshot"], side=side, price=levels["price"], amount=levels["size"],
            )  # fmt: skip

    return Export(tables, lambda: walk.gaps, lambda: walk.moved)


def _trades(asked: Asked) -> Export:
    frame = asked.rows("trade")

    def columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
        side = pc.fill_null(table["side"], "unknown")
        return {"id": table["trade_id"], "side": side, "price": table["price"], "amount": table["size"]}

    return Export(lambda: _rows(asked, "trade", columns), lambda: frame.gaps)


def _book_ticker(asked: Asked) -> Export:
    frame = asked.rows("book_ticker")

    def columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
        return {
            "ask_amount": table["ask_size"],
            "ask_price": table["ask_price"],
            "bid_price": table["bid_price"],
            "bid_amount": table["bid_size"],
        }

    return Export(lambda: _rows(asked, "book_ticker", columns), lambda: frame.gaps)


def _rows(
    asked: Asked, data_type: str, columns: Callable[[pa.Table], dict[str, pa.ChunkedArray]]
) -> Iterator[pa.Table]:
    for table, exchange_us, local_us in timed_rows(asked, data_type):
        yield _table(asked, exchange_us, local_us, **columns(table))


def _quotes(asked: Asked) -> Export:
    def columns(found: list[Top]) -> dict[str, pa.Array]:
        names = ("ask_price", "ask_amount", "bid_price", "bid_amount")
        known = dict(zip(names, map(_doubles, zip(*found, strict=True)), strict=True))
        return {name: known[name] for name in ("ask_amount", "ask_price", "bid_price", "bid_amount")}

    return _tops(asked, 1, columns)


def _book_snapshot(asked: Asked) -> Export:
    names = [
        f"{side}[{place}].{what}" for side in ("asks", "bids") for place in range(_TOP) for what in ("price", "amount")
    ]

    def columns(found: list[Top]) -> dict[str, pa.Array]:
        return dict(zip(names, map(_doubles, zip(*found, strict=True)), strict=True))

    return _tops(asked, _TOP, columns)


def _tops(asked: Asked, levels: int, columns: Callable[[list[Top]], dict[str, pa.Array]]) -> Export:
    walk = BookWalk(asked, is_watched=True)

    def tables() -> Iterator[pa.Table]:
        for exchange_us, local_us, found in tops(walk, levels):
            yield _table(asked, exchange_us, local_us, **columns(found))

    return Export(tables, lambda: walk.gaps, lambda: walk.moved)


def _doubles(values: tuple[float | None, ...]) -> pa.Array:
    return pa.array(values, pa.float64())


def _table(asked: Asked, exchange_us: pa.Array, local_us: pa.Array, **further: pa.Array | pa.ChunkedArray) -> pa.Table:
    """The columns that all their files begin with, then the further ones."""
    names = (exchange_name(asked), asked.symbol)
    constant = [pa.repeat(pa.scalar(name), len(local_us)) for name in names]
    columns = [*constant, exchange_us, local_us, *further.values()]
    return pa.table(columns, ["exchange", "symbol", "timestamp", "local_timestamp", *further])


KINDS: Final = {
    "incremental_book_L2": Kind(BOOK_TYPES, _incremental_book),
    "trades": Kind(("trade",), _trades),
    "quotes": Kind(BOOK_TYPES, _quotes),
    "book_ticker": Kind(("book_ticker",), _book_ticker),
    "book_snapshot_25": Kind(BOOK_TYPES, _book_snapshot),
}
"""Their data types, as they are named in their files."""
