"""Lets a running recorder take up changed settings, without a hole in what
they do not concern. It reads the file that it was started with again, and the
environment of its start. A configuration with an error, or with a change that
needs a restart, is refused whole, and it goes on as before.

Prints what changed, or with --dry-run what would. It also looks at once at a
store that was away, and reads the store's credentials again.

Exit code: 0 done (lines say who is still under way, and warn of a port or an
archive that cannot be used); 1 no recorder runs there, or it did not answer; 2
refused, each reason on a line.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from collector.domain.errors import ConfigError, StopError
from collector.domain.redact import printable
from collector.storage.locks import supervisor_lock
from collector.supervision.commands.options import add_config, load_config
from collector.supervision.control import Answer, Control, Request
from collector.supervision.reloading import SETTLE_SECS
from collector.terminal.output import reported_output

EXAMPLES: Final = """\
examples:
  %(prog)s --dry-run          what would change
  %(prog)s                    take up changed settings
  %(prog)s --config my.toml   of the recorder started with my.toml
  %(prog)s --data-dir /data   of the recorder that records into /data
"""

DEADLINE_SECS: Final = 3 * SETTLE_SECS
"""How long to wait for the answer: another request may come first."""

_POLL_SECS: Final = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    add_config(parser)
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="the recorder's data folder, instead of --config")
    parser.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Ask the recorder and print its answer; returns the exit code. Raises StopError."""
    answer = _answer(options)
    if answer.state == "refused" and not options.json:
        raise ConfigError(answer.problems)
    with reported_output():
        print(json.dumps(msgspec.to_builtins(answer)) if options.json else "\n".join(map(printable, _lines(answer))))
    return ConfigError.exit_code if answer.state == "refused" else 0


def _answer(options: argparse.Namespace) -> Answer:
    """The recorder's answer, or this command's own to settings by which no recorder could be asked. Raises StopError."""
    try:
        data_dir = _data_dir(options)
    except ConfigError as error:
        return Answer(state="refused", dry_run=options.dry_run, problems=error.problems)
    _require_recorder(data_dir, named=options.data_dir is not None)
    return _asked(Control(data_dir), Request(dry_run=options.dry_run))


def _data_dir(options: argparse.Namespace) -> Path:
    if options.config is not None and options.data_dir is not None:
        raise ConfigError(["--config and --data-dir: give one of them"])
    data_dir: Path = options.data_dir or load_config(options.config).data_dir
    return data_dir


def _require_recorder(data_dir: Path, *, named: bool) -> None:
    if supervisor_lock(data_dir).is_free():
        hint = (
            ""
            if named
            else "; data_dir cannot change while it records: --data-dir DIR names the folder of one that runs"
        )
        raise _NoAnswerError(f"no recorder runs on {data_dir}{hint}")
    if not Control(data_dir).is_open():
        raise _NoAnswerError(f"the recorder on {data_dir} takes no requests: it is starting, or of an older version")


class _NoAnswerError(StopError):
    """Nobody can answer, or does."""


def _asked(control: Control, request: Request) -> Answer:
    """The answer to the request, which is taken back if none comes."""
    try:
        request_id = control.ask(request)
    except OSError as error:
        raise _NoAnswerError(f"the request cannot be written: {error}") from error
    try:
        return _awaited(control, request_id)
    finally:
        control.withdraw(request_id)


def _awaited(control: Control, request_id: str) -> Answer:
    deadline = time.monotonic() + DEADLINE_SECS
    while time.monotonic() < deadline:
        answer = control.answer_to(request_id)
        if answer is not None:
            return answer
        time.sleep(_POLL_SECS)
    raise _NoAnswerError(f"the recorder did not answer within {DEADLINE_SECS:.0f} seconds; its log may say why")


def _lines(answer: Answer) -> Iterator[str]:
    if answer.file:
        yield f"read: {answer.file}"
    if not answer.changes:
        yield "nothing differs from what it records by"
    yield from answer.changes
    yield from (f"process: {process}" for process in answer.processes)
    yield from (f"still under way: {process}" for process in answer.still)
    yield from (f"warning: {warning}; the recorder goes on, and tries again" for warning in answer.warnings)
    if answer.dry_run and answer.changes:
        yield "dry run: nothing was changed"
