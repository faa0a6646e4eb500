"""Reads again what an older version stored, with the adapters of this one, and
writes what comes of it to an archive of its own. The archive is only read.

Read again are frames that were not understood (`undecoded` rows), rows that
kept their text (`raw`), and files with the columns of an older version, which
are written with those of this one. A file in which anything changes is written
whole, under the same key, and the gap ledger with it; any other only with
--whole, which makes TARGET an archive of everything. Times, lines and series
stay those of the row that was read.

TARGET is by default the archive's URL with -reprocessed behind it. It belongs
to one version: for the next one remove it, or name another. A run that was
interrupted goes on when it is repeated. With --from and --to whole segments are
read, each that has rows of that time. Frames are read of symbols that the
archive has other rows of, or that the configuration or --symbol names.

Exit code: 0 all of it was read, 1 some segments were left out, because an
object or a manifest is damaged, 2 nothing could be done, or a store failed on
the way.
"""

import argparse
import json
from collections.abc import Collection, Iterator
from typing import Any

from collector.config.addresses import lie_in_one_another, resolved
from collector.config.display import display, shown_name
from collector.domain.errors import ConfigError, StoreError
from collector.domain.records import ROW_TYPES, UNDECODED
from collector.domain.redact import printable
from collector.exchanges import registry
from collector.reprocess.counts import Counts
from collector.reprocess.job import Job, SegmentResult
from collector.reprocess.scope import BEGINNING, END, Scope
from collector.storage.store.object_store import ObjectStore
from collector.storage.store.open import bucket_of
from collector.tools.archive_args import (
    STORE_HELP,
    add_config,
    config_of,
    opened,
    progress,
    require_archive,
    require_known,
)
from collector.tools.moments import add_period, moment, require_order

EXAMPLES = """examples:
  %(prog)s --dry-run                                what this version would read in the configured archive
  %(prog)s data/archive                             to data/archive-reprocessed
  %(prog)s data/archive --whole                     so that one archive has everything
  %(prog)s s3://bucket/prefix s3://bucket/again --exchange okx --from 7d
  %(prog)s data/archive --data-type trade --json
"""
SUFFIX = "-reprocessed"


def run(arguments: argparse.Namespace) -> int:
    """Read again and print; returns the exit code. Raises ConfigError or StoreError."""
    scope = _scope(arguments)
    store = opened(arguments.store, arguments.config)
    target = opened(arguments.target or _beside(store), arguments.config)
    _require_outside(store, target)
    require_archive(store)
    config = config_of(arguments.config)
    job = Job(
        store,
        None if arguments.dry_run else target,
        scope,
        registry.adapter,
        symbols={symbol for feed in config.feed for symbol in feed.wanted.exact} | scope.symbols,
        compression_level=config.archive.compression_level,
    )
    totals = _Totals(store.url, target.url, dry=arguments.dry_run)
    return reprocess(job, totals, scope.exchanges, as_json=arguments.json)


def reprocess(job: Job, totals: "_Totals", exchanges: Collection[str] = (), *, as_json: bool = False) -> int:
    """Read again and print; returns the exit code. Raises ConfigError, also for exchanges that the archive has not; StoreError."""
    for result in _results(job, exchanges):
        totals.add(result)
        if result.problem is not None and not as_json:
            print(f"left out: {printable(result.problem)}", flush=True)
    if as_json:
        print(json.dumps(totals.as_object(), indent=2))
    else:
        totals.show()
    return 1 if totals.problems else 0


def _results(job: Job, exchanges: Collection[str]) -> Iterator[SegmentResult]:
    with progress() as bar:
        task = bar.add_task("manifests", total=None)
        keys = job.look(lambda: bar.update(task, advance=1))
        require_known("exchange", exchanges, job.exchanges)
        bar.update(task, description="segments", total=len(keys), completed=0)
        try:
            for number, result in enumerate(job.read(keys, bar.refresh), 1):
                bar.update(task, completed=min(number, len(keys)))
                yield result
        except OSError as error:
            raise StoreError(f"the folder for temporary files: {error}") from error


