"""Names many streams in few words: by exchange and data type, with counts. No I/O, no clock."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from collector.domain.records import StreamKey
from collector.domain.redact import printable

MAX_SYMBOLS: Final = 3
"""Symbols of one group that are named; of more only the count is."""

MAX_GROUPS: Final = 4
"""Groups of data types that are named; the streams of the others are counted."""

_Symbols = tuple[str, ...]


def describe_streams(streams: Collection[StreamKey], configured: Iterable[StreamKey]) -> str:
    """Such as `binance_usdm book_delta, book_ticker (all 20), trade (BTCUSDT); kraken trade (5 of 20)`.

    Data types of one exchange whose symbols read the same share a group; the largest groups come first.
    """
    expected = _symbols_by_type(configured)
    groups: dict[tuple[str, str], list[tuple[str, _Symbols]]] = defaultdict(list)
    for (exchange, data_type), symbols in _symbols_by_type(streams).items():
        extent = _extent(symbols, len(expected.get((exchange, data_type), ())))
        groups[exchange, extent].append((data_type, symbols))
    largest_first = sorted(groups.items(), key=lambda group: -_stream_count(group[1]))
    named: dict[str, list[str]] = defaultdict(list)
    for (exchange, extent), members in largest_first[:MAX_GROUPS]:
        data_types = ", ".join(printable(data_type) for data_type, _ in members)
        named[exchange].append(f"{data_types} ({extent})")
    others = sum(_stream_count(members) for _, members in largest_first[MAX_GROUPS:])
    more = f" and {others} more" if others else ""
    return "; ".join(f"{printable(exchange)} {', '.join(groups)}" for exchange, groups in named.items()) + more


def _symbols_by_type(streams: Iterable[StreamKey]) -> Mapping[tuple[str, str], _Symbols]:
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for stream in streams:
        found[stream.exchange, stream.data_type].append(stream.symbol)
    return {key: tuple(symbols) for key, symbols in found.items()}


def _extent(symbols: _Symbols, expected: int) -> str:
    """Which of a data type's symbols these are: by name while they are few, else how many of how many."""
    if len(symbols) <= MAX_SYMBOLS:
        return ", ".join(map(printable, symbols))
    return f"all {expected}" if len(symbols) == expected else f"{len(symbols)} of {expected}"


def _stream_count(members: Iterable[tuple[str, _Symbols]]) -> int:
    return sum(len(symbols) for _, symbols in members)
