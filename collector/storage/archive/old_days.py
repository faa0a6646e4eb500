"""Surveys an archive for a prune: which old days have objects, which manifests name these, and what is damaged."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final

from collector.domain.errors import DamagedError
from collector.domain.names import MANIFEST_FOLDER, is_segment_id, parse_segment_id, partition_in
from collector.storage.archive.catalog import manifest_keys
from collector.storage.archive.lenient_manifest import ManifestReport, read_manifest
from collector.storage.archive.prune_rules import PruneSelection
from collector.storage.archive.verify import ChainLink, absent_segments
from collector.storage.ordered_map import in_order
from collector.storage.store.deleting import DeletingStore

THREADS: Final = 8

MOST_KEYS: Final = 1_000_000
"""Keys of objects kept in memory, some 200 MB; further days are left for another look. One day is kept whatever it holds."""


class OldDays:
    """What one look at an archive found of the days that are old enough, from a date on. `look` fills it."""

    def __init__(self, store: DeletingStore, selection: PruneSelection, from_date: str = "") -> None:
        self._store = store
        self._from_date = from_date
        self._before_date = selection.before_date
        self._selection = selection
        self._keys = 0
        self._links: list[ChainLink] = []
        self.listed: dict[str, set[str]] = defaultdict(set)
        """By date, the keys of the objects that are there."""
        self.naming: dict[str, list[str]] = defaultdict(list)
        """By date, the keys of the manifests that name objects of it."""
        self.damage: dict[str, list[str]] = defaultdict(list)
        """By date, what is wrong with manifests that name, or may name, objects of it."""
        self.absent: dict[str, list[str]] = defaultdict(list)
        """By date, the ids of segments that have no manifest."""
        self.exchanges = set[str]()
        self.symbols = set[str]()
        self.data_types = set[str]()

    def look(self, tick: Callable[[int], None]) -> None:
        """List the objects, then read every manifest: one written late may name objects of any date.

        `tick` is called after each manifest, with their number. Raises StoreError.
        """
        # Objects first: otherwise those of a segment archived meanwhile would look as if no manifest named them.
        for key in self._store.object_keys():
            date = _date_in(key)
            if date is not None and self._from_date <= date < self._before_date:
                self._note_key(date, key)
        manifests = manifest_keys(self._store)
        for key, read in in_order(self._read, manifests, THREADS):
            self._note(key, read)
            tick(len(manifests))
        for segment_id in filter(is_segment_id, absent_segments(self._links)):
            self.absent[parse_segment_id(segment_id).date].append(segment_id)

    def candidates(self) -> list[str]:
        """The dates of which something may be wanted, oldest first."""
        return sorted(date for date, keys in self.listed.items() if any(map(self._is_wanted, keys)))

    @property
    def next_date(self) -> str | None:
        """Where another look is to begin; None if this one saw every old day."""
        return self._before_date if self._before_date < self._selection.before_date else None

    def _note_key(self, date: str, key: str) -> None:
        self._keys += key not in self.listed[date]
        self.listed[date].add(key)
        while self._keys > MOST_KEYS and len(self.listed) > 1:
            self._before_date = max(self.listed)
            self._keys -= len(self.listed.pop(self._before_date))

    def _is_wanted(self, key: str) -> bool:
        partition = partition_in(key)
        return partition is not None and self._selection.wants(partition)

    def _read(self, key: str) -> tuple[str, ManifestReport | str]:
        try:
            return key, read_manifest(self._store, key)
        except DamagedError as error:
            return key, str(error)

    def _note(self, key: str, read: ManifestReport | str) -> None:
        if isinstance(read, str):
            # Objects that it alone names look as if no manifest named them, which keeps their days.
            self._note_damage([_date_of(key)], f"damaged {key}: {read}")
            return
        manifest = read.manifest
        self._links.append(ChainLink(key, manifest.segment_id, manifest.previous_segment))
        dates = {entry.date for entry in manifest.objects}
        for date in dates:
            if self._selection.is_old(date):
                self.naming[date].append(key)
        for entry in manifest.objects:
            self.exchanges.add(entry.exchange)
            self.symbols.add(entry.symbol)
            self.data_types.add(entry.data_type)
        for fault in read.faults:
            places = (_date_in(fault.key), _date_in(fault.expected_key), _date_of(key))
            self._note_damage(places, f"damaged {fault.key}: {fault.text} (in {key})")
        if read.totals is not None:
            self._note_damage(dates, f"totals {key}: {read.totals}")

    def _note_damage(self, dates: Iterable[str | None], text: str) -> None:
        for date in {date for date in dates if date is not None}:
            self.damage[date].append(text)


def _date_in(key: str) -> str | None:
    partition = partition_in(key)
    return None if partition is None else partition.date


def _date_of(key: str) -> str | None:
    """The date that a manifest's key names; None for a file that is no manifest."""
    folder = key.removeprefix(f"{MANIFEST_FOLDER}/").split("/")[0]
    return folder.removeprefix("date=") if folder.startswith("date=") else None
