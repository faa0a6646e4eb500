"""Recorded frames of Binance's markets through their adapters, made ready to be compared with another reading."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import cache
from typing import Any

from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope
from collector.exchanges.adapter import Adapter, Subscription
from tests.exchanges.rows import rows_of

Reading = tuple[str, str, int | None, int | None, tuple[Any, ...]]
"""Symbol, data type, id, time and row of a frame."""


def decoded(adapter: Adapter, frames: Iterable[bytes]) -> tuple[list[Envelope], Counter[str]]:
    """Decode frames of any symbol; also count the reasons of those that are no messages."""
    frames = list(frames)
    names = {name.decode() for frame in frames for name in re.findall(rb'"stream": ?"(\w+)@', frame)}
    symbols = tuple(sorted(name.upper() for name in names))
    decode = adapter.decoder(Subscription(symbols, tuple(adapter.id_rules)))
    envelopes, reasons = [], Counter[str]()
    for frame in frames:
        try:
            envelopes += decode(frame)
        except UndecodableError as error:
            reasons[str(error)] += 1
    return envelopes, reasons


def assert_equal_to(
    read_independently: Callable[[bytes], Reading], adapter: Adapter, envelopes: list[Envelope]
) -> None:
    """What the adapter makes of each payload is what that reading of it says."""
    by_type: dict[str, list[Envelope]] = defaultdict(list)
    for envelope in envelopes:
        by_type[envelope.stream.data_type].append(envelope)
    for data_type, group in by_type.items():
        rows = _exact(adapter, data_type, [envelope.payload for envelope in group])
        for envelope, row in zip(group, rows, strict=True):
            seen = (envelope.stream.symbol, data_type, envelope.id, envelope.exchange_us, row)
            assert seen == read_independently(envelope.payload)


def _exact(adapter: Adapter, data_type: str, payloads: list[bytes]) -> Iterator[tuple[Any, ...]]:
    """Typed rows with every double as the decimal that its shortest text is."""
    for row in rows_of(adapter, data_type, payloads):
        assert row is not None
        yield tuple(_as_decimals(value) for value in row)


def _as_decimals(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(map(_as_decimals, value))
    return _as_decimal(value) if isinstance(value, float) else value


@cache
def _as_decimal(value: float) -> Decimal:
    return Decimal(repr(value))


@cache
def number(text: str) -> Decimal:
    """The number that a frame's text stands for."""
    return Decimal(text)
