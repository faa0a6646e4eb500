"""Options that the commands which start a recorder share."""

import argparse
import math
import os
import sys
from functools import partial
from pathlib import Path

from collector.config import Config
from collector.config.environment import environment_warnings
from collector.config.load import load
from collector.exchanges.registry import data_types, symbol_problems
from collector.supervision.preflight import doubts, require_usable
from collector.supervision.reload_plan import Source


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add --config."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="a TOML file; without one, defaults and environment"
    )


def add_stop_after(parser: argparse.ArgumentParser) -> None:
    """Add --stop-after."""
    parser.add_argument(
        "--stop-after", type=_positive_secs, metavar="SECS", help="stop in order after that time, as SIGTERM would"
    )


def source_of(path: Path | None) -> Source:
    """Where a recorder that is started now finds its settings later, also after a change of the working directory."""
    file = None if path is None else path.absolute()
    return Source(partial(_loaded, file), require_usable, file, doubts)


def load_config(path: Path | None) -> Config:
    """The configuration of file and environment; prints a warning for each dubious variable. Raises ConfigError."""
    config = _loaded(path)
    for line in environment_warnings(os.environ):
        print(f"warning: {line}", file=sys.stderr)
    return config


def _loaded(path: Path | None) -> Config:
    return load(path, os.environ, data_types(), symbol_problems)


def _positive_secs(text: str) -> float:
    try:
        secs = float(text)
    except ValueError:
        secs = -1.0
    if not (secs > 0 and math.isfinite(secs)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds")
    return secs
