"""Shows what is, or may be, missing, and why: a line an incident, then a line a
stream. Reads only.

An incident is a group of gaps with one exchange and one cause that overlap or
adjoin in time, over all streams. The gap ledger is read from an archive and, of
a recorder, from its segments; of each gap's rows the latest counts. A stream is
verified where its ids prove that nothing is missing, unverifiable where ids
cannot tell, broken where messages are gone, unknown where its gaps could not
all be read. Messages are counted in the archive, by whole objects.

Times are UTC unless they name a zone. Exit code: 0, 1 when a file could not be
read, 2 when there is nothing to read.
"""

import argparse
import json
import sys
from pathlib import Path
from time import time_ns
from typing import Any

from pyarrow import parquet as pq
from rich.console import Console

from collector.domain.errors import ConfigError
from collector.domain.names import iso_time
from collector.domain.records import StreamKey
from collector.domain.redact import printable
from collector.read.ledger.gap_summary import StreamSummary, summaries
from collector.read.ledger.gaps import TIMES, Ledger, LedgerRow, read
from collector.read.ledger.incidents import LASTING, Incident, incidents
from collector.read.ledger.ledger_table import ledger_table
from collector.terminal.console import output_console
from collector.tools.archive_args import (
    STORE_HELP,
    add_config,
    data_dir_of,
    is_folder,
    opened,
    require_archive,
    require_symbol,
)
from collector.tools.gap_view import incident_line, shown_gaps, shown_streams
from collector.tools.moments import add_old_period_names, add_period, moment_us, require_order

EXAMPLES = """examples:
  %(prog)s                                 of ./data, its archive and its segments
  %(prog)s --config collector.toml         of the recorder that this file configures
  %(prog)s s3://bucket/prefix --from 24h   of an archive, the last day
  %(prog)s --data-dir data --symbol BTCUSDT --data-type trade --open
  %(prog)s --rows | grep BTCUSDT           a line a gap
  %(prog)s --json | jq '.streams[] | select(.state == "broken")'
  %(prog)s data/archive --parquet gaps.parquet
"""
FOR_EVER_US = 4_102_444_800_000_000  # the year 2100


def run(arguments: argparse.Namespace) -> int:
    """Read, choose, print; returns the exit code. Raises ConfigError or StoreError if there is nothing to read."""
    require_order(arguments.from_time, arguments.to_time)
    ledger = _read(arguments)
    if not ledger.unread:
        require_symbol(arguments.symbol, ledger.symbols)
    chosen = [row for row in ledger.rows() if _is_wanted(row, arguments)]
    streams = _summaries(ledger, chosen, arguments)
    rows = [row for row in chosen if not arguments.open or row.gap.status == "open"]
    found = [one for one in incidents(chosen) if not arguments.open or {"open", LASTING} & set(one.statuses)]
    if arguments.parquet:
        pq.write_table(ledger_table(rows), arguments.parquet)
    if arguments.json:
        listed = {"gaps": list(map(as_object, rows))} if arguments.rows else _incidents_object(found, ledger)
        listed |= {"streams": [summary.as_object() for summary in streams], "unread": ledger.unread}
        print(json.dumps(listed, indent=2))
    else:
        console = output_console()
        nothing = _nothing(ledger, only_open=arguments.open)
        if arguments.rows:
            _print_rows(console, rows, ledger, nothing)
        else:
            _print_incidents(console, found, ledger, nothing)
        _print_streams(console, streams, ledger)
    for line in ledger.unread:
        print(f"error: not read: {printable(line)}", file=sys.stderr)
    return 1 if ledger.unread else 0


def _read(arguments: argparse.Namespace) -> Ledger:
    """Raises ConfigError or StoreError if there is nothing to read."""
    data_dir: Path | None = arguments.data_dir
    if data_dir is None and arguments.store is None:
        data_dir = data_dir_of(arguments.config)
    named = arguments.store or (str(arguments.data_dir / "archive") if arguments.data_dir else None)
    for folder in (arguments.store, data_dir):
        if folder is not None and not is_folder(folder):
            raise ConfigError([f"{folder} is not a folder; name an archive, or --data-dir of a recorder"])
    store = opened(named, arguments.config)
    ledger = read(store, data_dir)
    if not (ledger.symbols or ledger.unread) and (data_dir is None or not (data_dir / "segments").is_dir()):
        require_archive(store)
    return ledger


