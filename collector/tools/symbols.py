"""Asks an exchange for its instruments and prints each as it is written in a
configuration: its symbol, kind, whether it trades now, and the value traded in
24 hours where the exchange tells. No key is needed, and nothing is recorded.
All of it must come within a minute.

Exit code: 0, 1 when nothing matches, 2 when the exchange gives no list.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from rich.table import Table

from collector.config.load import load
from collector.domain.errors import ConfigError
from collector.domain.redact import printable
from collector.domain.symbol_choice import is_exact, matcher
from collector.exchanges.registry import adapter, data_types
from collector.feed.rest import RestClient
from collector.processes.context import SystemClock
from collector.processes.listing import ListingError, ask_instruments, ask_volumes, within
from collector.storage.instrument_files import ListedInstrument
from collector.terminal.console import output_console

EXAMPLES = """examples:
  %(prog)s binance                                  every instrument
  %(prog)s binance --match '*USDT'                  those that symbols = ["*USDT"] records
  %(prog)s bybit_linear --match 'BTC*' --kind future
  %(prog)s okx --trading --json | jq -r '.[].symbol'
"""
ANSWER_SECS = 60.0
"""How long to wait for all pages of the list, and for the volumes, together."""

KINDS = ("spot", "perpetual", "future", "option")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("exchange", metavar="EXCHANGE", help=f"one of {', '.join(sorted(data_types()))}")
    parser.add_argument("--match", metavar="PATTERN", help="only symbols of this form: * is any text, ? one character")
    parser.add_argument("--kind", choices=KINDS, help="only instruments of this kind")
    parser.add_argument("--trading", action="store_true", help="only instruments that trade now")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a configuration, whose feed.rest_url is asked")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Ask, choose, print; returns the exit code. Raises ConfigError for an unknown exchange, or ListingError."""
    listed = _ask(arguments.exchange, _rest_url(arguments))
    pattern = arguments.match or "*"
    found = [
        each
        for each in listed
        if matcher((pattern,))(each.symbol)
        and arguments.kind in {None, each.kind}
        and (each.is_trading or not arguments.trading)
    ]
    if arguments.json:
        print(json.dumps(list(map(_as_object, found)), indent=2))
    elif found:
        output_console().print(_table(found))
    if not found:
        print(f"nothing of {arguments.exchange} matches{_hint(pattern, listed)}", file=sys.stderr)
    return 0 if found else 1


def _rest_url(arguments: argparse.Namespace) -> str:
    """What the configuration sets for the exchange; empty for the exchange's own server."""
    config = load(arguments.config, os.environ, data_types())
    return next((feed.rest_url for feed in config.feed if feed.exchange == arguments.exchange and feed.rest_url), "")


def _ask(exchange: str, rest_url: str) -> list[ListedInstrument]:
    rest = adapter(exchange).rest
    if rest is None:
        raise ListingError(f"{exchange} has no list of instruments")
    try:
        client = RestClient(rest_url or rest.limits.url, SystemClock())
    except ValueError as error:
        raise ConfigError([str(error)]) from error
    until = monotonic() + ANSWER_SECS
    listed, unread = within(ANSWER_SECS, exchange, partial(ask_instruments, exchange, rest, client))
    if unread.number:
        print(f"note: without entries that cannot be read: {unread.number}: {printable(unread.first)}", file=sys.stderr)
    try:
        volumes = within(max(0.0, until - monotonic()), exchange, partial(ask_volumes, exchange, rest, client))
    except ListingError as error:
        print(f"note: without volumes: {printable(str(error))}", file=sys.stderr)
        volumes = {}
    return [ListedInstrument(each.symbol, each.kind, each.is_trading, volumes.get(each.symbol)) for each in listed]


def _hint(pattern: str, listed: Sequence[ListedInstrument]) -> str:
    close = get_close_matches(pattern, [each.symbol for each in listed], n=1) if is_exact(pattern) else []
    return f"; did you mean {printable(close[0])}?" if close else ""


def _as_object(each: ListedInstrument) -> dict[str, Any]:
    return {"symbol": each.symbol, "kind": each.kind, "trading": each.is_trading, "volume": each.volume}


def _table(found: Sequence[ListedInstrument]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("symbol", "kind", "state"):
        table.add_column(column, no_wrap=True)
    with_volumes = any(each.volume is not None for each in found)
    if with_volumes:
        table.add_column("traded in 24 h", justify="right", no_wrap=True)
    for each in found:
        volume = "" if each.volume is None else f"{each.volume:,.0f}"
        state = "trading" if each.is_trading else "not trading"
        table.add_row(printable(each.symbol), each.kind, state, *([volume] if with_volumes else []))
    return table
