"""Records the built-in exchange into ./data-demo, without internet, and shows
what it does.

Exit codes are those of `run`.
"""

import argparse
from pathlib import Path
from typing import Final

from collector.supervision.commands.options import add_config, add_stop_after, load_config
from collector.supervision.demo import run_demo

EXAMPLES: Final = """\
examples:
  %(prog)s                     until Ctrl-C
  %(prog)s --stop-after 30     for half a minute
"""
DEMO_DIR: Final = Path("data-demo")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    add_config(parser)
    add_stop_after(parser)


def run(options: argparse.Namespace) -> int:
    """Record until Ctrl-C; returns the exit code. Raises StopError."""
    return run_demo(load_config(options.config), DEMO_DIR.absolute(), options.stop_after)
