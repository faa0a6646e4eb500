"""Shows what there is, the best levels of a book at regular moments, and bars of trades."""

import argparse
from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from collector.read.archive import SOURCES
from collector.read.frame import Frame
from collector.terminal.console import output_console
from collector.terminal.tables import number, shown, size, table
from collector.tools.frame_output import Lines, Row, add_output, put
from collector.tools.moments import add_period, moment_us
from collector.tools.opened_archive import (
    add_gaps,
    add_store,
    add_stream,
    answered,
    books_of,
    levels_of,
    opened_archive,
)
from collector.tools.row_lines import cell_text, is_number, time_text

STREAMS_EXAMPLES: Final = """examples:
  %(prog)s                        of the configured recorder
  %(prog)s s3://bucket/prefix
  %(prog)s data/archive --data-dir data --json
"""

DEPTH_EXAMPLES: Final = """examples:
  %(prog)s BTCUSDT --from 1h --every 1s --levels 5
  %(prog)s BTCUSDT data/archive --from 2026-11-23 --to 2026-11-24 --parquet depth.parquet
  %(prog)s BTCUSDT --from 10min --gaps mark --csv
"""

BARS_EXAMPLES: Final = """examples:
  %(prog)s BTCUSDT --from 24h --every 1h
  %(prog)s BTCUSDT data/archive --from 2026-11-23 --to 2026-11-24 --csv
"""

_STATES: Final = {"open": "green", "waiting": "yellow", "pruned": "dim"}
_DEPTH: Final = (
    ("at (UTC)", False), ("bid total", True), ("size", True), ("bid", True), ("ask", True), ("size", True),
    ("ask total", True), ("spread", True),
)  # fmt: skip
_MARKS: Final = ("gap_id", "piece")


def streams(arguments: argparse.Namespace) -> int:
    """Show what there is; returns the exit code. Raises ConfigError, StoreError."""
    return answered(_streams, arguments)


def depth(arguments: argparse.Namespace) -> int:
    """Show the best levels; returns the exit code. Raises ConfigError, StoreError."""
    return answered(_depth, arguments)


def bars(arguments: argparse.Namespace) -> int:
    """Show bars; returns the exit code. Raises ConfigError, StoreError."""
    return answered(_bars, arguments)


def _streams(arguments: argparse.Namespace) -> int:
    found = opened_archive(arguments).streams()
    if arguments.json or arguments.csv or arguments.parquet:
        put(Frame("streams", found.schema, lambda: iter((found,))), arguments, Lines((), lambda _row: ()))
        return 0
    rows = found.to_pylist()
    with_hosts = len({row["host"] for row in rows} - {None}) > 1
    names = ("exchange", "symbol", "type", "first (UTC)", "last (UTC)", ">rows", ">size", "state")
    made = table(*names, *(["host"] if with_hosts else []))
    for row in rows:
        times = ["" if row[name] is None else f"{row[name]:%Y-%m-%d %H:%M:%S}" for name in ("first", "last")]
        texts = [shown(row[name]) for name in ("exchange", "symbol", "data_type")]
        state = shown(row["state"], _STATES.get(row["state"], ""))
        host = [shown(row["host"])] if with_hosts else []
        made.add_row(*texts, *times, number(row["rows"]), size(row["bytes"]), state, *host)
    output_console().print(made if rows else "nothing was recorded")
    return 0


def _depth(arguments: argparse.Namespace) -> int:
    archive = opened_archive(arguments)
    until = arguments.to_time or max(books_of(archive, arguments)[1], arguments.from_time + 1)
    frame = archive.depth(
        arguments.symbol, arguments.from_time, until, levels=arguments.levels, every=arguments.every,
        exchange=arguments.exchange, host=arguments.host, gaps=arguments.gaps,
    )  # fmt: skip
    put(frame, arguments, Lines([*_DEPTH, *_marks(frame.schema)], _depth_cells), arguments.levels)
    return 0


def _depth_cells(row: Row) -> list[str]:
    marks = [cell_text(row[name]) for name in _MARKS if name in row]
    if row["bid_prices"] is None:
        return [time_text(row["at"]), "", "", "unknown", "", "", "", "", *marks]
    bids, asks = (list(zip(row[f"{side}_prices"], row[f"{side}_sizes"], strict=True)) for side in ("bid", "ask"))
    sums = [f"{sum(size for _, size in levels):.8g}" for levels in (bids, asks)]
    (bid, bid_size), (ask, ask_size) = (levels[0] if levels else (None, None) for levels in (bids, asks))
    spread = "" if bid is None or ask is None else f"{ask - bid:.8g}"
    best = [cell_text(value) for value in (bid_size, bid, ask, ask_size)]
    return [time_text(row["at"]), sums[0], *best, sums[1], spread, *marks]


def _bars(arguments: argparse.Namespace) -> int:
    frame = opened_archive(arguments).bars(
        arguments.symbol, arguments.from_time, arguments.to_time, every=arguments.every, source=arguments.source,
        exchange=arguments.exchange, host=arguments.host, gaps=arguments.gaps,
    )  # fmt: skip
    own = [field for field in frame.schema if field.name not in {"start", *_MARKS}]
    columns = [("start (UTC)", False), *((field.name, is_number(field.type)) for field in own), *_marks(frame.schema)]
    put(frame, arguments, Lines(columns, _bar_cells))
    return 0


def _bar_cells(row: Row) -> list[str]:
    sums = {"volume", "turnover", "buy_volume"}
    cells = [
        f"{value:.10g}" if name in sums and value is not None else cell_text(value)
        for name, value in row.items()
        if name != "start"
    ]
    return [time_text(row["start"]), *cells]


def _marks(schema: pa.Schema) -> Sequence[tuple[str, bool]]:
    return [(name, False) for name in _MARKS if name in schema.names]


def add_streams(parser: argparse.ArgumentParser) -> None:
    """Add the options of `streams`."""
    add_store(parser)
    add_output(parser)


def add_depth(parser: argparse.ArgumentParser) -> None:
    """Add the options of `depth`."""
    _add_common(parser, "100ms", "raise", from_is_required=True)
    parser.add_argument("--levels", metavar="N", type=levels_of, default=20, help="of each side (default: 20)")


def add_bars(parser: argparse.ArgumentParser) -> None:
    """Add the options of `bars`."""
    _add_common(parser, "1m", "mark", from_is_required=False)
    parser.add_argument("--source", choices=SOURCES, default=SOURCES[0], help="of which trades (default: trade)")


def _add_common(parser: argparse.ArgumentParser, every: str, gaps: str, *, from_is_required: bool) -> None:
    add_stream(parser)
    add_store(parser)
    add_period(parser, moment_us, from_is_required=from_is_required)
    parser.add_argument(
        "--every", metavar="LENGTH", default=every, help=f"such as 100ms, 1s, 1m, 1h (default: {every})"
    )
    add_gaps(parser, gaps)
    add_output(parser)
