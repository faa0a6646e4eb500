"""The levels of a book, a row each, as books are exported."""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from collector.exports.book_walk import Opening, Rows
from collector.exports.times import one_array

LEVEL_SCHEMA: Final = pa.schema(
    {
        "exchange_us": pa.int64(),
        "local_us": pa.int64(),
        "is_snapshot": pa.bool_(),
        "is_bid": pa.bool_(),
        "price": pa.float64(),
        "size": pa.float64(),
    }
)
"""`is_snapshot`: the level is one of a whole book, which replaces what was known; a size of 0 removes the level."""


def levels_of(part: Opening | Rows) -> pa.Table:
    """A row for each level, message by message, bids first, in the order of the message."""
    return _of_opening(part) if isinstance(part, Opening) else _of_rows(part)


def _of_opening(opening: Opening) -> pa.Table:
    sides = [(True, *level) for level in opening.bids] + [(False, *level) for level in opening.asks]
    exchange = opening.local_us if opening.exchange_us is None else opening.exchange_us
    rows = [dict(zip(LEVEL_SCHEMA.names, (exchange, opening.local_us, True, *side), strict=True)) for side in sides]
    return pa.Table.from_pylist(rows, LEVEL_SCHEMA)


def _of_rows(rows: Rows) -> pa.Table:
    both = pa.concat_tables([_side(rows, "bid", is_bid=True), _side(rows, "ask", is_bid=False)])
    # The sort is stable.
    both = both.take(pc.sort_indices(both["message"]))
    message = both["message"]
    columns = [
        rows.exchange_us.take(message),
        rows.local_us.take(message),
        rows.table["is_snapshot"].take(message),
        *(both[name] for name in ("is_bid", "price", "size")),
    ]
    return pa.table(columns, LEVEL_SCHEMA)


def _side(rows: Rows, side: str, *, is_bid: bool) -> pa.Table:
    prices, sizes = (one_array(rows.table[f"{side}_{what}"]) for what in ("prices", "sizes"))
    messages = pc.list_parent_indices(prices)
    is_of_bid = pa.repeat(pa.scalar(is_bid), len(messages))
    return pa.table(
        [messages, is_of_bid, pc.list_flatten(prices), pc.list_flatten(sizes)], ["message", "is_bid", "price", "size"]
    )
