"""Makes day files: the rows that an hour's files have of a stream and date, in
one file a day. They stand in a tree of their own beside the archive, with the
same keys and manifests; `collector.read` prefers them. Nothing is removed, but
with --remove-superseded files of which a later generation counts.

Only days that are over, and whose files all are as their manifests say. A day
for which that is not so stays as it is, and is named with the reason. Rows that
came later make a new generation: new files, then a manifest, from which on they
count. Run it every night; one that was interrupted is simply repeated. Run one
at a time on a bucket: two do no harm, but the work twice. Days are UTC.

Exit code: 0 every day asked for has its day files, as far as its files were not
pruned, 1 some days stay as they are, 2 nothing could be done, or a store failed
on the way.
"""

import argparse
import json
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from time import time_ns
from typing import Any, NamedTuple

from collector.compaction.compaction import DayResult, How, Ticks, alone, compacted
from collector.compaction.day import Trees
from collector.compaction.foreign import require_own_places
from collector.compaction.survey import Dates, Survey
from collector.domain.errors import ConfigError, DamagedError
from collector.domain.names import DAY_US, date_of, iso_time
from collector.domain.records import StreamKey
from collector.domain.redact import printable
from collector.storage.archive.superseded import remove_superseded
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
from collector.tools.moments import day

EXAMPLES = """examples:
  %(prog)s                                     the configured archive, every day that is over
  %(prog)s data/archive --from 2026-11-01 --to 2026-12-01
  %(prog)s s3://bucket/prefix --dry-run        what would be done
  %(prog)s s3://bucket --daily s3://bucket-daily
  %(prog)s --remove-superseded                 with credentials that may delete
  %(prog)s --config collector.toml --symbol BTCUSDT --json
"""
_FIRST = "0001-01-01"


def run(arguments: argparse.Namespace) -> int:
    """Compact and print; returns the exit code. Raises ConfigError or StoreError."""
    archive, daily, level = opened_trees(arguments.store, arguments.daily, arguments.config)
    if arguments.remove_superseded:
        store = opened_for_deleting(daily.url, arguments.config)
        return remove(store, dry=arguments.dry_run, as_json=arguments.json)
    choice = Choice(frozenset(arguments.exchange), frozenset(arguments.symbol))
    how = How(choice.wants, level, arguments.dry_run)
    dates = _dates(arguments.from_day, arguments.to_day)
    return compact(Trees(archive, daily), dates, how, choice, as_json=arguments.json)


class Choice(NamedTuple):
    """Which streams are wanted; an empty set means all."""

    exchanges: frozenset[str] = frozenset()
    symbols: frozenset[str] = frozenset()

    def wants(self, stream: StreamKey) -> bool:
        """Whether the stream is one of them."""
        chosen = zip((self.exchanges, self.symbols), stream[:2], strict=True)
        return all(not names or value in names for names, value in chosen)


def compact(trees: Trees, dates: Dates, how: How, choice: Choice, *, as_json: bool = False) -> int:
    """Compact and print a line a day, then the totals; returns the exit code. Raises ConfigError or StoreError."""
    require_archive(trees.archive)
    require_own_places(trees)
    if how.dry:
        results = _results(trees, dates, how, choice, as_json=as_json)
    else:
        trees.daily.check()
        with alone(trees.daily):
            results = _results(trees, dates, how, choice, as_json=as_json)
    if as_json:
        print(json.dumps(_as_object(trees, results, how), indent=2))
    else:
        _print_totals(trees, results, how)
    return 1 if any(result.refused for result in results) else 0


