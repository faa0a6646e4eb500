"""Writes what was recorded of a symbol in the format of another project, into a
new folder.

tardis: gzipped CSV files as tardis.dev has them, one a day and data type
(incremental_book_L2, trades, quotes, book_ticker, book_snapshot_25). Each day
begins with the whole book, if it is known.

hftbacktest: its events of book and trades, an npz a day (needs NumPy, which the
extra `read` brings). Rows that the two clocks order differently stand twice, as
hftbacktest's own converters write them. Where the recorder's clock was behind
the exchange's, local times of the day are moved, and it is said by how much.

nautilus: a catalog of nautilus_trader 1.221 (order_book_delta, trade_tick,
quote_tick, and the instrument), a file a day and kind. Prices and sizes have as
many decimals as the data needs, in all files.

Rows are in the order of the exchange's ids; local times never step back, and no
two messages of a book have the same one. A stretch in which rows are missing is
refused, unless --gaps mark says otherwise: then gaps.csv beside the data tells
what is missing, and there is no book from a gap to the next whole book.

With --data-dir what a recorder has not archived yet is exported, too. Times are
ISO 8601, UTC unless they name a zone. Exit code: 0 all of it was written, 1
rows are missing in that time, and nothing was written, 2 nothing could be done.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

import collector.read
from collector.domain.errors import ConfigError, DamagedError, UnreadableError
from collector.domain.names import END_US
from collector.domain.redact import printable
from collector.exports.asked import Asked, asked_for
from collector.exports.folder import GAPS_FILE, new_folder, write_gaps
from collector.exports.job import Job
from collector.read.errors import GapError, MissingExtraError, QuestionError, gap_text
from collector.read.ledger.gaps import LedgerRow
from collector.read.window import Window
from collector.tools.archive_args import STORE_HELP, add_config, progress
from collector.tools.moments import add_period, moment_us, require_order

EXAMPLES = """examples:
  %(prog)s tardis data/archive ./btc --symbol BTCUSDT
  %(prog)s tardis s3://bucket/prefix ./day --symbol BTCUSDT --from 2026-11-23 --to 2026-11-24
  %(prog)s tardis data/archive ./btc --symbol BTCUSDT --data-type trades --data-type incremental_book_L2
  %(prog)s tardis data/archive ./btc --symbol BTCUSDT --gaps mark
  %(prog)s hftbacktest data/archive ./npz --symbol BTCUSDT --from 2026-11-23 --to 2026-11-24
  %(prog)s nautilus data/archive ./catalog --symbol BTCUSDT --from 2026-11-23 --to 2026-11-24
  %(prog)s tardis data/archive ./now --symbol BTCUSDT --data-dir data --from 1h
"""
_FORMATS: Final = {
    "hftbacktest": "collector.exports.hftbacktest",
    "nautilus": "collector.exports.nautilus",
    "tardis": "collector.exports.tardis_files",
}
"""The module of each format: one of them needs NumPy."""
_NAMED = 3
_SECOND_US = 1_000_000


def run(arguments: argparse.Namespace) -> int:
    """Export and print the totals; returns the exit code. Raises ConfigError or StoreError."""
    try:
        return _exported(arguments)
    except GapError as error:
        _print_refusal(error)
        return 1
    except (QuestionError, DamagedError, UnreadableError) as error:
        raise ConfigError(str(error).splitlines()) from error


def _exported(arguments: argparse.Namespace) -> int:
    since, until = arguments.from_time or 0, arguments.to_time or END_US
    require_order(since, until)
    archive = collector.read.open(arguments.store, data_dir=arguments.data_dir, config=arguments.config)
    when = Window(since, until)
    asked = asked_for(archive, arguments.symbol, arguments.exchange, when, arguments.gaps, arguments.host)
    jobs = _jobs(arguments.format, asked, arguments.data_type)
    _refuse_gaps(asked, jobs)
    with new_folder(arguments.dest) as folder:
        for job in jobs:
            _write(asked, job, folder)
        if not any(folder.iterdir()):
            raise QuestionError("nothing was recorded in that time")
        if arguments.gaps == "mark":
            print(f"{write_gaps(folder, _gaps(jobs))} gaps in {GAPS_FILE}")
    return 0


def _jobs(name: str, asked: Asked, wanted: list[str]) -> list[Job]:
    """What the format writes. Raises ConfigError if a package that it needs is not installed, and as the format says."""
    try:
        found: list[Job] = import_module(_FORMATS[name]).jobs(asked, wanted)
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        raise ConfigError([str(MissingExtraError("numpy", "read"))]) from error
    return found


def _gaps(jobs: list[Job]) -> list[LedgerRow]:
    found = {row.gap.gap_id: row for job in jobs for row in job.gaps}
    return sorted(found.values(), key=lambda row: (row.gap.started_at, row.gap.gap_id))


def _refuse_gaps(asked: Asked, jobs: list[Job]) -> None:
    """Raise GapError before anything is written; what turns up only while rows are read is refused then."""
    gaps = _gaps(jobs)
    if gaps and asked.gaps == "raise":
        raise GapError(f"{asked.exchange} {asked.symbol}", gaps)


def _write(asked: Asked, job: Job, folder: Path) -> None:
    """Write the files; meanwhile a bar counts the seconds of the recording."""
    since_us, until_us, _ = asked.when
    with progress() as bar:
        task = bar.add_task(f"{job.name}, seconds", total=(until_us - since_us) // _SECOND_US)
        for reached_us in job.write(folder):
            bar.update(task, completed=(reached_us - since_us) // _SECOND_US)
    print(f"{job.name}: {job.said()}", flush=True)


def _print_refusal(error: GapError) -> None:
    print(f"error: rows are missing in that time, so nothing was written ({len(error.gaps)} gaps):", file=sys.stderr)
    for row in error.gaps[:_NAMED]:
        print(f"  {row.gap.stream_type} {printable(gap_text(row))}", file=sys.stderr)
    print(
        "--gaps mark writes what there is, and what is missing to gaps.csv; --from and --to choose another time;"
        " collector gaps shows all that is missing",
        file=sys.stderr,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("format", metavar="FORMAT", choices=sorted(_FORMATS), help=" or ".join(sorted(_FORMATS)))
    parser.add_argument("store", metavar="STORE", help=STORE_HELP)
    parser.add_argument("dest", metavar="DEST", type=Path, help="a new or empty folder")
    parser.add_argument("--symbol", required=True, help="what to export, as it is written in the archive")
    parser.add_argument("--exchange", help="needed only where several have the symbol")
    parser.add_argument("--host", help="needed only where several recorded it at the same time")
    parser.add_argument(
        "--data-type", action="append", default=[],
        help="only this one, as the format names it (tardis and nautilus have several); may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--gaps", choices=("raise", "mark"), default="raise",
        help="where rows are missing: refuse (raise, the default), or tell it in gaps.csv (mark)",
    )  # fmt: skip
    add_period(parser, moment_us)
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="a recorder's: what is not archived yet is exported, too"
    )
    add_config(parser)
