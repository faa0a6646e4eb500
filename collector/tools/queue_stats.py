"""Shows how the recorder is doing: is it recording, is it keeping up, what is wrong.

Exit code: 0 healthy, 1 not healthy, 2 nothing answers.
"""

import argparse
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from collector import scrub
from collector.config import load
from collector.domain.errors import ConfigError
from collector.domain.redact import printable
from collector.exchanges import registry
from collector.terminal.screen import fitted, whole
from collector.tools.status_source import TOKEN_VARIABLE, Found, Local, NoAnswerError, fetch

EXAMPLES = """examples:
  scripts/queue_stats.py                            the recorder on this machine, with default settings
  scripts/queue_stats.py --config my.toml --watch   the one that my.toml describes, again every second
  scripts/queue_stats.py --url http://host:9464     one on another machine
  scripts/queue_stats.py --json | jq .reasons       for scripts
"""
WATCH_SECS = 1.0
RATE_SECS = 10.0


def once(find: Callable[[], Found], *, as_json: bool) -> int:
    """Print the status; the exit code."""
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


def _drawn(draw: Callable[[], RenderableType]) -> RenderableType:
    """What `draw` makes of a status. Raises NoAnswerError for one that has not what a recorder's has."""
    try:
        return draw()
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise NoAnswerError(f"what answers is no status that this version can read ({type(error).__name__})") from error


class Speed:
    """Remembers the streams' counts for some seconds, to say how fast they rise."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, dict[tuple[str, ...], int]]] = deque()

    def rates(self, status: Mapping[str, Any], at_secs: float) -> dict[tuple[str, ...], float]:
        """Messages a second of each stream; empty at the first look."""
        now: dict[tuple[str, ...], int] = {
            (s["exchange"], s["symbol"], s["data_type"]): s["messages"] for s in status["streams"]
        }
        self._seen.append((at_secs, now))
        while at_secs - self._seen[0][0] > RATE_SECS:
            self._seen.popleft()
        began_secs, before = self._seen[0]
        took_secs = at_secs - began_secs
        if took_secs <= 0:
            return {}
        return {key: max(0, count - before.get(key, count)) / took_secs for key, count in now.items()}


def watch(find: Callable[[], Found], *, as_json: bool) -> int:
    """Show the status again every second until Ctrl-C; the exit code of the last look."""
    console, code = Console(), 2
    try:
        if as_json or not console.is_terminal:
            while True:
                code = once(find, as_json=as_json)
                time.sleep(WATCH_SECS)
        speed = Speed()
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                frame, code = _frame(find, console, speed)
                live.update(frame, refresh=True)
                time.sleep(WATCH_SECS)
    except KeyboardInterrupt:
        return code


def _frame(find: Callable[[], Found], console: Console, speed: Speed) -> tuple[RenderableType, int]:
    now = datetime.now(UTC)
    foot = Text(f"{now:%H:%M:%S} UTC, Ctrl-C ends", "dim")
    try:
        status, remark = find()
        head = Group(*([Text(f"note: {printable(remark)}", "yellow")] if remark else []))
        height = console.height - len(console.render_lines(head)) - 1
        body = _drawn(lambda: fitted(status, now, console, height, speed.rates(status, time.monotonic())))
    except NoAnswerError as error:
        return Group(Text(printable(str(error))), foot), 2
    return Group(head, body, foot), 0 if status["healthy"] else 1


def main() -> int:
    """Find the recorder and show it."""
    scrub.begin()
    arguments = _arguments()
    if arguments.url:
        find: Callable[[], Found] = partial(_from_url, arguments.url, os.environ.get(TOKEN_VARIABLE, ""))
    else:
        try:
            config = load(arguments.config, os.environ, registry.data_types())
        except ConfigError as error:
            for problem in error.problems:
                print(f"error: {problem}", file=sys.stderr)
            return 2
        find = Local(config)
    return (watch if arguments.watch else once)(find, as_json=arguments.json)


def _from_url(url: str, token: str) -> Found:
    return fetch(url, token), ""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--config", type=Path, metavar="FILE", help="the recorder's configuration")
    where.add_argument("--url", help="where the recorder's HTTP port is, such as http://127.0.0.1:9464")
    parser.add_argument("--json", action="store_true", help="print the object itself")
    parser.add_argument("--watch", action="store_true", help="look again every second until Ctrl-C")
    return parser.parse_args()
