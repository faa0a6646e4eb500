"""What the tests of single exchanges have in common: frames through an adapter, and what another project made of them."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from collector.domain.errors import UndecodableError
from collector.domain.names import time_us
from collector.domain.records import BookRow, BookTickerRow, Envelope, LiquidationRow, TradeRow
from collector.exchanges.adapter import Adapter, Control, ControlKind, Decode
from tests.exchanges.rows import rows_of


def as_frame(message: object) -> bytes:
    """A message as exchanges write JSON."""
    return json.dumps(message, separators=(",", ":")).encode()


def decoded(decode: Decode, frames: Iterable[bytes]) -> list[Envelope]:
    """The messages of all frames."""
    return [message for frame in frames for message in decode(frame)]


def refusal(decode: Decode, frame: bytes) -> str:
    """The reason why a frame cannot be decoded; empty if it can."""
    try:
        decode(frame)
    except UndecodableError as error:
        return str(error)
    return ""


def kind_of(adapter: Adapter, frame: bytes) -> ControlKind | None:
    """What a frame means for the connection."""
    control: Control | None = adapter.control(frame)
    return None if control is None else control.kind


_DERIVED: Final = {
    "markPrice": ("mark_price", "mark_price"),
    "indexPrice": ("mark_price", "index_price"),
    "fundingRate": ("funding_rate", "funding_rate"),
    "predictedFundingRate": ("funding_rate", "predicted_rate"),
    "fundingTimestamp": ("funding_rate", "next_funding_at"),
    "openInterest": ("open_interest", "open_interest"),
}


def told(adapter: Adapter, found: Iterable[Envelope]) -> Counter[Any]:
    """What messages tell, in the words of another project: whole trades, books and best prices, and each figure by itself."""
    facts: Counter[Any] = Counter()
    for one in found:
        (row,) = rows_of(adapter, one.stream.data_type, [one.payload])
        kind, symbol = one.stream.data_type, one.stream.symbol
        if isinstance(row, TradeRow):
            facts[kind, symbol, row.trade_id, row.price, row.size, row.side, one.exchange_us] += 1
        elif isinstance(row, BookRow):
            facts["book", symbol, row.is_snapshot, row[4:], one.exchange_us] += 1
        elif isinstance(row, BookTickerRow):
            facts[kind, symbol, row[1:]] += 1
        elif isinstance(row, LiquidationRow):
            facts[kind, symbol, row.liquidation_id, row.price, row.size, row.side] += 1
        elif row is not None:
            facts.update((kind, symbol, name, value) for name, value in row._asdict().items() if value is not None)
    return facts


def told_elsewhere(records: Iterable[dict[str, Any]]) -> Counter[Any]:
    """The same of another project's records."""
    facts: Counter[Any] = Counter()
    for one in records:
        kind, symbol, at_us = one["type"], one["symbol"], time_us(one["timestamp"])
        if kind == "trade":
            facts[kind, symbol, one["id"], one["price"], one["amount"], one["side"], at_us] += 1
        elif kind == "book_change":
            sides = (
                tuple(level[name] for level in one[side]) for side in ("bids", "asks") for name in ("price", "amount")
            )
            facts["book", symbol, one["isSnapshot"], tuple(sides), at_us] += 1
        elif kind == "book_ticker":
            facts[kind, symbol, tuple(one[name] for name in ("bidPrice", "bidAmount", "askPrice", "askAmount"))] += 1
        elif kind == "liquidation":
            facts[kind, symbol, one["id"], one["price"], one["amount"], one["side"]] += 1
        elif kind == "derivative_ticker":
            facts.update(
                (*place[:1], symbol, place[1], time_us(one[name]) if name.endswith("Timestamp") else one[name])
                for name, place in _DERIVED.items()
                if one[name] is not None
            )
    return facts


def untold(adapter: Adapter, found: list[Envelope], records: Iterable[dict[str, Any]]) -> set[Any]:
    """What another project tells of these messages and their rows do not. Its tickers repeat what earlier messages told, so
    only data types of these messages count.
    """
    facts = told(adapter, found)
    kinds = {fact[0] for fact in facts}
    return {fact for fact in told_elsewhere(records) - facts if fact[0] in kinds or not facts}
