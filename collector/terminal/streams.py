"""The streams as a terminal shows them: as many columns as there is room for."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from collector.terminal.tables import (
    NARROW,
    WIDE,
    Signs,
    age,
    age_secs,
    number,
    on_one_line,
    rate,
    shown,
    span,
    table,
)

Rates = Mapping[tuple[str, ...], float]
"""Messages a second of each stream."""


def streams_table(streams: Sequence[Mapping[str, Any]], now: datetime, console: Console, rates: Rates) -> Table:
    """A row a stream; `rates` is empty where nothing is known yet."""
    if console.width < NARROW:
        return _narrow(streams, now, rates)
    signs, wide = Signs(console), console.width >= WIDE
    columns = ["stream", "", "", ">messages", *([">now"] if rates else []), ">gaps", ">received", ">durable"]
    made: Table = table(*columns, *(["of its limit"] if wide else []))
    for stream in streams:
        names = [stream[name] for name in ("exchange", "symbol", "data_type")]
        per_sec = [rate(rates.get(tuple(names)))] if rates else []
        made.add_row(
            *(shown(name, "yellow" if stream["silent"] else "") for name in names),
            number(stream["messages"]),
            *per_sec,
            Text(number(stream["gaps"]), "yellow" if stream["gaps"] else ""),
            age(stream["last_received_at"], now),
            age(stream["last_durable_at"], now),
            *([_patience(stream, now, signs)] if wide else []),
        )
    return made


def _narrow(streams: Sequence[Mapping[str, Any]], now: datetime, rates: Rates) -> Table:
    """One name a stream, the exchange last because it is cut first; the rate where it is known, in place of the count."""
    made: Table = table("stream", ">now" if rates else ">messages", ">gaps", ">durable")
    for stream in streams:
        names = (stream["exchange"], stream["symbol"], stream["data_type"])
        made.add_row(
            on_one_line(shown(f"{names[1]} {names[2]} {names[0]}", "yellow" if stream["silent"] else "")),
            rate(rates.get(names)) if rates else number(stream["messages"]),
            Text(number(stream["gaps"]), "yellow" if stream["gaps"] else ""),
            age(stream["last_durable_at"], now),
        )
    return made


def _patience(stream: Mapping[str, Any], now: datetime, signs: Signs) -> Text:
    """How much of the time it may be silent has passed."""
    limit_secs, secs = stream["silent_after_secs"], age_secs(stream["last_durable_at"], now)
    if limit_secs is None or secs is None:
        return Text()
    return Text.assemble(signs.bar(secs / limit_secs), f" {span(limit_secs)}")