class _Totals:
    """The sum over all segments."""

    def __init__(self, store_url: str, target_url: str, *, dry: bool) -> None:
        self._store_url = store_url
        self._target_url = target_url
        self._dry = dry
        self._counts = Counts()
        self._segments = self._objects = self._rows = self._bytes = 0
        self.problems: list[str] = []

    def add(self, result: SegmentResult) -> None:
        self._counts.add(result.counts)
        if result.problem is not None:
            self.problems.append(result.problem)
        self._segments += bool(result.objects)
        self._objects += len(result.objects)
        self._rows += sum(entry.rows for entry in result.objects)
        self._bytes += sum(entry.bytes for entry in result.objects)

    def show(self) -> None:
        counts = self._counts
        print(
            f"read again: {_number(counts.frames, 'undecoded frame')}, {_number(counts.texts.total(), 'row')} with text"
        )
        for stream in counts.streams():
            print(f"  {printable(' '.join(stream))}: {_stream_text(counts, stream)}")
        if counts.control:
            print(f"  {_number(counts.control, 'frame')} without market data, which no file keeps")
        if counts.copies:
            print(f"  {_number(counts.copies, 'message')} that the archive has already")
        for reason, frames in sorted(counts.undecoded.items()):
            print(f"still not understood: {printable(reason.exchange)} {printable(reason.symbol)}:"
                  f" {_number(frames, 'frame')}: {printable(reason.text)}")  # fmt: skip
        done = "would be written" if self._dry else "written"
        size = f"{_number(self._rows, 'row')}, {self._bytes} bytes"
        written = f"{_number(self._segments, 'segment')}, {_number(self._objects, 'object')}, {size}"
        print(f"{self._target_url}: {written} {done}; {len(self.problems) or 'no'} segments left out")

    def as_object(self) -> dict[str, Any]:
        counts = self._counts
        return {
            "store": self._store_url,
            "target": self._target_url,
            "dry_run": self._dry,
            "segments": self._segments,
            "objects": self._objects,
            "rows": self._rows,
            "bytes": self._bytes,
            "frames": counts.frames,
            "control": counts.control,
            "copies": counts.copies,
            "streams": [
                {**stream._asdict(), **{name: getattr(counts, name)[stream] for name in _BY_STREAM}}
                for stream in counts.streams()
            ],
            "undecoded": [
                {"exchange": reason.exchange, "symbol": reason.symbol, "reason": reason.text, "frames": frames}
                for reason, frames in sorted(counts.undecoded.items())
            ],
            "problems": self.problems,
        }


_BY_STREAM = ("decoded", "texts", "changed", "unread", "converted")


def _stream_text(counts: Counts, stream: Any) -> str:
    texts = {
        "decoded": "rows from frames that are understood now",
        "converted": "rows of files with older columns",
        "texts": "rows read again from their text",
        "changed": "of them changed",
        "unread": "of them that cannot be read, and stay as they were",
    }
    return ", ".join(
        f"{getattr(counts, name)[stream]} {text}" for name, text in texts.items() if getattr(counts, name)[stream]
    )


def _number(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _beside(store: ObjectStore) -> str:
    """The archive's URL with the suffix. Raises ConfigError for a bucket without a prefix: another bucket has another name."""
    found = bucket_of(store.url)
    if found is not None and not found[1]:
        raise ConfigError([f"{display(store.url)} has no prefix to put {SUFFIX} behind: name a TARGET"])
    return resolved(store.url) + SUFFIX


def _require_outside(store: ObjectStore, target: ObjectStore) -> None:
    """Raise ConfigError if one of the archives is, or lies in, the other one."""
    if lie_in_one_another(store.url, target.url):
        raise ConfigError([f"{display(target.url)} and {display(store.url)} lie in one another: name another TARGET"])


def _scope(arguments: argparse.Namespace) -> Scope:
    begin, end = arguments.from_time or BEGINNING, arguments.to_time or END
    require_order(begin, end)
    unknown = sorted(set(arguments.data_type) - {*ROW_TYPES, UNDECODED})
    if unknown:
        raise ConfigError([f"--data-type {', '.join(map(shown_name, unknown))}: no rows are of that type"])
    chosen = (frozenset(arguments.exchange), frozenset(arguments.symbol), frozenset(arguments.data_type))
    return Scope(begin, end, *chosen, whole=arguments.whole)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    add = parser.add_argument
    add("store", metavar="STORE", nargs="?", help=f"{STORE_HELP}; default: the configuration's")
    add("target", metavar="TARGET", nargs="?", help=f"where to; default: STORE{SUFFIX}")
    add_period(parser, moment)
    for name in ("exchange", "symbol", "data-type"):
        add(f"--{name}", action="append", default=[], help="only this one; may be given several times")
    add("--whole", action="store_true", help="write files in which nothing changes, too: TARGET has all that STORE has")
    add("--dry-run", action="store_true", help="only say what would come of it")
    add("--json", action="store_true", help="print an object with streams, and with what is still not understood")
    add_config(parser)
