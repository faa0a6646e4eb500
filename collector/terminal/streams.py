"""The streams as a terminal shows them, with as many columns as fit."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from collector.terminal.speed import Rates
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

_FEWEST: Final = 3
"""Rows below which a table of streams is not worth its header."""


def streams_in_lines(
    streams: Sequence[Mapping[str, Any]], now: datetime, console: Console, rates: Rates, lines: int
) -> RenderableType:
    """The streams in so many lines: all of them, those that need a look first, or only how many there are."""
    if len(streams) + 1 <= lines:
        return streams_table(streams, now, console, rates)
    rows = lines - 2  # a header and the line about the others
    if rows < _FEWEST:
        return _summary(streams)
    worst_first = sorted(streams, key=_order)
    others = worst_first[rows:]
    silent = sum(bool(stream["silent"]) for stream in others)
    which = f"{number(silent)} of them silent" if silent else "none of them silent"
    more = Text(f"and {number(len(others))} more streams, {which}", "dim")
    return Group(streams_table(worst_first[:rows], now, console, rates), more)


def _order(stream: Mapping[str, Any]) -> tuple[bool, str]:
    """Silent streams first, then those that have waited longest for a durable row."""
    return not stream["silent"], stream["last_durable_at"] or ""


def _summary(streams: Sequence[Mapping[str, Any]]) -> Text:
    silent = sum(bool(stream["silent"]) for stream in streams)
    never = sum(stream["last_durable_at"] is None and not stream["silent"] for stream in streams)
    line = Text(f"{number(len(streams) - silent - never)} of {number(len(streams))} streams recorded")
    if silent:
        line.append(f", {number(silent)} silent", "yellow")
    if never:
        line.append(f", {number(never)} without a row yet", "yellow")
    return line


def streams_table(streams: Sequence[Mapping[str, Any]], now: datetime, console: Console, rates: Rates) -> Table:
    """One row for each stream; `rates` is empty while no rates are known."""
    if console.width < NARROW:
        return _narrow(streams, now, rates)
    signs, wide = Signs(console), console.width >= WIDE
    has_lines = any(stream.get("first_by_line") for stream in streams)
    saved = [">saved"] if has_lines else []
    columns = ["stream", "", "", ">messages", *([">now"] if rates else []), ">gaps", *saved, ">received", ">durable"]
    made: Table = table(*columns, *(["of its limit"] if wide else []))
    for stream in streams:
        names = [stream[name] for name in ("exchange", "symbol", "data_type")]
        per_sec = [rate(rates.get(tuple(names)))] if rates else []
        made.add_row(
            *(shown(name, "yellow" if stream["silent"] else "") for name in names),
            number(stream["messages"]),
            *per_sec,
            Text(number(stream["gaps"]), "yellow" if stream["gaps"] else ""),
            *([_saved(stream)] if has_lines else []),
            age(stream["last_received_at"], now),
            age(stream["last_durable_at"], now),
            *([_share_of_limit(stream, now, signs)] if wide else []),
        )
    return made


def _saved(stream: Mapping[str, Any]) -> str:
    """What one line skipped and another brought; empty where nothing can show it."""
    return number(stream["saved"]) if stream["first_by_line"] and stream["saved"] is not None else ""


def _narrow(streams: Sequence[Mapping[str, Any]], now: datetime, rates: Rates) -> Table:
    """One column for the stream's name, its exchange last because the end is cut; the rate instead of the count."""
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


def _share_of_limit(stream: Mapping[str, Any], now: datetime, signs: Signs) -> Text:
    """The age of its newest durable row as a share of its silence limit."""
    limit_secs, secs = stream["silent_after_secs"], age_secs(stream["last_durable_at"], now)
    if limit_secs is None or secs is None:
        return Text()
    return Text.assemble(signs.bar(secs / limit_secs), f" {span(limit_secs)}")
