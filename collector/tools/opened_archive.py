"""Opens what a command reads: the archive that it names, or a recorder's, with what is not archived yet."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import time_ns
from typing import Any, Final

import collector.read
from collector.config.load import load
from collector.domain.errors import ConfigError, DamagedError, UnreadableError
from collector.domain.redact import printable
from collector.exchanges import registry
from collector.read.archive import Archive
from collector.read.errors import GapError, MissingExtraError, QuestionError, gap_text
from collector.read.marking import MODES
from collector.read.window import moment_us
from collector.tools.archive_args import STORE_HELP, add_config, require_rows

_NAMED: Final = 3
_BOOKS: Final = frozenset({"book_delta", "book_snapshot"})


def opened_archive(arguments: argparse.Namespace) -> Archive:
    """The archive STORE and the folder --data-dir, or without STORE those of the configuration. Raises ConfigError."""
    store, data_dir = places_of(arguments)
    return collector.read.open(store, data_dir=data_dir, config=arguments.config)


def places_of(arguments: argparse.Namespace) -> tuple[str, Path | None]:
    """The archive, and the recorder's folder that is read besides. Raises ConfigError."""
    store, data_dir = arguments.store, arguments.data_dir
    if store is None:
        config = load(arguments.config, os.environ, registry.data_types())
        if data_dir is None:
            require_rows(config)
        store, own = config.archive_url, config.data_dir
        if not own.is_dir() and data_dir is None:
            raise ConfigError([f"{own} is not a folder; name an archive, --data-dir, or the recorder's --config"])
        data_dir = data_dir or own
    return store, data_dir


def books_of(archive: Archive, arguments: argparse.Namespace) -> tuple[str | None, int]:
    """The exchange of a symbol's book, if only one has it, and until when there is one: now, or the end of its rows."""
    found = [row for row in archive.streams().to_pylist() if _is_book_asked_for(row, arguments)]
    exchanges = {row["exchange"] for row in found}
    lasts = [moment_us(row["last"]) + 1 for row in found if row["last"] is not None]
    return (exchanges.pop() if len(exchanges) == 1 else arguments.exchange), min(
        [time_ns() // 1_000, *([max(lasts)] if lasts else [])]
    )


def _is_book_asked_for(row: dict[str, Any], arguments: argparse.Namespace) -> bool:
    is_named = arguments.exchange in {None, row["exchange"]} and row["symbol"] == arguments.symbol
    return is_named and row["data_type"] in _BOOKS


def levels_of(text: str) -> int:
    """A number of levels, for argparse."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of levels")
    return int(text)


def answered(answer: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """The exit code of an answer; 1 where rows are missing, which is said with the ways on. Raises ConfigError, StoreError."""
    try:
        return answer(arguments)
    except GapError as error:
        _print_refusal(error)
        return 1
    except (QuestionError, DamagedError, UnreadableError, MissingExtraError) as error:
        raise ConfigError(str(error).splitlines()) from error


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add what `opened_archive` reads."""
    parser.add_argument("store", metavar="STORE", nargs="?", help=f"{STORE_HELP}; default: the configured recorder's")
    parser.add_argument(
        "--data-dir", metavar="DIR", type=Path, help="of a recorder: what is not archived yet is read, too"
    )
    add_config(parser)


def add_stream(parser: argparse.ArgumentParser) -> None:
    """Add SYMBOL, and what chooses among several streams of it."""
    parser.add_argument("symbol", metavar="SYMBOL", help="as it is written in the archive, such as BTCUSDT")
    parser.add_argument("--exchange", help="needed only where several have the symbol")
    parser.add_argument("--host", help="needed only where several recorded it at the same time")


def add_gaps(parser: argparse.ArgumentParser, default: str) -> None:
    """Add --gaps."""
    parser.add_argument(
        "--gaps", choices=MODES, default=default,
        help=f"where rows are missing: refuse, mark what is behind, number the pieces, or read across (default: {default})",
    )  # fmt: skip


def _print_refusal(error: GapError) -> None:
    gaps = error.gaps
    said = [f"error: rows are missing in that time ({len(gaps)} gap{'' if len(gaps) == 1 else 's'}):"]
    said += [f"  {row.gap.stream_type} {gap_text(row)}" for row in gaps[:_NAMED]]
    said += [f"  and {len(gaps) - _NAMED} more; collector gaps shows all"] if len(gaps) > _NAMED else []
    said += [
        "--gaps mark names the gap that lies before a row, --gaps split numbers the pieces between gaps, and",
        "--gaps ignore reads across them; or choose another time",
    ]
    print("\n".join(map(printable, said)), file=sys.stderr)
