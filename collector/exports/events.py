"""Events as hftbacktest reads them, in the order in which they were received.

Source: https://hftbacktest.readthedocs.io/en/latest/data.html, and its module `types`. Times are nanoseconds since the epoch.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

EVENT: Final = np.dtype(
    [
        ("ev", "<u8"),
        ("exch_ts", "<i8"),
        ("local_ts", "<i8"),
        ("px", "<f8"),
        ("qty", "<f8"),
        ("order_id", "<u8"),
        ("ival", "<i8"),
        ("fval", "<f8"),
    ]
)
AT_EXCHANGE: Final = 1 << 31
AT_LOCAL: Final = 1 << 30
_BUY: Final = 1 << 29
_SELL: Final = 1 << 28
_KINDS: Final = 0xFF
_DEPTH: Final = 1
TRADE: Final = 2
_CLEAR: Final = 3
_SNAPSHOT: Final = 4


def trade_events(table: pa.Table, exchange_us: pa.Array, local_us: pa.Array) -> Any:
    """An event for each trade."""
    events = _timed(exchange_us, local_us)
    buys, sells = (_numbers(pc.fill_null(pc.equal(table["side"], side), False)) for side in ("buy", "sell"))
    events["ev"] = TRADE + buys * np.uint64(_BUY) + sells * np.uint64(_SELL)
    events["px"], events["qty"] = _numbers(table["price"]), _numbers(table["size"])
    return events


def level_events(levels: pa.Table) -> Any:
    """An event for each level; before those of a side of a whole book one that clears it up to its worst price."""
    events = _timed(levels["exchange_us"], levels["local_us"])
    is_bid, is_whole = (_numbers(levels[name]) for name in ("is_bid", "is_snapshot"))
    events["ev"] = np.where(is_bid, _BUY, _SELL) + np.where(is_whole, _SNAPSHOT, _DEPTH)
    events["px"], events["qty"] = _numbers(levels["price"]), _numbers(levels["size"])
    return _with_clears(events, is_whole)


def is_trade(events: Any) -> Any:
    """Which events are trades."""
    return events["ev"] & np.uint64(_KINDS) == TRADE


def as_received(trades: Iterator[Any], levels: Iterator[Any]) -> Iterator[Any]:
    """Both by local time, some thousand events at a time; a trade before the levels of the same time.

    A backtest would otherwise take the traded size off the queue twice: with the level, and with the trade again.
    """
    none = np.empty(0, EVENT)
    first, second = next(trades, none), next(levels, none)
    while len(first) and len(second):
        trade_count = np.searchsorted(first["local_ts"], second["local_ts"][-1], "right")
        level_count = np.searchsorted(second["local_ts"], first["local_ts"][-1], "left")
        yield _merged(first[:trade_count], second[:level_count])
        first = first[trade_count:] if trade_count < len(first) else next(trades, none)
        second = second[level_count:] if level_count < len(second) else next(levels, none)
    yield from (rest for rest in (first, second) if len(rest))
    yield from trades
    yield from levels


def _merged(trades: Any, levels: Any) -> Any:
    """Both, each by local time, in one; a trade comes before the levels of the same time."""
    merged = np.empty(len(trades) + len(levels), EVENT)
    of_trade = np.zeros(len(merged), np.bool_)
    of_trade[np.arange(len(trades)) + np.searchsorted(levels["local_ts"], trades["local_ts"], "left")] = True
    merged[of_trade], merged[~of_trade] = trades, levels
    return merged


def _with_clears(events: Any, is_whole: Any) -> Any:
    """The events, and one that clears before each run of a whole book's side."""
    if not is_whole.any():
        return events
    changes = (np.diff(events["local_ts"]) != 0) | (np.diff(events["ev"]) != 0)
    begins = np.flatnonzero(np.concatenate([[True], changes]) & is_whole)
    ends = np.append(np.flatnonzero(changes), len(events) - 1)
    clears = events[begins]
    clears["ev"] -= np.uint64(_SNAPSHOT - _CLEAR)
    clears["px"], clears["qty"] = events["px"][ends[np.searchsorted(ends, begins)]], 0
    return np.insert(events, begins, clears)


def _timed(exchange_us: pa.Array, local_us: pa.Array) -> Any:
    events = np.zeros(len(local_us), EVENT)
    events["exch_ts"], events["local_ts"] = _numbers(exchange_us) * 1_000, _numbers(local_us) * 1_000
    return events


def _numbers(column: pa.Array | pa.ChunkedArray) -> Any:
    return column.to_numpy(**({} if isinstance(column, pa.ChunkedArray) else {"zero_copy_only": False}))
