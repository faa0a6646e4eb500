"""Shows the book of a symbol as a ladder, once or as it changes."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from rich.console import Console, RenderableType

from collector.domain.errors import RetryError, SetAsideError
from collector.domain.names import iso_time
from collector.read.archive import Archive
from collector.read.books.view import BookView
from collector.read.errors import GapError, gap_text
from collector.read.ledger.gaps import LedgerRow
from collector.read.window import moment_us
from collector.storage.locks import supervisor_lock
from collector.terminal.attached import is_live
from collector.terminal.console import output_console
from collector.terminal.ladder import USUAL_LEVELS, Ladder, ladder, room_for
from collector.terminal.live import LiveView
from collector.terminal.suspend import suspendable
from collector.terminal.waiting import wait_for_reader
from collector.tools.moments import moment_us as told_us
from collector.tools.opened_archive import (
    add_gaps,
    add_store,
    add_stream,
    answered,
    books_of,
    levels_of,
    opened_archive,
    places_of,
)

EXAMPLES: Final = """examples:
  %(prog)s BTCUSDT                                   the configured recorder's, now
  %(prog)s BTCUSDT --follow                          as it changes, until Ctrl-C
  %(prog)s BTCUSDT data/archive --at 2026-11-23T14:00 --levels 20
"""

_LOOK_SECS: Final = 1.0
_ASK_SECS: Final = 10.0
_ENDS: Final = "Ctrl-C ends this view"
_REST: Final = 9
"""Of ten seconds of processor time this takes one at most."""

_PLAIN_WIDTH: Final = 80

Ask = Callable[[], Ladder]


def run(arguments: argparse.Namespace) -> int:
    """Show it; returns the exit code. Raises ConfigError, StoreError."""
    return answered(_follow if arguments.follow else _once, arguments)


class _Book(NamedTuple):
    """Whose book is asked for, and how."""

    archive: Archive
    exchange: str | None
    symbol: str
    host: str | None
    gaps: str
    ends_us: int
    """Now, or behind the last row that there is, if that was earlier; microseconds since the epoch."""

    def at(self, at_us: int) -> tuple[BookView, list[LedgerRow]]:
        """The book at a moment, and the gaps for which it is not known."""

        def view(gaps: str) -> BookView:
            return self.archive.book_at(self.symbol, at_us, exchange=self.exchange, host=self.host, gaps=gaps)

        try:
            return view("ignore" if self.gaps == "ignore" else "raise"), []
        except GapError as error:
            return view("mark"), error.gaps

    def shown(self, at_us: int) -> Ladder:
        """The same as it is shown."""
        return self.ladder(*self.at(at_us))

    def ladder(self, view: BookView, gaps: list[LedgerRow]) -> Ladder:
        """A view of it as it is shown."""
        return Ladder(
            f"{self.exchange} {self.symbol}", view.at, view.updated_at, view.bids, view.asks, view.last_id,
            view.verified, view.known_depth, list(map(gap_text, gaps)),
        )  # fmt: skip


def _book_of(arguments: argparse.Namespace) -> _Book:
    archive = opened_archive(arguments)
    exchange, ends_us = books_of(archive, arguments)
    return _Book(archive, exchange, arguments.symbol, arguments.host, arguments.gaps, ends_us)


def _once(arguments: argparse.Namespace) -> int:
    book = _book_of(arguments)
    at_us = arguments.at if arguments.at is not None else book.ends_us
    view, gaps = book.at(at_us)
    if arguments.json:
        print(json.dumps(_as_object(view, gaps)))
    else:
        console = _console()
        console.print(ladder(book.ladder(view, gaps), console, arguments.levels or USUAL_LEVELS))
    sys.stdout.flush()
    if gaps and arguments.gaps == "raise":
        raise GapError(book.symbol, gaps)
    return 0


def _now_us() -> int:
    return time.time_ns() // 1_000


def _as_object(view: BookView, gaps: list[LedgerRow]) -> dict[str, Any]:
    return {
        "at": iso_time(moment_us(view.at)),
        "updated_at": None if view.updated_at is None else iso_time(moment_us(view.updated_at)),
        "last_id": view.last_id, "best": view.best, "mid": view.mid, "verified": view.verified,
        "known_depth": view.known_depth, "bids": view.bids, "asks": view.asks,
        "gaps": [{"exchange": row.exchange, "symbol": row.symbol, **row.gap._asdict()} for row in gaps],
    }  # fmt: skip


class _Recording:
    """Whether a recorder runs, asked now and then."""

    def __init__(self, data_dir: Path | None) -> None:
        """None for an archive alone."""
        self._lock = None if data_dir is None else supervisor_lock(data_dir)
        self._asked_at = 0.0
        self._told = ""

    def told(self) -> str:
        """What stands below the book. Raises OSError if it cannot be told."""
        if not self._told or time.monotonic() - self._asked_at >= _ASK_SECS:
            self._asked_at = time.monotonic()
            is_idle = self._lock is not None and self._lock.is_free()
            goes_on = "" if self._lock is None else "; the recorder goes on"
            self._told = f"no recorder is running; {_ENDS}" if is_idle else f"{_ENDS}{goes_on}"
        return self._told


def _follow(arguments: argparse.Namespace) -> int:
    book = _book_of(arguments)

    def ask() -> Ladder:
        return book.shown(_now_us())

    recording = _Recording(places_of(arguments)[1])
    ask()  # what cannot be answered at all is said before the screen changes
    try:
        if is_live(os.environ):
            _draw(ask, arguments.levels, recording)
        else:
            _print(ask, arguments.levels or USUAL_LEVELS)
    except KeyboardInterrupt:
        return 0
    return 0


def _draw(ask: Ask, levels: int | None, recording: _Recording) -> None:
    """Draw it in place."""
    view = LiveView(sys.stdout)
    with suspendable(view, "Suspended: fg brings the view back."):
        try:
            while True:
                book, rest_secs = _asked(ask)
                book = book._replace(foot=recording.told())
                view.show(partial(_frame, book, levels))
                time.sleep(rest_secs)
        finally:
            view.finish()


def _frame(book: Ladder, levels: int | None, console: Console) -> RenderableType:
    room = room_for(console)
    return ladder(book, console, min(levels or room, room), datetime.now(UTC))


def _print(ask: Ask, levels: int) -> None:
    """Print it below each other where there is no terminal, whenever it has changed."""
    console, before = _console(), None
    while True:
        book, rest_secs = _asked(ask)
        if (state := book._replace(at=book.updated_at or book.at)) != before:
            console.print(ladder(book, console, levels, datetime.now(UTC)), "")
            before = state
        sys.stdout.flush()
        if not wait_for_reader(rest_secs):
            return


def _asked(ask: Ask) -> tuple[Ladder, float]:
    """The book now, and how long to rest then."""
    began = time.process_time()
    try:
        book = ask()
    except (RetryError, SetAsideError) as error:
        book = Ladder("", datetime.now(UTC), because=str(error).splitlines())
    return book, max(_LOOK_SECS, _REST * (time.process_time() - began))


def _console() -> Console:
    console = output_console()
    return console if console.is_terminal else Console(width=_PLAIN_WIDTH)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    add_stream(parser)
    add_store(parser)
    parser.add_argument(
        "--at", metavar="TIME", type=told_us, help="the moment; default: now, or the end of the recording"
    )
    parser.add_argument(
        "--levels", metavar="N", type=levels_of, help="of each side; default: 10, and those that fit with --follow"
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--follow", action="store_true", help="show it as it changes")
    shown.add_argument("--json", action="store_true", help="print an object, with all levels")
    add_gaps(parser, "raise")
