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


def levels_of(part: Opening | Rows, *, with_clears: bool = False) -> pa.Table:
    """A row for each level, message by message, bids first, in the order of the message.

    If `with_clears`, the rows of a whole book begin with one for the book before it, which has no side, no price and no size.
    """
    return _of_opening(part, with_clears) if isinstance(part, Opening) else _of_rows(part, with_clears)


def _of_opening(opening: Opening, with_clears: bool) -> pa.Table:
    sides: list[tuple[bool | None, float | None, float | None]] = [(None, None, None)] * with_clears
    sides += [(True, *level) for level in opening.bids]
    sides += [(False, *level) for level in opening.asks]
    exchange = opening.local_us if opening.exchange_us is None else opening.exchange_us
    rows = [dict(zip(LEVEL_SCHEMA.names, (exchange, opening.local_us, True, *side), strict=True)) for side in sides]
    return pa.Table.from_pylist(rows, LEVEL_SCHEMA)


def _of_rows(rows: Rows, with_clears: bool) -> pa.Table:
    both = pa.concat_tables([_side(rows, "bid", is_bid=True), _side(rows, "ask", is_bid=False)])
    if with_clears:
        both = pa.concat_tables([_clears(rows, both.schema), both])
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


def _clears(rows: Rows, schema: pa.Schema) -> pa.Table:
    whole = pc.indices_nonzero(rows.table["is_snapshot"]).cast(pa.int32())
    return pa.table([whole, *(pa.nulls(len(whole), column.type) for column in list(schema)[1:])], schema)
