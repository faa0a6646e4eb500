"""Validates configuration, store and disk, and says what would be recorded.
Each exchange is asked what it lists: a symbol that it does not list is an
error; an exchange that gives no list within ten seconds is a warning. Records
nothing, puts one object to try the archive, and leaves no new folder behind.

Exit code: 0 a recorder can start (or runs already, which a line says), 2 it
cannot.
"""

import argparse
from typing import Final

from collector.supervision.commands.options import add_config, load_config
from collector.supervision.preflight import check
from collector.terminal.output import reported_output

EXAMPLES: Final = """\
examples:
  %(prog)s                   the default settings and the environment
  %(prog)s --config my.toml  what my.toml says
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """Print what would run; returns the exit code. Raises StopError for what is wrong."""
    lines = check(load_config(options.config))
    with reported_output():
        print("\n".join(lines))
    return 0
