"""Finds the days of an archive whose files are to be made: those that are over and have rows that no day file has yet."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from collector.compaction.foreign import require_day_files, require_segment
from collector.compaction.plan import Found
from collector.domain.errors import DamagedError
from collector.domain.names import MANIFEST_FOLDER, manifest_key, parse_segment_id, partition_in
from collector.storage.archive.catalog import manifest_keys
from collector.storage.archive.days import HostDate, counting, manifest_name
from collector.storage.archive.lenient_manifest import ManifestReport, read_manifest
from collector.storage.archive.manifest import Manifest, ManifestObject, digest_of
from collector.storage.archive.pruned import pruned_objects
from collector.storage.ordered_map import in_order
from collector.storage.store.object_store import ObjectStore

THREADS: Final = 8


class Dates(NamedTuple):
    """Which dates are asked for; the last one is the last day that is over."""

    first: str
    last: str

    def has(self, date: str) -> bool:
        """Whether a date is one of them."""
        return self.first <= date <= self.last


class Survey:
    """One look at an archive and its day files. `look` fills it; what it keeps of a manifest is its name and dates."""

    def __init__(self, archive: ObjectStore, daily: ObjectStore, dates: Dates) -> None:
        self._archive = archive
        self._daily = daily
        self._dates = dates
        self._counting: dict[HostDate, str] = {}
        self._segments: dict[HostDate, set[str]] = defaultdict(set)
        self._files: dict[HostDate, dict[str, ManifestObject]] = {}
        self._lost: dict[HostDate, set[str]] = {}
        self._unnamed: dict[HostDate, list[str]] = defaultdict(list)
        self._digests: dict[HostDate, dict[str, str]] = {}
        self.damage: dict[str, list[str]] = defaultdict(list)
        """By date, why nothing can be done for it."""
        self.manifests = 0
        """Those of the archive that had to be read: of the dates asked for, and those that no day's manifest stands for."""
        self.exchanges = set[str]()
        self.symbols = set[str]()
        self._keys = frozenset[str]()

    def look(self, tick: Callable[[int], None]) -> None:
        """Read the manifests; `tick` is called after each of the archive's, with the number of all.

        Raises StoreError, ConfigError for a tree that is not what it is named as.
        """
        keys = manifest_keys(self._archive)
        self._keys = frozenset(keys)
        self._counting = counting(manifest_keys(self._daily))
        known = self._look_at_days()
        names = {key: manifest_name(key)[1] for key in keys}
        # Segments that day files stand for may have been replaced by others of the same name.
        unread = [key for key, name in names.items() if name not in known or any(map(self._dates.has, known[name]))]
        self.manifests = len(unread)
        for key, read in in_order(self._read(self._archive), unread, THREADS):
            self._note(key, read, is_new=names[key] not in known)
            tick(len(unread))
        self._pruned = pruned_objects(self._archive)
        self._look_at_files()

    def days(self) -> list[HostDate]:
        """The days that may need a new generation, oldest first.

        Rows of one host may show that another's day files cannot stay: its day comes first, so that a run that is killed
        finds both again.
        """
        dates = {day.date for day in self._segments}
        days = {*self._segments, *self._lost, *(day for day in self._counting if day.date in dates)}
        return sorted(days, key=lambda day: (day.date, day in self._segments, day.host))

    def found(self, day: HostDate) -> Found:
        """All that there is of a day. Raises DamagedError if a part of it cannot be read, StoreError."""
        held = self._held(day)
        others = {one for one in (*self._segments, *self._counting) if one.date == day.date} - {day}
        elsewhere = [
            entry
            for other in sorted(others)
            for segment in self._segments_of(other, self._held(other))
            for entry in segment.objects
            if entry.date == day.date
        ]
        segments = self._segments_of(day, held)
        files = frozenset(self._lost.get(day, ())), self._unnamed.get(day, ())
        return Found(day, segments, held, lambda entry: self._pruned.pruned_at(entry) is not None, elsewhere, *files)

    def _held(self, day: HostDate) -> Manifest | None:
        """The manifest of the day files that count."""
        key = self._counting.get(day)
        return None if key is None else _sound(key, read_manifest(self._daily, key))

    def _segments_of(self, day: HostDate, held: Manifest | None) -> list[Manifest]:
        names = self._segments.get(day, set()) | (set(held.replaces) if held else set())
        keys = [key for name in sorted(names) if (key := manifest_key(day.host, name)) in self._keys]
        return list(in_order(lambda key: _sound(key, read_manifest(self._archive, key)), keys, THREADS))

    def _look_at_days(self) -> dict[str, frozenset[str]]:
        """The segments that are replaced whole, with every date that they have objects of."""
        standing: dict[str, tuple[str, frozenset[str]]] = {}
        by_day: dict[HostDate, frozenset[str]] = {}
        for key, read in in_order(self._read(self._daily), self._counting.values(), THREADS):
            host, day_name = manifest_name(key)
            day = HostDate(host, parse_segment_id(day_name).date)
            if isinstance(read, str) or read.faults:
                reason = read if isinstance(read, str) else read.faults[0].text
                self.damage[day.date].append(f"{key}: {reason}")
                continue
            manifest = read.manifest
            require_day_files(self._daily, manifest)
            self._note_names(manifest)
            if self._dates.has(day.date):
                self._files[day] = {entry.key: entry for entry in manifest.objects}
            self._digests[day] = manifest.digests
            by_day[day] = frozenset(one.segment_id for one in manifest.segments)
            standing |= {one.segment_id: (host, frozenset(one.dates)) for one in manifest.segments}
        return {
            name: dates
            for name, (host, dates) in standing.items()
            if all(name in by_day.get(HostDate(host, date), ()) for date in dates)
        }

    def _look_at_files(self) -> None:
        """Which day files of the dates are not there, by one listing; whether they are whole is for `collector verify`."""
        missing = {day: dict(files) for day, files in self._files.items()}
        for key in self._daily.keys("exchange="):
            partition, (host, name) = partition_in(key), manifest_name(key)
            if partition is None or not self._dates.has(partition.date):
                continue
            day = HostDate(host, partition.date)
            if missing.get(day, {}).pop(key, None) is None and name > manifest_name(self._counting.get(day, ""))[1]:
                self._unnamed[day].append(key)
        pruned = pruned_objects(self._daily)
        for day, files in missing.items():
            if lost := {key for key, entry in files.items() if pruned.pruned_at(entry) is None}:
                self._lost[day] = lost

    def _note(self, key: str, read: ManifestReport | str, *, is_new: bool) -> None:
        if isinstance(read, str):
            self._note_damage([_date_of(key)], f"{key}: {read}")
            return
        manifest = read.manifest
        require_segment(self._archive, manifest)
        self._note_names(manifest)
        dates = {entry.date for entry in manifest.objects if self._dates.has(entry.date)}
        for day in (HostDate(manifest.host, date) for date in dates):
            before = self._digests.get(day, {}).get(manifest.segment_id, "")
            if is_new or before not in {"", digest_of(manifest.objects, day.date)}:
                self._segments[day].add(manifest.segment_id)
        for fault in read.faults:
            self._note_damage([*dates, _date_of(key)], f"{fault.key}: {fault.text} (in {key})")

    def _note_names(self, manifest: Manifest) -> None:
        for entry in manifest.objects:
            self.exchanges.add(entry.exchange)
            self.symbols.add(entry.symbol)

    def _note_damage(self, dates: Iterable[str | None], text: str) -> None:
        for date in {date for date in dates if date is not None}:
            self.damage[date].append(text)

    @staticmethod
    def _read(store: ObjectStore) -> Callable[[str], tuple[str, ManifestReport | str]]:
        def read(key: str) -> tuple[str, ManifestReport | str]:
            try:
                return key, read_manifest(store, key)
            except DamagedError as error:
                return key, str(error)

        return read


def _sound(key: str, read: ManifestReport) -> Manifest:
    if read.faults:
        raise DamagedError(f"{read.faults[0].key}: {read.faults[0].text} (in {key})")
    return read.manifest


def _date_of(key: str) -> str | None:
    folder = key.removeprefix(f"{MANIFEST_FOLDER}/").split("/")[0]
    return folder.removeprefix("date=") if folder.startswith("date=") else None
