"""Shows the newest messages of a stream that a recorder on this machine stored,
typed, those of the last commit included. With --follow it goes on with what is
committed from then on, each message once, while segments are sealed and
archived and while the recorder restarts, until Ctrl-C.

Messages come in the order in which they were stored. Of a book there is the
number of levels that each side names, and the best of them; --json has all.
It only reads, and holds up the recorder by nothing.

Exit code: 0 done, 2 there is nothing to show.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Final

import pyarrow as pa
from rich.console import Console

from collector.config import Config
from collector.config.load import load
from collector.domain.errors import ConfigError, DamagedError, StoreError, UnreadableError
from collector.domain.records import GAP, StreamKey
from collector.domain.redact import printable
from collector.exchanges import registry
from collector.read.errors import QuestionError
from collector.read.holdings import Holdings
from collector.read.question import stream_of
from collector.read.segment_ends import SegmentEnds
from collector.read.tail import Tail
from collector.storage.archive.schema import SCHEMA_VERSION, schema_of
from collector.storage.locks import supervisor_lock
from collector.storage.staging.object_messages import ObjectMessages
from collector.terminal.console import output_console
from collector.terminal.waiting import wait_for_reader
from collector.tools.archive_args import opened, require_rows
from collector.tools.row_lines import MessageLines, json_line, rows_of, time_columns

EXAMPLES: Final = """examples:
  %(prog)s binance BTCUSDT trade                  the last ten trades
  %(prog)s binance BTCUSDT trade -n 100 --follow  and those that come
  %(prog)s binance BTCUSDT book_ticker --follow --json | jq .bid_price
