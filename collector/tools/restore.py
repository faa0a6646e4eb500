"""Brings a stretch of time out of an archive into a folder, which is then an archive of its own.

Files come whole, as they are: one that has a single row of that time brings its other rows too, at most a segment's
(an hour, by default); cut on received_at when you read them. The gap ledger of those days always comes along, and so
does what stands under the symbol "_", of which nobody knows whose it is. `collector verify` accepts the folder;
what is missing in the archive is missing there too, and said. Ended too early, it goes on when it is started again.

Times are ISO 8601, UTC unless they say otherwise. Exit code: 0 everything asked for was brought, 1 something is missing
or damaged in the archive (the rest was brought), 2 nothing could be done.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from collector.domain.errors import ConfigError
from collector.domain.redact import printable
from collector.storage.archive.manifest import Manifest
from collector.storage.archive.restore import Selection, bring, plan, read_manifests
from collector.storage.archive.restore_target import destination
from collector.storage.store.object_store import ObjectStore
from collector.storage.store.open import folder_of
from collector.tools.archive_args import STORE_HELP, add_config, opened, progress
from collector.tools.moments import add_period, moment, require_order

EXAMPLES = """examples:
  %(prog)s s3://bucket/prefix --from 2026-11-23 --to 2026-11-24 ./day
  %(prog)s --config collector.toml s3://bucket --from 2026-11-23T14:30 --to 2026-11-23T15:00 ./half-an-hour
  %(prog)s s3://bucket --from 2026-11-01 --to 2026-12-01 --symbol BTCUSDT --data-type trade ./btc-trades
"""


def run(arguments: argparse.Namespace) -> int:
    """Choose, copy, and say what came; returns the exit code. Raises ConfigError or StoreError."""
    return restore(opened(arguments.store, arguments.config), _selection(arguments), arguments.dest)


def restore(store: ObjectStore, selection: Selection, dest: Path) -> int:
    """The exit code. Raises ConfigError for a folder that cannot be used, StoreError if a store fails."""
    _require_outside(store, dest)
    problems: list[str] = []
    chosen = plan(_manifests(store, problems), selection)
    _print_problems(problems)
    if not chosen:
        raise ConfigError([f"{store.url} has nothing of that time"])
    found = len(problems)
    objects = size = already_there = 0
    with destination(dest, chosen) as (target, scratch), progress() as bar:
        for brought in bar.track(bring(chosen, store, target, scratch), len(chosen), description="segments"):
            objects += brought.objects
            size += brought.bytes
            already_there += brought.already_there
            found += len(brought.problems)
            _print_problems(brought.problems)
    before = f" ({already_there} were there before)" if already_there else ""
    print(f"{len(chosen)} segments, {objects} objects, {size} bytes in {dest}{before}; {found or 'no'} problems")
    return 1 if found else 0


def _require_outside(store: ObjectStore, dest: Path) -> None:
    archive = folder_of(store.url)
    if archive is not None and dest.resolve().is_relative_to(archive.resolve()):
        raise ConfigError([f"{dest} lies in the archive itself: name a folder outside of {store.url}"])


def _manifests(store: ObjectStore, problems: list[str]) -> Iterator[Manifest]:
    with progress() as bar:
        task = bar.add_task("manifests", total=None)
        for total, manifest in read_manifests(store, problems):
            bar.update(task, total=total, advance=1)
            if manifest is not None:
                yield manifest


def _print_problems(problems: list[str]) -> None:
    for problem in problems:
        print(printable(problem), flush=True)


def _selection(arguments: argparse.Namespace) -> Selection:
    require_order(arguments.from_time, arguments.to_time)
    return Selection(
        arguments.from_time,
        arguments.to_time,
        frozenset(arguments.exchange),
        frozenset(arguments.symbol),
        frozenset(arguments.data_type),
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("store", metavar="STORE", help=STORE_HELP)
    parser.add_argument("dest", metavar="DEST", type=Path, help="a new or empty folder")
    add_period(parser, moment, required=True)
    for name in ("exchange", "symbol", "data-type"):
        parser.add_argument(f"--{name}", action="append", default=[], help="only this one; may be given several times")
    add_config(parser)
