"""Removes the objects of days that are older than you want to keep. For a person
with credentials that may delete: the recorder never deletes from an archive.

Only whole days go: each object of the day must be there with its size and
checksum, and each must have a manifest. Any other day stays, and is named with
the reason. What goes is written down first, in _manifest/pruned/<date>.json.
Manifests and the gap ledger stay, and so do `instrument` rows unless
--data-type names them: `collector verify` still passes, and says what was
pruned. A prune that was interrupted is finished by the same command. Run one at
a time on a bucket. Days are UTC; a day is as old as its last moment.

Exit code: 0 all of it went (with --dry-run: would go), 1 some days stay, 2
nothing could be done, or the store failed on the way.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from time import time_ns
from typing import Any

from collector.domain.errors import ConfigError, DamagedError
from collector.domain.names import first_kept_date, iso_time
from collector.domain.records import GAP
from collector.domain.redact import printable
from collector.storage.archive.manifest import ManifestObject
from collector.storage.archive.old_days import OldDays
from collector.storage.archive.prune import DayResult, Prune
from collector.storage.archive.prune_rules import PruneSelection
from collector.storage.store.deleting import DeletingStore
from collector.tools.archive_args import (
    STORE_HELP,
    add_config,
    opened_for_deleting,
    opened_trees,
    progress,
    require_archive,
    require_known,
)
from collector.tools.moments import age_days

EXAMPLES = """examples:
  %(prog)s --older-than 90d --dry-run               what would go from the configured archive
  %(prog)s --older-than 90d                         remove it
  %(prog)s s3://bucket/prefix --older-than 12w      from another archive
  %(prog)s --older-than 7d --compacted              hour files whose rows day files have
  %(prog)s data/archive --older-than 30d --data-type book_delta --data-type book_snapshot
  %(prog)s --config collector.toml --older-than 1825d --json
