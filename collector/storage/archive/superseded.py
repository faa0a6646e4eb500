"""Removes day files of which a later generation counts. Run by a person: nobody reads them any more, but for readers of folders."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from collector.domain.errors import DamagedError
from collector.domain.names import parse_segment_id
from collector.storage.archive.catalog import manifest_keys
from collector.storage.archive.days import HostDate, counting, manifest_name
from collector.storage.archive.lenient_manifest import read_manifest
from collector.storage.archive.manifest import ManifestObject
from collector.storage.archive.removal import Removal, totals
from collector.storage.ordered_map import in_order
from collector.storage.store.deleting import DeletingStore
from collector.storage.store.object_store import ObjectStore

THREADS: Final = 8


class Superseded(NamedTuple):
    """What was removed of a date, or would be."""

    date: str
    objects: int
    rows: int
    bytes: int


def remove_superseded(store: DeletingStore, now: Callable[[], str], *, dry: bool) -> Iterator[Superseded]:
    """Remove them date by date. Raises StoreError, DamagedError if a manifest that counts cannot be read."""
    found = _superseded(store)
    if found and not dry:
        store.require_may_delete()
    removal = Removal(store, now)
    for date, entries in sorted(found.items()):
        if not dry:
            removal.remove(date, entries)
        yield Superseded(date, len(entries), *totals(entries))


def _superseded(store: ObjectStore) -> dict[str, list[ManifestObject]]:
    """By date, the files that are there and that no manifest that counts names."""
    keys = manifest_keys(store)
    newest = counting(keys)
    found: dict[str, list[ManifestObject]] = defaultdict(list)
    earlier: dict[HostDate, list[str]] = defaultdict(list)
    for key in keys:
        day = _day_of(key)
        if day is not None and newest[day] != key:
            earlier[day].append(key)
    for day, names in earlier.items():
        counted = _objects(store, newest[day])
        if counted is None:
            raise DamagedError(f"{newest[day]} cannot be read, or is of no day files: nothing of {day.date} may go")
        listed: dict[str, ManifestObject] = {}
        for name in names:
            listed |= _objects(store, name) or {}
        gone = [entry for key, entry in listed.items() if key not in counted]
        there = in_order(lambda entry: (entry, store.head(entry.key)), gone, THREADS)
        found[day.date] += [entry for entry, info in there if info is not None]
    return {date: entries for date, entries in found.items() if entries}


def _objects(store: ObjectStore, key: str) -> dict[str, ManifestObject] | None:
    try:
        report = read_manifest(store, key)
    except DamagedError:
        return None
    if not report.manifest.generation or report.faults:
        return None
    return {entry.key: entry for entry in report.manifest.objects}


def _day_of(key: str) -> HostDate | None:
    host, segment_id = manifest_name(key)
    try:
        return HostDate(host, parse_segment_id(segment_id).date)
    except ValueError:
        return None
