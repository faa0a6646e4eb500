"""Reads what was recorded, for people and for programs: what there is, the book of
a symbol as a ladder, its best levels at regular moments, and bars of trades.

Without STORE it reads the configured recorder's archive and what is not
archived yet, up to the last commit; with --data-dir likewise. Where rows are
missing it refuses, and says which, why, and how to go on; the book is unknown
from a gap until the next whole book.

Exit code: 0 done, 1 rows are missing in that time, 2 it cannot be answered.
"""

import argparse
from collections.abc import Callable
from typing import Final, NamedTuple

from collector.tools import read_book, read_tables

EXAMPLES: Final = """examples:
  %(prog)s streams                              what there is
  %(prog)s book BTCUSDT --follow                the book as it changes
  %(prog)s book BTCUSDT data/archive --at 2026-11-23T14:00
  %(prog)s depth BTCUSDT --from 1h --every 1s --csv
  %(prog)s bars BTCUSDT --from 24h --every 1h
"""


class _Question(NamedTuple):
    summary: str
    examples: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


_QUESTIONS: Final = {
    "streams": _Question("what there is", read_tables.STREAMS_EXAMPLES, read_tables.add_streams, read_tables.streams),
    "book": _Question("the book of a symbol as a ladder", read_book.EXAMPLES, read_book.add_arguments, read_book.run),
    "depth": _Question(
        "the best levels at regular moments", read_tables.DEPTH_EXAMPLES, read_tables.add_depth, read_tables.depth
    ),
    "bars": _Question("bars of trades", read_tables.BARS_EXAMPLES, read_tables.add_bars, read_tables.bars),
}


def run(arguments: argparse.Namespace) -> int:
    """Answer; returns the exit code. Raises ConfigError, StoreError."""
    return _QUESTIONS[arguments.question].run(arguments)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's questions, each with its options."""
    questions = parser.add_subparsers(title="questions", metavar="QUESTION", dest="question", required=True)
    for name, question in _QUESTIONS.items():
        one = questions.add_parser(
            name,
            help=question.summary,
            description=f"Shows {question.summary}.",
            epilog=question.examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        question.add_arguments(one)
