"""Records crypto market data: exchange WebSockets in, typed Parquet out.

Exit codes: 0 clean stop; 1 an internal error (the log has its traceback);
2 configuration error, failed check, or data of a newer version; 3 another
instance holds the data directory; 4 a child process cannot start; 5 the stop
deadline passed (data is safe on disk and is resumed).
"""

import argparse
from typing import Final

from collector.supervision.commands import check
from collector.supervision.commands.options import add_config, add_stop_after, load_config, source_of
from collector.supervision.other_program import OPTION
from collector.supervision.preflight import require_usable
from collector.supervision.run import run as run_recorder

EXAMPLES: Final = """\
examples:
  %(prog)s                           record BTCUSDT into ./data
  %(prog)s --config my.toml          record what my.toml says
  %(prog)s --config my.toml --check  say what would run, and what is wrong
  %(prog)s --demo --stop-after 30    record the built-in exchange
  MARKET_SYMBOL=ETHUSDT %(prog)s     take settings from the environment

The source distribution has config.example.toml, which shows every setting, and
docs/CONFIGURATION.md, which explains them.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    add_config(parser)
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--check", action="store_true", help="validate configuration, store and disk, then exit")
    instead.add_argument("--demo", action="store_true", help="record the built-in exchange, without internet")
    instead.add_argument(
        "--log", action="store_true", help="print the log on a terminal too, instead of the live view and a log file"
    )
    add_stop_after(parser)
    parser.add_argument(OPTION, type=int, help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Record until a signal; returns the exit code. Raises StopError."""
    if options.check:
        return check.run(options)
    if options.demo:
        from collector.supervision.commands import demo  # noqa: PLC0415 -- rich is for people; recording does not load it

        return demo.run(options)
    if options.take_over_from is not None:
        from collector.supervision.later_program import take_over_from  # noqa: PLC0415 -- seldom needed

        return take_over_from(options.take_over_from, source_of(options.config))
    config = load_config(options.config)
    require_usable(config)
    return run_recorder(config, options.stop_after, lines=options.log, source=source_of(options.config))
