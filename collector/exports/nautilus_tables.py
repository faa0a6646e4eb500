"""Rows as nautilus_trader's catalog has them: changes of books, trades, and best prices.

Source: nautilus_trader 1.221, `serialization/arrow/schema.py`, and how its loader of tardis.dev's files fills the columns. Times are
nanoseconds since the epoch: `ts_event` the exchange's, `ts_init` the local one.
"""

from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from collector.exports.nautilus_numbers import NUMBER, Decimals
from collector.exports.times import one_array

_ADD: Final = 1
_UPDATE: Final = 2
_DELETE: Final = 3
_CLEAR: Final = 4
_NO_SIDE: Final = 0
_BUY: Final = 1
_SELL: Final = 2
_SNAPSHOT: Final = 32
_LAST: Final = 128

_TIMES: Final = {"ts_event": pa.uint64(), "ts_init": pa.uint64()}


def _schema(columns: dict[str, pa.DataType]) -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in (columns | _TIMES).items()])


DELTAS: Final = _schema(
    {
        "action": pa.uint8(),
        "side": pa.uint8(),
        "price": NUMBER,
        "size": NUMBER,
        "order_id": pa.uint64(),
        "flags": pa.uint8(),
        "sequence": pa.uint64(),
    }
)
TRADES: Final = _schema({"price": NUMBER, "size": NUMBER, "aggressor_side": pa.uint8(), "trade_id": pa.string()})
QUOTES: Final = _schema({"bid_price": NUMBER, "ask_price": NUMBER, "bid_size": NUMBER, "ask_size": NUMBER})


class Measures(NamedTuple):
    """What makes the numbers of an export; all its files have the same decimals."""

    prices: Decimals
    sizes: Decimals


def deltas(levels: pa.Table, measures: Measures) -> pa.Table:
    """A change for each level; before those of a whole book the one that clears the book before it.

    `levels` are of whole messages. The last row of each has no flag but that it is the last: the engine looks for exactly that.
    """
    is_clear, is_whole = pc.is_null(levels["is_bid"]), levels["is_snapshot"]
    price, size = (one_array(pc.fill_null(levels[name], 0.0)) for name in ("price", "size"))
    action = pc.if_else(pc.equal(size, 0.0), _DELETE, pc.if_else(is_whole, _ADD, _UPDATE))
    side = pc.fill_null(pc.if_else(levels["is_bid"], _BUY, _SELL), _NO_SIDE)
    none = pa.repeat(pa.scalar(0, pa.uint64()), len(levels))
    columns = [
        pc.if_else(is_clear, _CLEAR, action).cast(pa.uint8()),
        side.cast(pa.uint8()),
        measures.prices.numbers(price),
        measures.sizes.numbers(size),
        none,
        pc.if_else(_ends(levels["local_us"]), _LAST, pc.if_else(is_whole, _SNAPSHOT, 0)).cast(pa.uint8()),
        none,
    ]
    return _table(columns, levels["exchange_us"], levels["local_us"], DELTAS)


def trades(table: pa.Table, exchange_us: pa.Array, local_us: pa.Array, measures: Measures) -> pa.Table:
    """A row for each trade that has a price and a size."""
    price, size, side, trade_id = (one_array(table[name]) for name in ("price", "size", "side", "trade_id"))
    taken = pc.and_kleene(pc.is_valid(price), pc.fill_null(pc.greater(size, 0.0), False))
    known = (price, size, side, trade_id, exchange_us, local_us)
    price, size, side, trade_id, exchange_us, local_us = (column.filter(taken) for column in known)
    aggressor = pc.if_else(pc.equal(side, "buy"), _BUY, pc.if_else(pc.equal(side, "sell"), _SELL, _NO_SIDE))
    columns = [
        measures.prices.numbers(price),
        measures.sizes.numbers(size),
        pc.fill_null(aggressor, _NO_SIDE).cast(pa.uint8()),
        pc.coalesce(trade_id, local_us.cast(pa.string())),
    ]
    return _table(columns, exchange_us, local_us, TRADES)


def quotes(table: pa.Table, exchange_us: pa.Array, local_us: pa.Array, measures: Measures) -> pa.Table:
    """A row for each best bid and ask, where there are both."""
    names = ("bid_price", "ask_price", "bid_size", "ask_size")
    known = [one_array(table[name]) for name in names]
    taken = pc.is_valid(known[0])
    for column in known[1:]:
        taken = pc.and_(taken, pc.is_valid(column))
    makers = (measures.prices, measures.prices, measures.sizes, measures.sizes)
    columns = [maker.numbers(column.filter(taken)) for maker, column in zip(makers, known, strict=True)]
    return _table(columns, exchange_us.filter(taken), local_us.filter(taken), QUOTES)


def _ends(local_us: pa.ChunkedArray) -> pa.Array:
    """Which rows are the last of their message: the next one has another time."""
    times = one_array(local_us)
    return pa.concat_arrays([pc.not_equal(times.slice(1), times.slice(0, max(0, len(times) - 1))), pa.array([True])])


def _table(columns: list[pa.Array], exchange_us: pa.Array, local_us: pa.Array, schema: pa.Schema) -> pa.Table:
    times = [pc.multiply(times, 1_000).cast(pa.uint64()) for times in (exchange_us, local_us)]
    return pa.table([*columns, *times], schema)