def remove(store: DeletingStore, *, dry: bool, as_json: bool) -> int:
    """Remove day files of earlier generations, and print a line a day; returns 0. Raises ConfigError or StoreError."""
    done = "would go" if dry else "removed"
    results = []
    try:
        with nullcontext() if dry else store.alone():
            for result in remove_superseded(store, lambda: iso_time(time_ns() // 1_000), dry=dry):
                results.append(result)
                if not as_json:
                    print(
                        f"{result.date}: {result.objects} day files of earlier generations {done}, {result.bytes} bytes",
                        flush=True,
                    )
    except DamagedError as error:
        raise ConfigError([str(error)]) from error
    if as_json:
        days = [result._asdict() for result in results]
        print(json.dumps({"daily": store.url, "dry_run": dry, "superseded": days}, indent=2))
    else:
        print(f"{store.url}: {sum(result.objects for result in results)} day files {done}")
    return 0


def _results(trees: Trees, dates: Dates, how: How, choice: Choice, *, as_json: bool) -> list[DayResult]:
    results = []
    survey = Survey(trees.archive, trees.daily, dates)
    with progress() as bar:
        task = bar.add_task("manifests", total=None)
        survey.look(lambda total: bar.update(task, total=total, advance=1))
        require_known("exchange", choice.exchanges, survey.exchanges)
        require_known("symbol", choice.symbols, survey.symbols)
        bar.reset(task, description="days", total=len(survey.days()))
        files = bar.add_task("files", total=None)
        ticks = Ticks(lambda: bar.advance(files), lambda: bar.advance(task))
        for result in compacted(trees, survey, how, ticks):
            results.append(result)
            if not as_json:
                _print_day(result, how)
    return results


def _print_day(result: DayResult, how: How) -> None:
    named = f"{result.date} {result.host}"
    if result.generation:
        done = "would be" if how.dry else "are"
        size = "" if how.dry else f", {result.replaced_bytes} -> {result.bytes} bytes"
        print(
            f"{named}: {result.replaced_objects} files {done} in {result.files} day files"
            f" (generation {result.generation}), {result.rows} rows{size}",
            flush=True,
        )
        for reason in result.left:
            print(f"{named}, left as it is: {printable(reason)}", flush=True)
    for reason in result.refused:
        print(f"{named} stays: {printable(reason)}", flush=True)


def _print_totals(trees: Trees, results: list[DayResult], how: How) -> None:
    made = [result for result in results if result.generation]
    files = sum(result.files for result in made)
    done = "would be made" if how.dry else "made"
    print(f"{trees.daily.url}: {len(made)} days, {files} day files {done}")
    left = sum(bool(result.left) and not result.generation for result in results)
    if left:
        print(f"{left} days have files that cannot be in day files: --json says why")
    refused = sum(bool(result.refused) for result in results)
    if refused:
        print(f"{refused} days left as they are: collector verify says more")


def _as_object(trees: Trees, results: list[DayResult], how: How) -> dict[str, Any]:
    return {
        "store": trees.archive.url,
        "daily": trees.daily.url,
        "dry_run": how.dry,
        "days": [result._asdict() for result in results],
    }


def _dates(first: str | None, end: str | None) -> Dates:
    today = date_of(time_ns() // 1_000 // DAY_US)
    if first is not None and end is not None and first >= end:
        raise ConfigError(["--from must be before --to"])
    before = min(end or today, today)
    return Dates(first or _FIRST, _day_before(before))


def _day_before(date: str) -> str:
    return (datetime.fromisoformat(date).replace(tzinfo=UTC) - timedelta(days=1)).date().isoformat()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    add = parser.add_argument
    add("store", metavar="STORE", nargs="?", help=f"{STORE_HELP}; default: the configuration's")
    add(
        "--daily",
        metavar="STORE",
        help="where day files go; default: the configuration's, else STORE with -daily appended",
    )
    add("--from", dest="from_day", metavar="DAY", type=day, help="from this day on: 2026-11-23, 7d")
    add("--to", dest="to_day", metavar="DAY", type=day, help="up to but excluding this day")
    for name in ("exchange", "symbol"):
        add(f"--{name}", action="append", default=[], help="only streams of this one; may be given several times")
    add("--remove-superseded", action="store_true", help="instead remove day files of which a later generation counts")
    add("--dry-run", action="store_true", help="only say what would be done")
    add("--json", action="store_true", help="print an object with a list of days")
    add_config(parser)
