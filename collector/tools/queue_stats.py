"""Shows how the recorder is doing: is it recording, is it keeping up, what is
wrong. Of several hosts any shows all of them.

Exit code: 0 healthy, 1 not healthy, 2 no recorder answers.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
from rich.console import Console
from rich.text import Text

from collector.config.load import load
from collector.domain.redact import printable
from collector.exchanges import registry
from collector.terminal.attached import is_live
from collector.terminal.heading import About
from collector.terminal.live import Draw, LiveView
from collector.terminal.screen import fitted, whole
from collector.terminal.speed import Speed
from collector.terminal.suspend import suspendable
from collector.tools.status_source import TOKEN_VARIABLE, Found, LocalStatus, NoAnswerError, fetch

EXAMPLES = """examples:
  %(prog)s                             the recorder on this machine, with default settings
  %(prog)s --config my.toml --watch    the one that my.toml describes, again every second
  %(prog)s --url http://host:9464      one on another machine
  %(prog)s --json | jq .reasons        for scripts
"""
WATCH_SECS = 1.0

T = TypeVar("T")


def once(find: Callable[[], Found], *, as_json: bool) -> int:
    """Print the status once; returns the exit code."""
    console = Console()
    try:
        status, remark = find()
        screen = None if as_json else _drawn(lambda: whole(status, datetime.now(UTC), console))
    except NoAnswerError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return 2
    if remark:
        print(f"note: {printable(remark)}", file=sys.stderr)
    if screen is None:
        print(msgspec.json.format(msgspec.json.encode(status), indent=2).decode())
    else:
        console.print(screen)
    return 0 if status["healthy"] else 1


def _drawn(draw: Callable[[], T]) -> T:
    """Draw a status. Raises NoAnswerError for one that lacks what a recorder's status has."""
    try:
        return draw()
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise NoAnswerError(
            f"the answer is not a status that this version can read ({type(error).__name__})"
        ) from error


def watch(find: Callable[[], Found], *, as_json: bool) -> int:
    """Show the status again every second until Ctrl-C; returns the exit code of the last look."""
    code = 2
    try:
        if as_json or not is_live(os.environ):
            while True:
                code = once(find, as_json=as_json)
                time.sleep(WATCH_SECS)
        view, speed = LiveView(sys.stdout), Speed()
        with suspendable(view, "Suspended: fg brings the view back."):
            try:
                while True:
                    draw, code = _frame(find, speed)
                    view.show(draw)
                    time.sleep(WATCH_SECS)
            finally:
                view.finish()
    except KeyboardInterrupt:
        return code


def _frame(find: Callable[[], Found], speed: Speed) -> tuple[Draw, int]:
    try:
        status, remark = find()
        rates = _drawn(lambda: speed.rates(status, time.monotonic()))
    except NoAnswerError as error:
        text = f"{printable(str(error))}\n\n{About().stop}"
        return lambda _console: Text(text), 2
    about = About(note=printable(remark) and f"note: {printable(remark)}")
    return lambda console: fitted(status, datetime.now(UTC), console, rates, about), 0 if status["healthy"] else 1


def run(arguments: argparse.Namespace) -> int:
    """Find the recorder and show it; returns the exit code. Raises ConfigError."""
    if arguments.url:
        find: Callable[[], Found] = partial(_from_url, arguments.url, os.environ.get(TOKEN_VARIABLE, ""))
    else:
        find = LocalStatus(load(arguments.config, os.environ, registry.data_types()))
    return (watch if arguments.watch else once)(find, as_json=arguments.json)


def _from_url(url: str, token: str) -> Found:
    return fetch(url, token), ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--config", type=Path, metavar="FILE", help="the recorder's configuration")
    source.add_argument("--url", help="where the recorder's HTTP port is, such as http://127.0.0.1:9464")
    parser.add_argument("--json", action="store_true", help="print the object itself")
    parser.add_argument("--watch", action="store_true", help="look again every second until Ctrl-C")
