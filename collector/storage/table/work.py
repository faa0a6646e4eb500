"""Compares the manifests of an archive with its tables, and commits the difference.

Any order of segments is right, any number of hosts, and any number of programs that do the same at once: each file that a
manifest names is looked for in its table before it is added (`commits.py`). Files that were pruned are removed from the tables,
and not added again. Killed anywhere, the next look finds what is left.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from pyiceberg.table import Table
from pyiceberg.table.snapshots import ancestors_of

from collector.domain.errors import DamagedError
from collector.domain.names import MANIFEST_FOLDER, PRUNED_FOLDER, partition_in
from collector.storage.archive.lenient_manifest import ManifestReport, read_manifest
from collector.storage.archive.manifest import Manifest, ManifestObject
from collector.storage.archive.pruned import PrunedObjects, read_pruned
from collector.storage.archive.schema import SCHEMA_VERSION
from collector.storage.ordered_map import in_order
from collector.storage.store.object_store import ObjectStore
from collector.storage.table.columns import is_known
from collector.storage.table.commits import Done, SegmentFiles, add, remove
from collector.storage.table.data_files import location_of
from collector.storage.table.done import DoneDates, listing_digest, load_done, save_done
from collector.storage.table.tables import Tables
from collector.storage.table.tidy import Tidied, point_to, tidy

THREADS: Final = 8

MOST_OBJECTS: Final = 10_000
"""Of the segments that are committed together, but for one that alone has more: what a commit holds in memory."""

MOST_MANIFESTS: Final = 500
"""Manifests that are committed together."""

MOST_LISTED: Final = 20_000
"""Manifests of one look; what is left is for the next one."""

_DATES_SEEN: Final = 3
"""Dates of which it is known which manifests were read: of others all are read again if one comes late."""


class Step(NamedTuple):
    """What one commit to each table did, and what is left of the look."""

    done: Done
    committed: int
    """Manifests, since the look began."""
    left: int


class Listing(NamedTuple):
    """Manifests that may not be in the tables yet."""

    dates: Mapping[str, list[str]]
    """By date, the keys of all of them."""
    new: list[str]
    """Keys of those that were not read before."""
    records: list[str]
    """Keys of the records of what was pruned."""
    is_all: bool
    """Whether there are no more."""


class TableWork:
    """Keeps the tables of an archive. `look` as often as there may be something new."""

    def __init__(
        self, store: ObjectStore, tables: Tables, state: Path, catalog: str, warn: Callable[[str, str], None],
        monotonic: Callable[[], float],
    ) -> None:  # fmt: skip
        """`state` is the file of what is done already. `warn` is called for what cannot be used, with the reason: it is left out until
        `try_again`.
        """
        self._store = store
        self._tables = tables
        self._path = state
        self._warn = warn
        self._unusable = set[str]()
        self._location = location_of(store.url)
        self._done = load_done(state, f"{self._location} {catalog}")
        self._seen: dict[str, set[str]] = {}
        self._monotonic = monotonic
        self.listing_secs = 0.0
        """How long the last look took to list the manifests."""
        self.is_all = False
        """Whether the last look saw every manifest."""

    def look(self) -> Iterator[Step]:
        """Compare and commit, step by step. The caller may stop after any of them. Raises StoreError, OSError."""
        self._tables.reopen()
        begun = self._monotonic()
        listing = self._listed()
        self.listing_secs = self._monotonic() - begun
        if listing.new:
            # What waits is known although the catalog may not answer.
            yield Step(Done(), 0, len(listing.new))
        if self._forget_other_tables():
            listing = self._listed()
        self.is_all = listing.is_all
        yield from self._remove_pruned(listing)
        pruned = PrunedObjects(self._store, frozenset(listing.records))
        left = len(listing.new)
        for batch in self._batches(listing.new):
            left -= len(batch)
            done = self._commit([manifest for _, manifest in batch], pruned)
            self._note(self._pointed())
            for key, _ in batch:
                self._seen.setdefault(_date_of(key), set()).add(key)
            yield Step(done, len(listing.new) - left, left)
        self._note_done(listing)

    def try_again(self) -> None:
        """Let the next look read again what could not be used: somebody may have mended it, or this program be newer."""
        self._unusable.clear()

    def tidy(self, now_us: int, days: int) -> Tidied:
        """Forget snapshots of every table that are older than so many days, and remove files that nothing needs. Raises StoreError."""
        snapshots = files = 0
        for table in self._pointed().values():
            tidied = tidy(table, now_us, days)
            snapshots, files = snapshots + tidied.snapshots, files + tidied.files
        self._pointed()
        return Tidied(snapshots, files)

    def _forget_other_tables(self) -> bool:
        """Begin anew if a table is not there any more, is another one, or does not follow from what it was; whether it is so."""
        found = self._pointed()
        is_other = not all(name in found and self._follows(name, found[name]) for name in self._done.tables)
        if is_other:
            self._done = DoneDates(self._done.of)
            self._seen.clear()
        self._note(found)
        return is_other

    def _follows(self, name: str, table: Table) -> bool:
        """Whether it is the table that it was, with what it had: not rolled back, nor known to an older copy of the catalog."""
        if self._done.tables[name] != str(table.metadata.table_uuid):
            return False
        last = self._done.snapshots.get(name)
        return last in {one.snapshot_id for one in ancestors_of(table.current_snapshot(), table.metadata)} | {None}

    def _note(self, found: Mapping[str, Table]) -> None:
        self._done.tables = {name: str(table.metadata.table_uuid) for name, table in found.items()}
        heads = {name: table.metadata.current_snapshot_id for name, table in found.items()}
        self._done.snapshots = {name: head for name, head in heads.items() if head is not None}

    def _pointed(self) -> dict[str, Table]:
        """Each table, made findable without the catalog if it is not."""
        found = dict(self._tables.all())
        for table in found.values():
            point_to(table)
        return found

    def _listed(self) -> Listing:
        dates: dict[str, list[str]] = {}
        new: list[str] = []
        records: list[str] = []
        for date, keys in groupby(self._store.keys(f"{MANIFEST_FOLDER}/"), _date_of):
            if not date:
                records += [key for key in keys if key.startswith(f"{PRUNED_FOLDER}/")]
            elif len(new) < MOST_LISTED and self._done.dates.get(date) != listing_digest(found := list(keys)):
                dates[date] = found
                known = self._seen.get(date, set()) | self._unusable
                new += [key for key in found if key not in known]
        return Listing(dates, new, records, len(new) < MOST_LISTED)

    def _batches(self, keys: Iterable[str]) -> Iterator[list[tuple[str, Manifest]]]:
        batch: list[tuple[str, Manifest]] = []
        objects = 0
        for key, manifest in in_order(self._read, keys, THREADS):
            if isinstance(manifest, str):
                self._leave_out(key, manifest)
                continue
            if batch and (objects + len(manifest.objects) > MOST_OBJECTS or len(batch) == MOST_MANIFESTS):
                yield batch
                batch, objects = [], 0
            batch.append((key, manifest))
            objects += len(manifest.objects)
        if batch:
            yield batch

    def _read(self, key: str) -> tuple[str, Manifest | str]:
        try:
            found = read_manifest(self._store, key)
        except DamagedError as error:
            return key, str(error)
        if reason := _damage(found):
            return key, reason
        manifest = found.manifest
        unknown = {entry.data_type for entry in manifest.objects if not is_known(entry.data_type)}
        if manifest.schema_version > SCHEMA_VERSION or unknown:
            return key, "a newer program wrote it: only that one can put it into tables"
        return key, manifest

    def _leave_out(self, key: str, reason: str) -> None:
        self._unusable.add(key)
        self._warn(key, reason)

    def _commit(self, manifests: list[Manifest], pruned: PrunedObjects) -> Done:
        by_type: dict[str, list[SegmentFiles]] = defaultdict(list)
        for manifest in manifests:
            for data_type, entries in _by_type(manifest, pruned).items():
                by_type[data_type].append(SegmentFiles(manifest.host, manifest.segment_id, entries))
        total = Done()
        for data_type, segments in sorted(by_type.items()):
            total = total.and_then(add(self._tables, data_type, self._location, segments))
        return total

    def _remove_pruned(self, listing: Listing) -> Iterator[Step]:
        for key in listing.records:
            date = key.rpartition("/")[2].removesuffix(".json")
            info = None if key in self._unusable else self._store.head(key)
            if info is None or self._done.pruned.get(date) == info.sha256:
                continue
            try:
                record = read_pruned(self._store, date)
            except DamagedError as error:
                self._leave_out(key, str(error))
                continue
            done = self._remove(date, set() if record is None else record.times().keys())
            self._note(self._pointed())
            yield Step(done, 0, len(listing.new))
            self._done.pruned[date] = info.sha256
            save_done(self._path, self._done)

    def _remove(self, date: str, keys: Iterable[str]) -> Done:
        by_type: dict[str, set[str]] = defaultdict(set)
        for key in keys:
            if (partition := partition_in(key)) is not None:
                by_type[partition.data_type].add(key)
        total = Done()
        for data_type in sorted(by_type.keys() & set(self._tables.names())):
            total = total.and_then(remove(self._tables, data_type, self._location, date, by_type[data_type]))
        return total

    def _note_done(self, listing: Listing) -> None:
        """Every manifest that was listed was read: those that could be used are in the tables."""
        for date, keys in listing.dates.items():
            if self._unusable.isdisjoint(keys):
                self._done.dates[date] = listing_digest(keys)
        if listing.dates:
            save_done(self._path, self._done)
        for date in sorted(self._seen)[:-_DATES_SEEN]:
            del self._seen[date]


def _damage(found: ManifestReport) -> str:
    """Why a manifest is left out whole: without a damaged entry's file it would look done, and the file be missing for good."""
    if found.faults:
        return f"{len(found.faults)} of its entries are damaged, first {found.faults[0].key}: {found.faults[0].text}"
    return found.totals or ""


def _by_type(manifest: Manifest, pruned: PrunedObjects) -> dict[str, list[ManifestObject]]:
    found: dict[str, list[ManifestObject]] = defaultdict(list)
    for entry in manifest.objects:
        if pruned.pruned_at(entry) is None:
            found[entry.data_type].append(entry)
    return found


def _date_of(key: str) -> str:
    """The date of a manifest's key; empty for a record of what was pruned."""
    folder = key.removeprefix(f"{MANIFEST_FOLDER}/").partition("/")[0]
    return folder.removeprefix("date=") if folder.startswith("date=") else ""
