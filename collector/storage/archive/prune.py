"""Prunes an archive: removes the objects of old days. Run by a person, never by the recorder.

Only whole days go: every object of the day that a manifest names is there with its size and checksum, and every object that
is there has a manifest. A day for which that is not so stays as it is, and the others go on. Of each day what goes is
written down first (`pruned.py`), then the objects are removed; a prune that was killed in between is finished by the next.
Manifests and the gap ledger stay.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from collector import __version__
from collector.domain.errors import DamagedError, StoreError
from collector.domain.names import ObjectPartition, pruned_key
from collector.storage.archive.lenient_manifest import read_manifest
from collector.storage.archive.manifest import ManifestObject
from collector.storage.archive.old_days import OldDays
from collector.storage.archive.prune_rules import DayFacts, PruneSelection, why_it_stays
from collector.storage.archive.pruned import VERSION, PrunedDay, Pruning, read_pruned
from collector.storage.archive.verify import object_findings
from collector.storage.ordered_map import in_order
from collector.storage.store.deleting import DeletingStore
from collector.storage.store.object_store import ObjectInfo

THREADS: Final = 8


class DayResult(NamedTuple):
    """What became of a day, or what would."""

    date: str
    objects: int
    rows: int
    bytes: int
    leftovers: int
    """Objects that an earlier prune wrote down and did not come to remove."""
    refused: list[str]
    """Why the day stays; then only leftovers went."""


class Prune:
    """One pass. `dry` ones only look, and change nothing."""

    def __init__(
        self, store: DeletingStore, old: OldDays, selection: PruneSelection, now: Callable[[], str], *, dry: bool
    ) -> None:
        self._store = store
        self._old = old
        self._selection = selection
        self._now = now
        self._dry = dry

    def days(self, tick: Callable[[int], None]) -> Iterator[DayResult]:
        """Prune day by day, the oldest first. `tick` gets numbers of objects that were looked at.

        Raises StoreError if the store fails: what was written down by then, and is still there, goes with the next prune.
        """
        candidates = self._old.candidates()
        if candidates and not self._dry:
            self._store.require_may_delete()
        for date in candidates:
            yield self._day(date, tick)

    def _day(self, date: str, tick: Callable[[int], None]) -> DayResult:
        listed = self._old.listed[date]
        try:
            record = read_pruned(self._store, date)
        except DamagedError as error:
            return DayResult(date, 0, 0, 0, 0, [f"damaged {pruned_key(date)}: {error}"])
        pruned = set() if record is None else record.times().keys()
        leftovers = sorted(listed & pruned)
        self._delete(leftovers)
        named = [entry for entry in self._named(date) if entry.key not in pruned]
        chosen = [entry for entry in named if self._selection.wants(_partition(entry))]
        unnamed = listed - pruned - {entry.key for entry in named}
        if not chosen and not unnamed:
            return DayResult(date, 0, 0, 0, len(leftovers), [])
        faults = self._faults(named, tick)
        refused = why_it_stays(DayFacts(self._old.damage[date], self._old.absent[date], unnamed, faults))
        if refused:
            return DayResult(date, 0, 0, 0, len(leftovers), refused)
        if not self._dry:
            self._write_down(date, chosen)
            self._delete([entry.key for entry in chosen])
            # Another prune of the same day may have replaced the record since.
            self._write_down(date, chosen)
        return DayResult(date, len(chosen), *_totals(chosen), len(leftovers), [])

    def _named(self, date: str) -> list[ManifestObject]:
        """The objects of a day that manifests name, by key. Raises StoreError."""
        found = []
        for key in self._old.naming[date]:
            try:
                manifest = read_manifest(self._store, key).manifest
            except DamagedError as error:
                raise StoreError(f"{key} has changed since it was read: {error}") from error
            found += [entry for entry in manifest.objects if entry.date == date]
        return sorted(found, key=lambda entry: entry.key)

    def _faults(self, entries: list[ManifestObject], tick: Callable[[int], None]) -> list[str]:
        faults = []
        for findings in in_order(lambda entry: object_findings(self._store, entry), entries, THREADS):
            tick(1)
            faults += [f"{finding.kind} {finding.key}: {finding.text}" for finding in findings]
        return faults

    def _write_down(self, date: str, entries: list[ManifestObject]) -> None:
        """Have the record of the day name these objects, and the store confirm it."""
        record = read_pruned(self._store, date) or PrunedDay(VERSION, date, [])
        known = record.times()
        added = [entry for entry in entries if entry.key not in known]
        if not added:
            return
        pruning = Pruning(self._now(), __version__, *_totals(added), [entry.key for entry in added])
        content = PrunedDay(VERSION, date, [*record.prunings, pruning]).encode()
        info = ObjectInfo(len(content), hashlib.sha256(content).hexdigest())
        with tempfile.TemporaryDirectory(prefix="prune-") as folder:
            path = Path(folder, "record")
            path.write_bytes(content)
            self._store.put(pruned_key(date), path, info.sha256)
        if (stored := self._store.head(pruned_key(date))) != info:
            raise StoreError(f"{pruned_key(date)}: put {info}, but the store holds {stored}")

    def _delete(self, keys: list[str]) -> None:
        if not self._dry:
            for _ in in_order(self._store.delete, keys, THREADS):
                pass


def _partition(entry: ManifestObject) -> ObjectPartition:
    return ObjectPartition(entry.exchange, entry.data_type, entry.symbol, entry.date)


def _totals(entries: list[ManifestObject]) -> tuple[int, int]:
    """Rows and bytes."""
    return sum(entry.rows for entry in entries), sum(entry.bytes for entry in entries)
