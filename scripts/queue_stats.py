#!/usr/bin/env python3
"""Shows how the recorder is doing: is it recording, is it keeping up, what is wrong.

Exit code: 0 healthy, 1 not healthy, 2 nothing answers.
"""

import argparse
import http.client
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import _bootstrap  # type: ignore[import-not-found]
import msgspec
from _status_view import fitted, whole  # type: ignore[import-not-found]
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from collector.config import Config, load
from collector.domain.errors import ConfigError
from collector.domain.redact import printable, redact_url
from collector.exchanges import registry
from collector.metrics import read_object, read_stats
from collector.supervision import shown
from collector.supervision.status import Status
from collector.supervision.view import ChildState, Knowledge

EXAMPLES = """examples:
  scripts/queue_stats.py                            the recorder on this machine, with default settings
  scripts/queue_stats.py --config my.toml --watch   the one that my.toml describes, again every second
  scripts/queue_stats.py --url http://host:9464     one on another machine
  scripts/queue_stats.py --json | jq .reasons       for scripts
"""
ANSWER_SECS = 5.0
MAX_ANSWER_BYTES = 64 * 1024 * 1024
FRESH_SECS = 15.0
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (an address to ask, not to bind)
WATCH_SECS = 1.0

Found = tuple[Mapping[str, Any], str]
"""The status, and what else is to be said about it."""


class NoAnswerError(Exception):
    """Nothing answers; the text says where, why, and what to try."""


def fetch(url: str) -> Mapping[str, Any]:
    """The status at `url`. Raises NoAnswerError."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise NoAnswerError(f"{redact_url(url)} is no address such as http://127.0.0.1:9464")
    asked = parts._replace(path="/status").geturl() if parts.path in {"", "/"} else url
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(asked, timeout=ANSWER_SECS) as response:
            status = msgspec.json.decode(response.read(MAX_ANSWER_BYTES))
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswerError(f"nothing answers at {redact_url(asked)}: {getattr(error, 'reason', error)}") from error
    except msgspec.DecodeError as error:
        raise NoAnswerError(f"{redact_url(asked)} answers, but it is no recorder") from error
    if not isinstance(status, dict) or "processes" not in status:
        raise NoAnswerError(f"{redact_url(asked)} answers, but it is no recorder")
    return status


def ask_local(config: Config) -> Found:
    """The status of the recorder that `config` describes: from its port, else from the files it leaves in `run/`."""
    if not config.http.port:
        why = "its http.port is 0 (off)"
    else:
        host = EVERYWHERE.get(config.http.host, config.http.host)
        try:
            return fetch(f"http://{f'[{host}]' if ':' in host else host}:{config.http.port}"), ""
        except NoAnswerError as error:
            why = str(error)
    status = read_files(config, time.time_ns() // 1_000)
    if status is None:
        raise NoAnswerError(
            f"{why}, and no recorder is running on {config.data_dir}; start it with scripts/run, "
            "or name another with --config or --url"
        )
    return status, f"{why}; these are the processes' own numbers since their last restart, from {config.data_dir}/run"


def read_files(config: Config, now_us: int) -> Mapping[str, Any] | None:
    """The status as far as the files in `run/` tell it; None where no supervisor keeps them fresh."""
    health = read_object(config.data_dir / "run" / "health.json")
    if health is None or now_us / 1e6 - datetime.fromisoformat(health["updated_at"]).timestamp() > FRESH_SECS:
        return None
    reports = read_stats(config.data_dir / "run" / "stats")
    roles = sorted(reports, key=lambda role: (role == "archiver", role == "writer", role))
    children = [ChildState(role, reports[role]["pid"], reports[role]["state"], 0) for role in roles]
    status = shown.status(Status(health["run_id"], config).look(reports, Knowledge(now_us, 0.0, children, (), {})))
    processes = [{**process, "restarts": None} for process in status["processes"]]
    return {**status, **{name: health[name] for name in ("uptime_secs", "healthy", "reasons")}, "processes": processes}


def once(find: Callable[[], Found], *, as_json: bool) -> int:
    """Print the status; the exit code."""
    try:
        status, remark = find()
    except NoAnswerError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return 2
    if remark:
        print(f"note: {printable(remark)}", file=sys.stderr)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(status), indent=2).decode())
    else:
        Console().print(whole(status, datetime.now(UTC)))
    return 0 if status["healthy"] else 1


def watch(find: Callable[[], Found], *, as_json: bool) -> int:
    """Show the status again every second until Ctrl-C; the exit code of the last look."""
    console, code = Console(), 2
    try:
        if as_json or not console.is_terminal:
            while True:
                code = once(find, as_json=as_json)
                time.sleep(WATCH_SECS)
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                shown, code = _frame(find, console)
                live.update(shown, refresh=True)
                time.sleep(WATCH_SECS)
    except KeyboardInterrupt:
        return code


def _frame(find: Callable[[], Found], console: Console) -> tuple[RenderableType, int]:
    now = datetime.now(UTC)
    foot = Text(f"{now:%H:%M:%S} UTC, Ctrl-C ends", "dim")
    try:
        status, remark = find()
    except NoAnswerError as error:
        return Group(Text(printable(str(error))), foot), 2
    head = Group(*([Text(f"note: {printable(remark)}", "yellow")] if remark else []))
    height = console.height - len(console.render_lines(head)) - 1
    return Group(head, fitted(status, now, console, height), foot), 0 if status["healthy"] else 1


def main() -> int:
    """Find the recorder and show it."""
    arguments = _arguments()
    if arguments.url:
        find = partial(_from_url, arguments.url)
    else:
        try:
            config = load(arguments.config, os.environ, registry.data_types())
        except ConfigError as error:
            for problem in error.problems:
                print(f"error: {problem}", file=sys.stderr)
            return 2
        find = partial(ask_local, config)
    return (watch if arguments.watch else once)(find, as_json=arguments.json)


def _from_url(url: str) -> Found:
    return fetch(url), ""


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


if __name__ == "__main__":
    _bootstrap.run(main)
