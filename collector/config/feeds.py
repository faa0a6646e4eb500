"""Rules across feeds, and between feeds and exchanges: known exchanges and data types, unique names and streams.

They read the tree as given, before validation, so that one error does not hide another. A value that is not a feed at all
is reported by the model.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

from collector.config.display import display
from collector.config.keys import KEYS
from collector.config.problems import Problem
from collector.domain.records import StreamKey
from collector.domain.symbol_choice import Wanted, is_exact, overlap

Adapters = Mapping[str, Collection[str]]
"""Every known exchange with the data types that can be recorded from it."""


SymbolProblems = Callable[[str, tuple[str, ...]], list[str]]
"""Checks the entries of `symbols` by an exchange's rules; returns one line for each problem."""


def no_symbol_problems(_exchange: str, _symbols: tuple[str, ...]) -> list[str]:
    """Accept all symbols: for callers that know no exchange's rules."""
    return []


def symbol_lines(feeds: object, adapters: Adapters, problems_of: SymbolProblems) -> Iterator[str]:
    """One line for each symbol that its exchange does not accept."""
    for index, feed in enumerate(_list(feeds)):
        exchange = _setting(feed, "exchange") if isinstance(feed, dict) else None
        if isinstance(exchange, str) and exchange in adapters:
            symbols = tuple(symbol for symbol in _list(_setting(feed, "symbols")) if isinstance(symbol, str) and symbol)
            yield from (f"feed[{index}].{problem}" for problem in problems_of(exchange, symbols))


class _Claim(NamedTuple):
    """The name and the streams that a feed takes, as far as they can be read."""

    feed: int
    name: str
    streams: set[StreamKey]
    """Those of exact symbols."""
    exchange: object
    data_types: set[str]
    wanted: Wanted


def feed_problems(feeds: object, adapters: Adapters) -> Iterator[Problem]:
    """Find unknown exchanges and data types, and names and streams that appear in two feeds."""
    earlier: list[_Claim] = []
    for index, feed in enumerate(_list(feeds)):
        if isinstance(feed, dict):
            yield from _unknown(index, feed, adapters)
            claim = _claim(index, feed)
            for other in earlier:
                yield from _conflicts(feed, claim, other)
            earlier.append(claim)


def _unknown(index: int, feed: Mapping[str, Any], adapters: Adapters) -> Iterator[Problem]:
    exchange = _setting(feed, "exchange")
    if isinstance(exchange, str) and exchange not in adapters:
        yield Problem(("feed", index, "exchange"), exchange, "is unknown", _one_of(adapters))
    known = isinstance(exchange, str) and exchange in adapters
    offered = set(adapters[exchange]) if known else {name for names in adapters.values() for name in names}
    for number, data_type in enumerate(_list(_setting(feed, "data_types"))):
        if isinstance(data_type, str) and data_type not in offered:
            reason = f"is not offered by {exchange}" if known else "is unknown"
            yield Problem(("feed", index, "data_types", number), data_type, reason, _one_of(offered))


def _conflicts(feed: Mapping[str, Any], claim: _Claim, other: _Claim) -> Iterator[Problem]:
    # Names become folders, and some file systems do not tell upper from lower case.
    if claim.name and claim.name.casefold() == other.name.casefold():
        reason = f"is already the name of feed[{other.feed}]"
        yield Problem(
            ("feed", claim.feed, "name"), claim.name, reason, "a name that no other feed has (default: the exchange)"
        )
    shared = sorted(claim.streams & other.streams)
    if shared:
        more = f" (and {len(shared) - 1} more)" if len(shared) > 1 else ""
        reason = f"{display(' '.join(shared[0]))}{more} is already recorded by feed[{other.feed}]"
        symbols = _setting(feed, "symbols")
        yield Problem(("feed", claim.feed, "symbols"), symbols, reason, "streams that no other feed records")
    met = overlap(claim.wanted, other.wanted) if claim.exchange == other.exchange else None
    if met is not None and claim.data_types & other.data_types:
        reason = f"{display(met[0])} may bring symbols that {display(met[1])} of feed[{other.feed}] brings"
        must_be = "streams that no other feed records (exclude leaves symbols and patterns out)"
        yield Problem(("feed", claim.feed, "symbols"), _setting(feed, "symbols"), reason, must_be)


def _setting(feed: Mapping[str, Any], key: str) -> Any:
    return feed.get(key, KEYS[f"feed.{key}"].default)


def _name(feed: Mapping[str, Any]) -> str:
    name = _setting(feed, "name") or _setting(feed, "exchange")
    return name if isinstance(name, str) else ""


def _claim(index: int, feed: Mapping[str, Any]) -> _Claim:
    exchange = _setting(feed, "exchange")
    entries, exclude, data_types = (_texts(_setting(feed, key)) for key in ("symbols", "exclude", "data_types"))
    named = _texts([exchange]), tuple(filter(is_exact, entries)), data_types
    streams = {StreamKey(*names) for names in product(*named)}
    return _Claim(index, _name(feed), streams, exchange, set(data_types), Wanted(entries, exclude))


def _texts(values: object) -> tuple[str, ...]:
    return tuple(value for value in _list(values) if isinstance(value, str))


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _one_of(names: Collection[str]) -> str:
    return f"one of {', '.join(sorted(names))}"
