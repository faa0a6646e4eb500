"""The words of the project as types: streams, messages, gaps, and the typed rows of each data type.

Times are integer microseconds since the epoch, UTC, unless a name says `_ns`.
"""

from enum import Enum
from typing import Final, NamedTuple

UNKNOWN: Final = "_"
"""Stands for a symbol or data type that is not known."""

UNDECODED: Final = "undecoded"
GAP: Final = "gap"

BACKFILLED_LINE: Final = -1


class StreamKey(NamedTuple):
    """A stream: it belongs to exactly one feed."""

    exchange: str
    symbol: str
    data_type: str


class IdRule(Enum):
    """What the ids of a data type promise within a series."""

    DENSE = "dense"
    """A message's ids begin right behind the last one's; a lower id outside a hole has been seen before."""
    CHAINED = "chained"
    """A message names the id of the one before it, and covers what lies between; how many messages that is, is unknown."""
    RISING = "rising"
    """Ids are unique and rise, in steps of any size."""
    NONE = "none"
    """The exchange gives no id that is unique within a series."""

    @property
    def proves_continuity(self) -> bool:
        """Whether a hole in the ids is proof of loss, and no hole proof of none."""
        return self in {IdRule.DENSE, IdRule.CHAINED}


class Envelope(NamedTuple):
    """One message as the writer stores it: which stream, where in it, and its untouched text."""

    stream: StreamKey
    id: int | None
    """The exchange's own id where its adapter declares one unique within a series."""
    first_id: int | None
    """The first id the message covers, where it covers more than `id`: the one behind the last message's."""
    exchange_us: int | None
    """Transaction time where the message has one, else event time; None where its kind has none. As the exchange says
    it, true or not; `NO_TIME_US` where what stands there is no time. Within 64 bits."""
    payload: bytes
    """The frame's text or, of a frame with many messages, this message's own."""


StoredMessage = tuple[int, int, int, int, int, int | None, int, bytes]
"""A row of a segment's `messages`: row, stream_id, series, id, received_us, exchange_us, line, payload.

A plain tuple, because one is made for every message.
"""


class Gap(NamedTuple):
    """A row of the gap ledger: a stretch of a stream that is, or may be, missing.

    A later row with the same `gap_id` closes or repairs it; readers take the latest by `detected_at`.
    """

    gap_id: str
    stream_type: str
    kind: str
    cause: str
    expected_id: str | None
    actual_id: str | None
    missing: int | None
    started_at: int
    ended_at: int | None
    line: int | None
    status: str
    repaired_by: str | None
    detected_at: int


GAP_KINDS: Final = (
    "sequence",
    "silence",
    "checksum",
    "crossed",
    "reset",
    "out_of_order",
    "duplicate_conflict",
    "budget",
    "undecodable",
    "damaged",
)
GAP_CAUSES: Final = ("disconnect", "exchange", "restart", "disk_budget", "parse", "disk", "unknown")
GAP_STATUSES: Final = ("open", "repaired", "partly_repaired", "unrepairable")


class TradeRow(NamedTuple):
    """Further columns of `trade`; `side` is the taker's: buy, sell or None."""

    trade_id: str
    price: float | None
    size: float | None
    side: str | None
    sequence: int | None
    """The exchange's order, where that is not the order of `trade_id`."""
    kind: str | None
    """`market`, or what else the exchange says it is (`insurance_fund`, `adl`, `liquidation`, `block`, `none`); None: it
    does not say. A word that is new is the exchange's own, in small letters."""


class AggTradeRow(NamedTuple):
    """Further columns of `agg_trade`."""

    trade_id: str
    price: float | None
    size: float | None
    side: str | None
    first_trade_id: str | None
    last_trade_id: str | None


class BookRow(NamedTuple):
    """Further columns of `book_delta` and `book_snapshot`; an absent side is empty, size 0 removes a level."""

    first_id: int | None
    last_id: int | None
    previous_id: int | None
    is_snapshot: bool
    bid_prices: tuple[float | None, ...]
    bid_sizes: tuple[float | None, ...]
    ask_prices: tuple[float | None, ...]
    ask_sizes: tuple[float | None, ...]


class BookTickerRow(NamedTuple):
    """Further columns of `book_ticker`."""

    update_id: int | None
    bid_price: float | None
    bid_size: float | None
    ask_price: float | None
    ask_size: float | None


TypedRow = TradeRow | AggTradeRow | BookRow | BookTickerRow

ROW_TYPES: Final[dict[str, type[TypedRow]]] = {
    "trade": TradeRow,
    "agg_trade": AggTradeRow,
    "book_delta": BookRow,
    "book_snapshot": BookRow,
    "book_ticker": BookTickerRow,
}
"""The data types that can be recorded, each with the shape of its typed row."""
