"""Records crypto market data: exchange WebSockets in, exact typed Parquet out.

This is the roof: arguments and environment become a Config, the Config a running recorder, its end an exit code.
Exit codes: 0 clean stop; 1 a fault of its own (the log has its trace); 2 configuration error, failed --check, or data of a
newer version; 3 another instance holds the data directory; 4 a child cannot start; 5 the stop deadline passed (data is
safe on disk and is resumed).
"""

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from collector import scrub
from collector.config import Config, environment_warnings, load
from collector.domain.errors import StopError
from collector.exchanges.registry import data_types, symbol_problems
from collector.supervision.preflight import check, require_usable
from collector.supervision.recorder import record

EXAMPLES = """\
examples:
  python supervisor.py                          record BTCUSDT from Binance into ./data until Ctrl-C
  python supervisor.py --config my.toml         record what my.toml says (see config.example.toml)
  python supervisor.py --config my.toml --check say what would run, and what is wrong
  python supervisor.py --demo --stop-after 30   record the built-in exchange for half a minute into ./data-demo
  MARKET_SYMBOL=ETHUSDT python supervisor.py    settings may come from the environment (see docs/CONFIGURATION.md)
"""

DEMO_DIR = Path("data-demo")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as told by the command line; returns the exit code."""
    scrub.begin()
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except StopError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return error.exit_code


def _run(options: argparse.Namespace) -> int:
    config = load(options.config, os.environ, data_types(), symbol_problems)
    for line in environment_warnings(os.environ):
        print(f"warning: {line}", file=sys.stderr)
    if options.demo:
        return _demo(config, options.stop_after)
    if options.check:
        print("\n".join(check(config)))
        return 0
    require_usable(config)
    return record(config, stop_after_secs=options.stop_after)


def _demo(config: Config, stop_after_secs: float | None) -> int:
    from collector.supervision.demo import run_demo  # noqa: PLC0415 -- rich is for people; recording does not load it

    return run_demo(config, DEMO_DIR.absolute(), stop_after_secs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="supervisor.py",
        description="Records crypto market data: exchange WebSockets in, exact typed Parquet out.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="a TOML file; without one, defaults and environment"
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--check", action="store_true", help="validate configuration, store and disk, then exit")
    instead.add_argument("--demo", action="store_true", help="record the built-in exchange, without internet")
    parser.add_argument(
        "--stop-after", type=_secs, metavar="SECS", help="stop in order after that time, as SIGTERM would"
    )
    return parser


def _secs(text: str) -> float:
    try:
        secs = float(text)
    except ValueError:
        secs = -1.0
    if not (secs > 0 and math.isfinite(secs)):
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number of seconds")
    return secs
