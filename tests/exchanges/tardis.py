"""What another project makes of frames (tardis-dev's tests), in words of ours, and where it differs on purpose.

It shares no code with the adapters. Each pair is judged by one of the outcomes below; facts that only one side tells are
named, "ours" or "theirs" before them.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from collector.domain.errors import UndecodableError
from collector.domain.names import time_us
from collector.domain.records import BookRow, BookTickerRow, Envelope, LiquidationRow, TradeRow
from collector.exchanges import registry
from collector.exchanges.adapter import Adapter, Subscription
from tests.exchanges.rows import rows_of

ALIKE: Final = "alike"
MADE: Final = "made by that project"

Fact = tuple[Any, ...]
"""A data type, a field ("" for all of a row), a symbol, and the value."""

_DERIVED: Final = {
    "markPrice": ("mark_price", "mark_price"),
    "indexPrice": ("mark_price", "index_price"),
    "fundingRate": ("funding_rate", "funding_rate"),
    "predictedFundingRate": ("funding_rate", "predicted_rate"),
    "fundingTimestamp": ("funding_rate", "next_funding_at"),
    "openInterest": ("open_interest", "open_interest"),
}
"""Fields of their tickers of derivatives, each with our data type and column."""
_OF_OPTIONS: Final = {name: _DERIVED[name] for name in ("markPrice", "openInterest")}
_BEST: Final = ("bidPrice", "bidAmount", "askPrice", "askAmount")
_COMPARED: Final = frozenset(_DERIVED.values())


class Theirs(NamedTuple):
    """How one of their exchanges is read here."""

    exchange: str
    """Our adapter's name."""
    spell: Callable[[str], str] = str
    """Our symbol of theirs."""
    rewrite: Callable[[str], str] = str
    """The frame as our subscription would bring it."""
    before: Callable[[Any], Sequence[str]] = lambda _: ()
    """Frames that the connection must have had before a pair's last one."""


def unread(why: str) -> str:
    """The outcome of a frame that the adapter cannot decode, with the words of its error."""
    return f"undecoded: {why}"


def _symbols(their: Theirs, pair: Mapping[str, Any]) -> set[str]:
    """Those of the records; where there are none, every text that may be one."""
    raw = pair["messages"][-1]["raw"]
    named = {record["symbol"] for record in pair["expected"] or []}
    return {their.spell(name) for name in named or _texts([raw, *map(json.loads, their.before(raw))])}


def judged(their: Theirs, pair: Mapping[str, Any]) -> str:
    """How the adapter's reading of a pair's last frame compares: one of the outcomes, or the facts of one side only."""
    raw = pair["messages"][-1]["raw"]
    frame = their.rewrite(json.dumps(raw, separators=(",", ":")))
    if '"generated":true' in frame:
        return MADE
    expected = pair["expected"] or []
    adapter = registry.adapter(their.exchange)
    polled = adapter.rest.polls if adapter.rest is not None else {}
    data_types = tuple(name for name in adapter.id_rules if name not in polled and name != "instrument")
    decode = adapter.decoder(Subscription(tuple(sorted(_symbols(their, pair))), data_types))
    for earlier in their.before(raw):
        assert decode(earlier.encode()) == []
    try:
        messages = decode(frame.encode())
    except UndecodableError as error:
        return unread(str(error))
    ours, theirs = Counter(facts(adapter, messages)), Counter(facts_elsewhere(expected, their.spell))
    only = [("ours", ours - theirs), ("theirs", theirs - ours)]
    names = sorted({f"{side} {'.'.join(filter(None, fact[:2]))}" for side, some in only for fact in some})
    return ", ".join(names) or ALIKE


def facts(adapter: Adapter, messages: Iterable[Envelope]) -> list[Fact]:
    """What messages tell: whole trades, books and best prices, and each figure of a derivative by itself."""
    found: list[Fact] = []
    for one in messages:
        (row,) = rows_of(adapter, one.stream.data_type, [one.payload])
        kind, symbol, at_us = one.stream.data_type, one.stream.symbol, one.exchange_us
        if isinstance(row, TradeRow):
            found += [
                ("trade", "", symbol, row.price, row.size, row.side, at_us),
                ("trade", "id", symbol, row.trade_id, at_us),
            ]
        elif isinstance(row, BookRow):
            found += [("book", "", symbol, row.is_snapshot, *_levels(row)), ("book", "time", symbol, at_us)]
            if None in (*row.bid_sizes, *row.ask_sizes):
                found.append(("book", "unread size", symbol))
        elif isinstance(row, BookTickerRow):
            found += [("book_ticker", "", symbol, row[1::2]), ("book_ticker", "time", symbol, at_us)]
            if any(size is not None for size in row[2::2]):
                found.append(("book_ticker", "sizes", symbol, row[2::2]))
        elif isinstance(row, LiquidationRow):
            found += [
                ("liquidation", "", symbol, row.price, row.size, at_us),
                ("liquidation", "id", symbol, row.liquidation_id),
                ("liquidation", "side", symbol, row.side),
            ]
        elif row is not None:
            figures = row._asdict().items()
            found += [
                (kind, name, symbol, value)
                for name, value in figures
                if (kind, name) in _COMPARED and value is not None
            ]
    return found


def _levels(book: BookRow) -> Iterator[tuple[tuple[Any, Any], ...]]:
    """Prices and sizes of bids and asks; levels whose size could not be read are left out."""
    for prices, sizes in ((book.bid_prices, book.bid_sizes), (book.ask_prices, book.ask_sizes)):
        yield tuple(level for level in zip(prices, sizes, strict=True) if level[1] is not None)


def facts_elsewhere(records: Iterable[Mapping[str, Any]], spell: Callable[[str], str]) -> list[Fact]:
    """The same of the other project's records."""
    found: list[Fact] = []
    for one in records:
        kind, symbol, at_us = one["type"], spell(one["symbol"]), time_us(one["timestamp"])
        if kind == "trade":
            found += [
                ("trade", "", symbol, one["price"], one["amount"], one["side"], at_us),
                ("trade", "id", symbol, one["id"], at_us),
            ]
        elif kind == "book_change":
            sides = [[(level["price"], level["amount"]) for level in one[side]] for side in ("bids", "asks")]
            found += [("book", "", symbol, one["isSnapshot"], *map(tuple, sides)), ("book", "time", symbol, at_us)]
        elif kind == "book_ticker":
            best = tuple(one[name] for name in _BEST)
            found += [
                ("book_ticker", "", symbol, best[::2]),
                ("book_ticker", "sizes", symbol, best[1::2]),
                ("book_ticker", "time", symbol, at_us),
            ]
        elif kind == "liquidation":
            found += [
                ("liquidation", "", symbol, one["price"], one["amount"], at_us),
                ("liquidation", "id", symbol, one["id"]),
                ("liquidation", "side", symbol, one["side"]),
            ]
        else:
            places = {"derivative_ticker": _DERIVED, "option_summary": _OF_OPTIONS}[kind]
            found += [
                (*place, symbol, time_us(one[name]) if name.endswith("Timestamp") else one[name])
                for name, place in places.items()
                if one[name] is not None
            ]
    return found


def _texts(value: object) -> set[str]:
    """Every text in a frame that may be a symbol, or end with one."""
    if isinstance(value, str):
        return {value, *value.split("."), value.rpartition(":")[2], value.rpartition("_")[2], value.partition("@")[0]}
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {text for one in inner for text in _texts(one)}
