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
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from collector.domain.errors import ConfigError
from collector.domain.redact import printable
from collector.supervision.commands.asking import ask, data_dir_of, require_recorder
from collector.supervision.commands.options import add_config
from collector.supervision.control import Answer, Request
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
        data_dir = data_dir_of(options)
    except ConfigError as error:
        return Answer(state="refused", dry_run=options.dry_run, problems=error.problems)
    require_recorder(data_dir, named=options.data_dir is not None)
    return ask(data_dir, Request(dry_run=options.dry_run), DEADLINE_SECS)


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