"""
_SHOWN_REASONS = 3

MayGo = Callable[[ManifestObject], bool]


def run(arguments: argparse.Namespace) -> int:
    """Prune and print; returns the exit code. Raises ConfigError or StoreError."""
    selection = _selection(arguments)
    store = opened_for_deleting(arguments.store, arguments.config)
    may_go = _in_day_files(arguments) if arguments.compacted else _anything
    return prune(store, selection, dry=arguments.dry_run, as_json=arguments.json, may_go=may_go)


def prune(
    store: DeletingStore, selection: PruneSelection, *, dry: bool, as_json: bool = False, may_go: MayGo | None = None
) -> int:
    """Prune and print a line a day, then the totals; returns the exit code. Raises ConfigError or StoreError."""
    results = []
    with nullcontext() if dry else store.alone():
        for result in _pruned_days(store, selection, may_go or _anything, dry=dry):
            results.append(result)
            if not as_json:
                _print_day(result, dry=dry)
    if as_json:
        print(json.dumps(_as_object(store, selection, results, dry=dry), indent=2))
    else:
        _print_totals(store, selection, results, dry=dry)
    return 1 if any(result.refused for result in results) else 0


def _anything(_: ManifestObject) -> bool:
    return True


def _in_day_files(arguments: argparse.Namespace) -> MayGo:
    from collector.compaction.cover import Cover  # noqa: PLC0415 -- pyarrow, for this option only

    archive, daily, _ = opened_trees(arguments.store, None, arguments.config)
    try:
        return Cover(archive, daily).has
    except DamagedError as error:
        raise ConfigError(str(error).splitlines()) from error


def _pruned_days(store: DeletingStore, selection: PruneSelection, may_go: MayGo, *, dry: bool) -> Iterator[DayResult]:
    from_date: str | None = ""
    with progress() as bar:
        while from_date is not None:
            task = bar.add_task("manifests", total=None)
            old = OldDays(store, selection, from_date)
            old.look(lambda total, task=task: bar.update(task, total=total, advance=1))  # type: ignore[misc]
            _require_streams(store, old, selection)
            bar.reset(task, description="objects", total=sum(len(old.listed[date]) for date in old.candidates()))
            yield from Prune(store, old, selection, _now, dry=dry, may_go=may_go).days(
                lambda number, task=task: bar.advance(task, number)  # type: ignore[misc]
            )
            bar.remove_task(task)
            from_date = old.next_date


def _require_streams(store: DeletingStore, old: OldDays, selection: PruneSelection) -> None:
    if not old.data_types:
        require_archive(store)
    require_known("exchange", selection.exchanges, old.exchanges)
    require_known("symbol", selection.symbols, old.symbols)
    require_known("data type", selection.data_types, old.data_types)


def _print_day(result: DayResult, *, dry: bool) -> None:
    done = "would go" if dry else "removed"
    if result.leftovers:
        left = _number(result.leftovers, "object")
        print(f"{result.date}: {left} {done} that an earlier prune left", flush=True)
    if result.objects:
        print(f"{result.date}: {_counts([result])} {done}", flush=True)
    if result.kept:
        print(f"{result.date}: kept {_number(result.kept, 'object')} with rows that no day file has", flush=True)
    for reason in result.refused[:_SHOWN_REASONS]:
        print(f"{result.date} stays: {printable(reason)}", flush=True)
    if len(result.refused) > _SHOWN_REASONS:
        print(f"{result.date} stays: {len(result.refused) - _SHOWN_REASONS} more findings; collector verify lists them")


def _print_totals(store: DeletingStore, selection: PruneSelection, results: list[DayResult], *, dry: bool) -> None:
    gone, stay = sum(result.objects > 0 for result in results), sum(bool(result.refused) for result in results)
    done = "would go" if dry else "removed"
    print(f"{store.url}, before {selection.before_date}: {_number(gone, 'day')}, {_counts(results)} {done}")
    if stay:
        print(f"{_number(stay, 'day')} left as they are: they do not verify")


def _counts(results: list[DayResult]) -> str:
    objects = _number(sum(result.objects for result in results), "object")
    rows = _number(sum(result.rows for result in results), "row")
    return f"{objects}, {rows}, {sum(result.bytes for result in results)} bytes"


def _number(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _as_object(
    store: DeletingStore, selection: PruneSelection, results: list[DayResult], *, dry: bool
) -> dict[str, Any]:
    return {
        "store": store.url,
        "dry_run": dry,
        "before_date": selection.before_date,
        "objects": sum(result.objects for result in results),
        "rows": sum(result.rows for result in results),
        "bytes": sum(result.bytes for result in results),
        "days": [result._asdict() for result in results],
    }


def _now() -> str:
    return iso_time(_now_us())


def _now_us() -> int:
    return time_ns() // 1_000


def _selection(arguments: argparse.Namespace) -> PruneSelection:
    try:
        before_date = first_kept_date(_now_us(), age_days(arguments.older_than))
    except (ValueError, OverflowError) as error:
        raise ConfigError([f"--older-than: {error}"]) from error
    if GAP in arguments.data_type:
        raise ConfigError(["--data-type gap: the gap ledger always stays"])
    return PruneSelection(
        before_date, frozenset(arguments.exchange), frozenset(arguments.symbol), frozenset(arguments.data_type)
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    add = parser.add_argument
    add("store", metavar="STORE", nargs="?", help=f"{STORE_HELP}; default: the configuration's")
    add("--older-than", metavar="AGE", required=True, help="90d or 12w: days that ended so long ago, and all before")
    for name in ("exchange", "symbol", "data-type"):
        add(f"--{name}", action="append", default=[], help="only this one; may be given several times")
    add("--compacted", action="store_true", help="only objects whose rows are in day files that are there and whole")
    add("--dry-run", action="store_true", help="only say what would go")
    add("--json", action="store_true", help="print an object with a list of days")
    add_config(parser)