"""

LOOK_SECS: Final = 0.5
"""Between two looks: what a commit brought is shown within a second of it."""

_ASK_SECS: Final = 10.0
"""Without rows for so long, it is asked whether a recorder runs."""

Show = Callable[[pa.Table], None]


def run(arguments: argparse.Namespace) -> int:
    """Show the newest rows, and go on with --follow; returns the exit code. Raises ConfigError, StoreError."""
    config = load(arguments.config, os.environ, registry.data_types())
    stream = StreamKey(arguments.exchange, arguments.symbol, arguments.type)
    require_rows(config)
    _require_readable(stream, config.data_dir)
    show = _shown(stream, as_json=arguments.json)
    try:
        with opened_tail(stream, config, arguments.config) as tail:
            rows = tail.newest(arguments.number)
            if not rows.num_rows and arguments.number:
                holdings = Holdings(opened(None, arguments.config), config.data_dir, None)
                _say_nothing_there(stream, holdings, goes_on=arguments.follow)
            show(rows)
            recording = Recording(config.data_dir, goes_on=arguments.follow)
            recording.look()
            if arguments.follow:
                follow(tail, show, recording)
    except KeyboardInterrupt:
        return 0
    except (DamagedError, UnreadableError) as error:
        raise ConfigError(str(error).splitlines()) from error
    return 0


@contextmanager
def opened_tail(stream: StreamKey, config: Config, path: Path | None) -> Iterator[Tail]:
    """The end of a stream of the recorder that the configuration describes."""
    untyped = partial(_say_untyped, stream)
    ends = SegmentEnds(stream, config.data_dir, lambda: opened(None, path), config.host_name, untyped)
    with Tail(ends, _say) as tail:
        yield tail


def follow(tail: Tail, show: Show, recording: "Recording") -> None:
    """Show what is committed, until standard output is closed."""
    trouble, shown_at = "", monotonic()
    while wait_for_reader(LOOK_SECS):
        try:
            for table in tail.more():
                show(table)
                shown_at = monotonic()
            trouble = ""
        except (StoreError, DamagedError, UnreadableError) as error:
            if str(error) != trouble:
                trouble = str(error)
                _say(f"{trouble}; trying again")
        if monotonic() - shown_at >= _ASK_SECS:
            recording.look()
            shown_at = monotonic()


class Recording:
    """Says when nobody records, and when somebody does again."""

    def __init__(self, data_dir: Path, *, goes_on: bool) -> None:
        """`goes_on`: whether more rows are waited for."""
        self._data_dir = data_dir
        self._goes_on = goes_on
        self._said = False

    def look(self) -> None:
        """Ask whether a recorder holds the data directory. Raises ConfigError if that cannot be told."""
        try:
            is_free = supervisor_lock(self._data_dir).is_free()
        except OSError as error:
            raise ConfigError([f"{self._data_dir} cannot be looked into: {error.strerror}"]) from error
        if is_free and not self._said:
            more = "waiting for one" if self._goes_on else "these are the last rows that were stored"
            _say(f"no recorder is running on {self._data_dir}: {more}")
        if self._said and not is_free:
            _say("a recorder is running again")
        self._said = is_free


def _require_readable(stream: StreamKey, data_dir: Path) -> None:
    """Raise ConfigError unless such a stream can be looked for."""
    if stream.data_type == GAP:
        raise ConfigError(["the gap ledger is shown by collector gaps"])
    if schema_of(stream.data_type, SCHEMA_VERSION) is None:
        known = sorted({name for names in registry.data_types().values() for name in names})
        raise ConfigError([f"{stream.data_type!r} is no data type; there are {', '.join(known)}"])
    if not data_dir.is_dir():
        raise ConfigError([f"{data_dir} is not a folder; name the recorder's configuration with --config"])


def _say_nothing_there(stream: StreamKey, holdings: Holdings, *, goes_on: bool) -> None:
    """Say which streams there are instead. Raises ConfigError with that unless rows are waited for."""
    holdings.look()
    try:
        stream_of(holdings.streams(), stream.data_type, stream.symbol, stream.exchange)
    except QuestionError as error:
        if not goes_on:
            raise ConfigError(str(error).splitlines()) from error
        _say(f"{error}; waiting for the first row")


def _shown(stream: StreamKey, *, as_json: bool) -> Show:
    schema = schema_of(stream.data_type, SCHEMA_VERSION)
    assert schema is not None  # noqa: S101 -- as was required
    if as_json:
        return partial(_print_json, stream, time_columns(schema))
    return _Printed(MessageLines(stream.data_type, schema), output_console())


def _print_json(stream: StreamKey, times: frozenset[str], table: pa.Table) -> None:
    for row in rows_of(table):
        print(json_line(row, times, stream))
    sys.stdout.flush()


class _Printed:
    """Prints rows below each other, and what the columns are above the first."""

    def __init__(self, lines: MessageLines, console: Console) -> None:
        self._lines = lines
        self._console = console
        self._has_names = False

    def __call__(self, table: pa.Table) -> None:
        rows = list(rows_of(table))
        if not rows:
            return
        for line in self._lines.lines(rows, with_names=not self._has_names):
            self._console.print(line, no_wrap=True, overflow="ellipsis", soft_wrap=False)
        self._has_names = True
        sys.stdout.flush()


def _say_untyped(stream: StreamKey, _: StreamKey, messages: ObjectMessages) -> None:
    _say(f"{messages.number} messages of {' '.join(stream)} cannot be typed; the archive will have them as undecoded")


def _say(text: str) -> None:
    print(f"note: {printable(text)}", file=sys.stderr, flush=True)


def _count(text: str) -> int:
    """A number of rows, for argparse."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of messages")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("exchange", metavar="EXCHANGE", help="such as binance")
    parser.add_argument("symbol", metavar="SYMBOL", help="as the exchange writes it, such as BTCUSDT")
    parser.add_argument("type", metavar="TYPE", help="the data type, such as trade")
    parser.add_argument("-n", "--number", metavar="N", type=_count, default=10, help="so many messages (default: 10)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is stored from then on")
    parser.add_argument("--json", action="store_true", help="print an object a line, with all columns")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the recorder's configuration")
