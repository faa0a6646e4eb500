"""Prunes an archive: removes the objects of old days. Run by a person, never by the recorder.

Only whole days go: every object of the day that a manifest names is there with its size and checksum, and every object that
is there has a manifest. A day for which that is not so stays as it is, and the others go on. Of each day what goes is
written down first (`pruned.py`), then the objects are removed; a prune that was killed in between is finished by the next.
Manifests and the gap ledger stay.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from collector.domain.errors import DamagedError, StoreError
from collector.domain.names import pruned_key
from collector.storage.archive.lenient_manifest import read_manifest
from collector.storage.archive.manifest import ManifestObject
from collector.storage.archive.old_days import OldDays
from collector.storage.archive.prune_rules import DayFacts, PruneSelection, why_it_stays
from collector.storage.archive.pruned import read_pruned
from collector.storage.archive.removal import Removal, totals
from collector.storage.archive.verify import object_findings
from collector.storage.ordered_map import in_order
from collector.storage.store.deleting import DeletingStore

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
    kept: int = 0
    """Objects that would go but for `may_go`."""


class Prune:
    """One pass. `dry` ones only look, and change nothing."""

    def __init__(
        self, store: DeletingStore, old: OldDays, selection: PruneSelection, now: Callable[[], str], *, dry: bool,
        may_go: Callable[[ManifestObject], bool] = lambda _: True,
    ) -> None:  # fmt: skip
        """Of the selected objects those go that `may_go`."""
        self._store = store
        self._old = old
        self._selection = selection
        self._removal = Removal(store, now)
        self._dry = dry
        self._may_go = may_go

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
        if not self._dry:
            self._removal.delete(leftovers)
        named = [entry for entry in self._named(date) if entry.key not in pruned]
        wanted = [entry for entry in named if self._selection.wants(entry.partition)]
        chosen = list(filter(self._may_go, wanted))
        kept = len(wanted) - len(chosen)
        unnamed = listed - pruned - {entry.key for entry in named}
        if not chosen and not unnamed:
            return DayResult(date, 0, 0, 0, len(leftovers), [], kept)
        faults = self._faults(named, tick)
        refused = why_it_stays(DayFacts(self._old.damage[date], self._old.absent[date], unnamed, faults))
        if refused:
            return DayResult(date, 0, 0, 0, len(leftovers), refused, kept)
        if not self._dry:
            self._removal.remove(date, chosen)
        return DayResult(date, len(chosen), *totals(chosen), len(leftovers), [], kept)

    def _named(self, date: str) -> list[ManifestObject]:
        """The objects of a day that manifests name, by key. Raises StoreError."""
        found = []
        for key in self._old.naming[date]:
            try:
                manifest = read_manifest(self._store, key).manifest
            except DamagedError as error:
                raise StoreError(f"{key} has changed since it was read: {error}") from error
            found += [entry for entry in manifest.objects if entry.date == date]
        # Day files that did not change are named by several generations.
        return sorted({entry.key: entry for entry in found}.values(), key=lambda entry: entry.key)

    def _faults(self, entries: list[ManifestObject], tick: Callable[[int], None]) -> list[str]:
        faults = []
        for findings in in_order(lambda entry: object_findings(self._store, entry), entries, THREADS):
            tick(1)
            faults += [f"{finding.kind} {finding.key}: {finding.text}" for finding in findings]
        return faults
