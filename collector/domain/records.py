"""The core types: streams, messages, gaps, and the typed rows of each data type.

Times are integer microseconds since the epoch, UTC, unless a name says `_ns`.
"""

from array import array
from collections.abc import Sequence
from enum import Enum
from typing import Any, Final, NamedTuple

UNKNOWN: Final = "_"
"""Stands for a symbol or data type that is not known."""

UNDECODED: Final = "undecoded"
GAP: Final = "gap"
INSTRUMENT: Final = "instrument"
"""The data type whose messages are the entries of the exchange's list of instruments."""

INT64_MAX: Final = 2**63 - 1
"""The largest integer that SQLite and Parquet store."""

BACKFILLED_LINE: Final = -1
"""The line of what repair fetched over REST."""


class StreamKey(NamedTuple):
    """A stream: it belongs to exactly one feed."""

    exchange: str
    symbol: str
    data_type: str


class IdRule(Enum):
    """What an exchange promises about the ids of a data type within a series."""

    DENSE = "dense"
    """A message's first id is the previous message's last id plus 1; a lower id outside a hole has been seen before."""
    CHAINED = "chained"
    """A message names the previous message's id. A break shows a loss; how many messages were lost is unknown."""
    RISING = "rising"
    """Ids are unique and rise, in steps of any size."""
    UNIQUE = "unique"
    """Ids are unique, in no order: they show copies and nothing else. Rows keep the order of receipt."""
    NONE = "none"
    """The exchange gives no id that is unique within a series."""

    @property
    def proves_continuity(self) -> bool:
        """Whether a hole proves a loss, and no hole proves that nothing is missing."""
        return self in {IdRule.DENSE, IdRule.CHAINED}


class Envelope(NamedTuple):
    """One message as an adapter decodes it: its stream, its ids, its time, and its unchanged text."""

    stream: StreamKey
    id: int | None
    """The exchange's own id, if the adapter declares it unique within a series."""
    first_id: int | None
    """The first id the message covers if it covers several; without a loss, the one after the previous message's id."""
    exchange_us: int | None
    """Transaction time if the message has one, else event time; None if this kind of message has neither. It is stored as
    the exchange sent it, plausible or not; `NO_TIME_US` if the field does not hold a time. Within 64 bits."""
    payload: bytes
    """The frame's text; of a frame with a list of messages, the part that is this message. Empty for a witness: it proves
    that a message with this id exists, and is judged but not stored."""
    is_snapshot: bool = False
    """Whether it replaces a whole book: its id says up to which update the book goes, and is no message's own."""


class Gap(NamedTuple):
    """A row of the gap ledger: part of a stream that is missing, or may be.

    A later row with the same `gap_id` replaces it; readers take the latest by `detected_at`.
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
    "book_unknown",
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
    """The trade's place in the exchange's order, where `trade_id` does not give it."""
    kind: str | None
    """`market`, or another kind that the exchange names (`insurance_fund`, `adl`, `liquidation`, `block`, `none`); None if
    it names none. An unknown kind is the exchange's own word in lower case."""


class AggTradeRow(NamedTuple):
    """Further columns of `agg_trade`."""

    trade_id: str
    price: float | None
    size: float | None
    side: str | None
    first_trade_id: str | None
    last_trade_id: str | None


class BookRow(NamedTuple):
    """Further columns of `book_delta` and `book_snapshot`. An absent side is an empty tuple; size 0 removes a level."""

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


class MarkPriceRow(NamedTuple):
    """Further columns of `mark_price`; None where the exchange sends none."""

    mark_price: float | None
    index_price: float | None
    settle_price: float | None


class FundingRateRow(NamedTuple):
    """Further columns of `funding_rate`; `next_funding_at` in µs since the epoch."""

    funding_rate: float | None
    predicted_rate: float | None
    next_funding_at: int | None
    interval_secs: int | None


class OpenInterestRow(NamedTuple):
    """Further columns of `open_interest`, in the exchange's own unit and in the quote or settlement currency."""

    open_interest: float | None
    open_interest_value: float | None


class LiquidationRow(NamedTuple):
    """Further columns of `liquidation`; `side` is that of the liquidation's order."""

    liquidation_id: str | None
    side: str | None
    price: float | None
    size: float | None
    average_price: float | None
    status: str | None


class InstrumentRow(NamedTuple):
    """Further columns of `instrument`; `kind` is spot, perpetual, future or option; times in µs since the epoch."""

    status: str | None
    kind: str | None
    base: str | None
    quote: str | None
    settle: str | None
    tick_size: float | None
    lot_size: float | None
    min_size: float | None
    min_notional: float | None
    contract_size: float | None
    listed_at: int | None
    expires_at: int | None


RowType = (
    type[TradeRow | AggTradeRow | BookRow | BookTickerRow]
    | type[MarkPriceRow | FundingRateRow | OpenInterestRow | LiquidationRow | InstrumentRow]
)

ROW_TYPES: Final[dict[str, RowType]] = {
    "trade": TradeRow,
    "agg_trade": AggTradeRow,
    "book_delta": BookRow,
    "book_snapshot": BookRow,
    "book_ticker": BookTickerRow,
    "mark_price": MarkPriceRow,
    "funding_rate": FundingRateRow,
    "open_interest": OpenInterestRow,
    "liquidation": LiquidationRow,
    "instrument": InstrumentRow,
}
"""The data types that can be recorded, each with the type of its rows."""


class Lists(NamedTuple):
    """A column of lists of doubles, end to end."""

    lengths: list[int]
    """Of each row's list."""
    values: "array[float] | list[float | None]"
    """An array has only finite doubles."""


Column = list[Any] | Lists


class TypedColumns(NamedTuple):
    """The typed rows of some messages, column by column: that takes half the time of a tuple for each row."""

    columns: tuple[Column, ...]
    """The fields of the row type, in its order; all of one length."""
    untyped: list[int]
    """The indexes, ascending, of the messages that have no row."""
    unread: Sequence[int] = ()
    """The rows with a number that could not be read, ascending; a number that is only absent does not count."""
