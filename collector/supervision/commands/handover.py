"""Lets this program take over from a recorder that runs, without a hole: the
way to upgrade it. Both record side by side until this one is known to be
sound, for at least supervisor.handover_min_secs. If it fails before that, the
earlier one records on as if nothing had been.

This program takes the settings that the recorder works by; those of a changed
file follow with `collector reload`. A version that raises a stored format
says so; from its first commit on the earlier one cannot go on with the data.
A recorder that is process 1 of a container cannot hand over.

Exit code: 0 this program records; 1 the earlier one records on, or no
recorder runs there.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Final

import msgspec

import collector
from collector import __version__
from collector.domain.errors import ConfigError
from collector.domain.redact import printable
from collector.supervision.commands.asking import NoAnswerError, ask, data_dir_of, require_recorder
from collector.supervision.commands.options import add_config
from collector.supervision.control import HANDOVER, Answer, Request
from collector.terminal.output import reported_output

EXAMPLES: Final = """\
examples:
  %(prog)s                           of the recorder of ./data
  %(prog)s --config my.toml          of the recorder started with my.toml
  %(prog)s --data-dir /data --json   say how it went as one JSON object
"""

_BY_FOLDER: Final = "a handover needs only the recorder's data folder, which --data-dir DIR names by itself"

SILENT_SECS: Final = 90.0
"""The recorder says every few seconds how far it is; one that does not for so long has ended, or hangs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    add_config(parser)
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="the recorder's data folder, instead of --config")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")


def run(options: argparse.Namespace) -> int:
    """Ask the recorder, and print each step; returns the exit code. Raises StopError."""
    data_dir = _data_dir(options)
    require_recorder(data_dir, named=options.data_dir is not None)
    request = Request(kind=HANDOVER, program=program(Path(collector.__file__).parents[1]))
    steps = _Steps(quiet=options.json)
    with reported_output():
        answer = ask(data_dir, request, SILENT_SECS, steps.show)
        steps.show(answer)
        if options.json:
            print(json.dumps(msgspec.to_builtins(answer)))
        elif answer.state == "done":
            print(f"version {__version__} records now, as process {answer.pid}")
        else:
            raise NoAnswerError("\n".join(answer.problems))
    return 0 if answer.state == "done" else 1


def _data_dir(options: argparse.Namespace) -> Path:
    """The recorder's data folder. Raises NoAnswerError: no settings are taken from the file, so a bad one is no more than
    a recorder that cannot be found.
    """
    try:
        return data_dir_of(options)
    except ConfigError as error:
        raise NoAnswerError("\n".join([*error.problems, _BY_FOLDER])) from error


def program(root: Path) -> list[str]:
    """The command line that starts the recorder of this program, whose package is in `root`."""
    script = root / "supervisor.py"
    if script.is_file():
        return [sys.executable, str(script)]
    return [sys.executable, "-P", "-m", "collector", "run"]


class _Steps:
    """Prints each step once, and at a terminal what is waited for, which the next line replaces."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._shown = 0
        self._draws = not quiet and sys.stdout.isatty()

    def show(self, answer: Answer) -> None:
        """Print what is new."""
        if self._quiet:
            return
        new, self._shown = answer.notes[self._shown :], len(answer.notes)
        clear = "\r\x1b[K" if self._draws else ""
        for note in new:
            print(f"{clear}{printable(note)}", flush=True)
        if self._draws:
            print(f"{clear}{'; '.join(map(printable, answer.still))}", end="", flush=True)
