"""Copies a period out of an archive into a folder, which is then an archive of its
own.

Files are copied whole: one that has a row in the period brings its other rows
too, at most a segment's (an hour, by default). Filter on received_at when you
read them. The gap ledger of those days is always copied, and so is the symbol
"_": rows whose symbol is unknown. `collector verify` accepts the folder. What
the archive lacks is reported, and what was pruned from it is named as that. A
copy that was interrupted continues when the same command is run again.

Times are ISO 8601, UTC unless they name a zone. Exit code: 0 everything asked
for was copied, 1 something was pruned from the archive, or is missing or
damaged in it (the rest was copied), 2 nothing could be done.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from collector.config.display import display
from collector.domain.errors import ConfigError
from collector.domain.redact import printable
from collector.storage.archive.manifest import Manifest, ManifestObject
from collector.storage.archive.restore import Selection, copy_segments, plan, read_manifests
from collector.storage.archive.restore_target import destination
from collector.storage.store.object_store import ObjectStore
from collector.storage.store.open import folder_of
from collector.tools.archive_args import (
    STORE_HELP,
    add_config,
    is_url,
    opened,
    progress,
    require_archive,
    require_symbol,
)
from collector.tools.moments import add_period, moment, require_order

EXAMPLES = """examples:
  %(prog)s s3://bucket/prefix --from 2026-11-23 --to 2026-11-24 ./day
  %(prog)s --config collector.toml s3://bucket --from 2026-11-23T14:30 --to 2026-11-23T15:00 ./half-an-hour
  %(prog)s s3://bucket --from 2026-11-01 --to 2026-12-01 --symbol BTCUSDT --data-type trade ./btc-trades
"""


def run(arguments: argparse.Namespace) -> int:
    """Select, copy, and print the totals; returns the exit code. Raises ConfigError or StoreError."""
    return restore(opened(arguments.store, arguments.config), _selection(arguments), _local_folder(arguments.dest))


def restore(store: ObjectStore, selection: Selection, dest: Path) -> int:
    """Copy the selection into `dest`; returns the exit code. Raises ConfigError for a folder that cannot be used, StoreError if a store fails."""
    _require_outside(store, dest)
    problems: list[str] = []
    pruned = Counter[str]()

    def count_pruned(entry: ManifestObject) -> None:
        if selection.wants(entry):
            pruned[entry.date] += 1

    chosen = plan(_manifests(store, problems, count_pruned), selection)
    _print_problems(problems)
    _print_problems([f"{date}: {objects} objects were pruned" for date, objects in sorted(pruned.items())])
    if not chosen:
        if not problems:
            require_archive(store)
        raise ConfigError([f"{store.url} has nothing of that time{': it was pruned' if pruned else ''}"])
    require_symbol(selection.symbols, (entry.symbol for manifest in chosen for entry in manifest.objects))
    found = len(problems)
    objects = size = already_there = 0
    with destination(dest, chosen) as (target, scratch), progress() as bar:
        for copied in bar.track(copy_segments(chosen, store, target, scratch), len(chosen), description="segments"):
            objects += copied.objects
            size += copied.bytes
            already_there += copied.already_there
            found += len(copied.problems)
            _print_problems(copied.problems)
    before = f" ({already_there} were there before)" if already_there else ""
    gone = f", {pruned.total()} objects pruned" if pruned else ""
    print(f"{len(chosen)} segments, {objects} objects, {size} bytes in {dest}{before}{gone}; {found or 'no'} problems")
    return 1 if found or pruned else 0


def _local_folder(dest: str) -> Path:
    """The folder that DEST names. Raises ConfigError for a URL of anything else."""
    if not is_url(dest):
        return Path(dest)
    folder = folder_of(dest)
    if folder is None:
        raise ConfigError([f"{display(dest)} is not a local folder: restore writes to a folder or file:///folder"])
    return folder


def _require_outside(store: ObjectStore, dest: Path) -> None:
    archive = folder_of(store.url)
    if archive is not None and dest.resolve().is_relative_to(archive.resolve()):
        raise ConfigError([f"{dest} lies in the archive itself: name a folder outside of {store.url}"])


def _manifests(
    store: ObjectStore, problems: list[str], on_pruned: Callable[[ManifestObject], None]
) -> Iterator[Manifest]:
    with progress() as bar:
        task = bar.add_task("manifests", total=None)
        for total, manifest in read_manifests(store, problems, on_pruned):
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
    parser.add_argument("dest", metavar="DEST", help="a new or empty folder")
    add_period(parser, moment, required=True)
    for name in ("exchange", "symbol", "data-type"):
        parser.add_argument(f"--{name}", action="append", default=[], help="only this one; may be given several times")
    add_config(parser)
