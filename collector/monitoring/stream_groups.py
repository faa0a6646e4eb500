"""Names many streams in few words: by exchange and data type, with counts. No I/O, no clock."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from collector.domain.records import StreamKey
from collector.domain.redact import printable

MAX_SYMBOLS: Final = 3
"""Symbols of one group that are named; of more only the count is."""

MAX_GROUPS: Final = 4
"""Groups that are named; the streams of the others are counted."""

_Types = Mapping[str, list[str]]
"""The symbols of each data type of an exchange."""


class _Group(NamedTuple):
    exchange: str
    text: str
    streams: int


def describe_streams(streams: Iterable[StreamKey], configured: Iterable[StreamKey]) -> str:
    """Such as `binance_usdm book_delta, book_ticker (all 20), trade (BTCUSDT); kraken (all 15 streams)`.

    Data types of an exchange for which the same symbols are meant share a group; the largest groups come first.
    """
    expected = _by_exchange(configured)
    groups = [
        group
        for exchange, types in _by_exchange(streams).items()
        for group in _groups(exchange, types, expected.get(exchange, {}))
    ]
    groups.sort(key=lambda group: -group.streams)
    texts: dict[str, list[str]] = defaultdict(list)
    for exchange, text, _ in groups[:MAX_GROUPS]:
        texts[exchange].append(text)
    others = sum(group.streams for group in groups[MAX_GROUPS:])
    more = f" and {others} more" if others else ""
    return "; ".join(f"{printable(exchange)} {', '.join(parts)}" for exchange, parts in texts.items()) + more


def _by_exchange(streams: Iterable[StreamKey]) -> Mapping[str, _Types]:
    found: dict[str, dict[str, list[str]]] = {}
    for exchange, symbol, data_type in streams:
        found.setdefault(exchange, {}).setdefault(data_type, []).append(symbol)
    return found


def _groups(exchange: str, types: _Types, expected: _Types) -> Iterator[_Group]:
    count = sum(map(len, types.values()))
    if len(types) > 1 and count > MAX_SYMBOLS and count == sum(map(len, expected.values())):
        yield _Group(exchange, f"(all {count} streams)", count)
        return
    by_extent: dict[str, list[str]] = defaultdict(list)
    for data_type, symbols in types.items():
        by_extent[_extent(symbols, len(expected.get(data_type, ())))].append(data_type)
    for extent, data_types in by_extent.items():
        text = f"{', '.join(map(printable, data_types))} ({extent})"
        yield _Group(exchange, text, sum(len(types[data_type]) for data_type in data_types))


def _extent(symbols: list[str], expected: int) -> str:
    """Which of a data type's symbols these are: by name while they are few, else how many of how many."""
    if len(symbols) <= MAX_SYMBOLS:
        return ", ".join(map(printable, symbols))
    return f"all {expected}" if len(symbols) == expected else f"{len(symbols)} of {expected}"