def _print_incidents(console: Console, found: list[Incident], ledger: Ledger, nothing: str) -> None:
    for incident in found:
        console.print(incident_line(incident, ledger.is_injected))
    rows = [row for incident in found for row in incident.rows]
    print(f"{_count(len(found), 'incident')}, {_counts(rows)}{_unread(ledger)}" if found else nothing)


def _print_rows(console: Console, rows: list[LedgerRow], ledger: Ledger, nothing: str) -> None:
    if rows:
        console.print(shown_gaps(rows, console.width))
    print(f"{_counts(rows)}{_unread(ledger)}" if rows else nothing)


def _print_streams(console: Console, streams: list[StreamSummary], ledger: Ledger) -> None:
    if streams:
        print()
        console.print(shown_streams(streams, console.width))
    for stream in sorted(ledger.injected):
        print(printable(f"Recorded from a demo: its exchange leaves out messages of {' '.join(stream)} on purpose."))


def _nothing(ledger: Ledger, *, only_open: bool) -> str:
    """The line in place of gaps where there are none to show."""
    gaps = "no open gaps" if only_open else "no gaps"
    if ledger.unread:
        return f"{gaps} in what could be read{_unread(ledger)}"
    return gaps if only_open else f"{gaps} found"


def _unread(ledger: Ledger) -> str:
    return f"; {_count(len(ledger.unread), 'file')} could not be read" if ledger.unread else ""


def _counts(rows: list[LedgerRow]) -> str:
    return f"{_count(len(rows), 'gap')}, {sum(row.gap.status == 'open' for row in rows)} open"


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _incidents_object(found: list[Incident], ledger: Ledger) -> dict[str, Any]:
    def as_json(incident: Incident) -> dict[str, Any]:
        return {**incident.as_object(), "injected": sum(map(ledger.is_injected, incident.rows))}

    return {"incidents": list(map(as_json, found))}


def _summaries(ledger: Ledger, rows: list[LedgerRow], arguments: argparse.Namespace) -> list[StreamSummary]:
    messages = ledger.messages(iso_time(arguments.from_time), iso_time(arguments.to_time))

    def wanted(stream: StreamKey) -> bool:
        return _is_wanted_stream(stream, arguments)

    until_us = min(arguments.to_time, time_ns() // 1_000)
    found: list[StreamSummary] = summaries(rows, messages, wanted, arguments.from_time, until_us, ledger.is_injected)
    for summary in found:
        summary.is_unread = ledger.may_lack(summary.stream)
    return found


def _is_wanted(row: LedgerRow, arguments: argparse.Namespace) -> bool:
    """Whether it is of the streams and the time asked for. A gap that lasts is always recent."""
    gap = row.gap
    return (
        _is_wanted_stream(row.stream, arguments)
        and (gap.ended_at is None or gap.ended_at >= arguments.from_time)
        and gap.started_at < arguments.to_time
    )


def _is_wanted_stream(stream: StreamKey, arguments: argparse.Namespace) -> bool:
    return (
        (not arguments.exchange or stream.exchange in arguments.exchange)
        and (not arguments.symbol or stream.symbol in arguments.symbol)
        and (not arguments.data_type or stream.data_type in arguments.data_type)
    )


def as_object(row: LedgerRow) -> dict[str, Any]:
    """The row for `--json`: the ledger's columns, times in ISO 8601, UTC."""
    columns = row.gap._asdict()
    times = {name: None if columns[name] is None else iso_time(columns[name]) for name in TIMES}
    return {"exchange": row.exchange, "symbol": row.symbol, **columns, **times}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    add = parser.add_argument
    add("store", nargs="?", metavar="STORE", help=f"{STORE_HELP}; default: that of the data dir")
    add(
        "--data-dir", type=Path, metavar="DIR", help="a recorder's data_dir; default without STORE: the configuration's"
    )
    for name in ("exchange", "symbol", "data-type"):
        add(f"--{name}", action="append", default=[], help="only this one; may be given several times")
    add_period(parser, moment_us)
    parser.set_defaults(from_time=0, to_time=FOR_EVER_US)
    add_old_period_names(parser, moment_us)
    add(
        "--open",
        action="store_true",
        help="list only what is neither repaired nor given up; streams are judged by all of their gaps",
    )
    add("--rows", action="store_true", help="list each gap, not incidents")
    add(
        "--json", action="store_true", help="print an object with lists of incidents (with --rows: of gaps) and streams"
    )
    add("--parquet", type=Path, metavar="OUT", help="also write the gaps to this file")
    add_config(parser)
