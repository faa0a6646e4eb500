"""Copies a part of an archive, as an archive of its own.

Objects are copied whole, so that size and checksum stay the same: an object with a single row in the selected time also
brings its other rows (at most a segment's). Manifests list the copied objects. `previous_segment` skips segments that are
left out, so that these do not look like holes in the chain; a hole in the archive itself stays one. What was pruned from
the archive is left out as well.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from collector.domain.errors import ConfigError, DamagedError
from collector.domain.names import MANIFEST_FOLDER, manifest_key
from collector.domain.records import GAP, UNKNOWN
from collector.storage.archive.catalog import manifest_keys
from collector.storage.archive.lenient_manifest import read_manifest
from collector.storage.archive.manifest import Manifest, ManifestObject, counted
from collector.storage.archive.pruned import pruned_objects
from collector.storage.archive.store_retry import retry_once
from collector.storage.ordered_map import in_order
from collector.storage.store.object_store import ObjectInfo, ObjectStore

THREADS: Final = 8


class Selection(NamedTuple):
    """The rows to copy; an empty set means all. Times are ISO 8601, UTC, with microseconds, as in manifests."""

    from_time: str
    to_time: str
    """The end of the selected time, itself excluded."""
    exchanges: frozenset[str] = frozenset()
    symbols: frozenset[str] = frozenset()
    data_types: frozenset[str] = frozenset()

    def in_time(self, entry: ManifestObject) -> bool:
        """Whether the object may have rows of the selected time; of gap rows only the date is known."""
        if entry.received_min is None or entry.received_max is None:
            return self.from_time[:10] <= entry.date <= self.to_time[:10]
        return entry.received_max >= self.from_time and entry.received_min < self.to_time

    def wants(self, entry: ManifestObject) -> bool:
        """Whether to copy the object. Gap rows of a selected stream are copied with it, and those of its whole feed."""
        return (
            self.in_time(entry)
            and (not self.exchanges or entry.exchange in self.exchanges)
            and (not self.symbols or entry.symbol in {*self.symbols, UNKNOWN})
            and (not self.data_types or entry.data_type in {*self.data_types, GAP})
        )


class CopiedSegment(NamedTuple):
    """The result for one segment."""

    bytes: int
    objects: int
    already_there: int
    problems: list[str]


def plan(manifests: Iterable[Manifest], selection: Selection) -> list[Manifest]:
    """The manifests of the new archive: of the segments in the selected time, with the selected objects."""
    known, chosen = dict[str, str | None](), list[Manifest]()
    days: dict[str, Manifest] = {}
    for manifest in manifests:
        if manifest.generation:
            # Of a day's files only the last generation counts.
            place = f"{manifest.host} {manifest.segment_id[:8]}"
            days[place] = max(manifest, days.get(place, manifest), key=lambda one: one.segment_id)
            continue
        known[manifest.segment_id] = manifest.previous_segment
        if any(map(selection.in_time, manifest.objects)):
            chosen.append(_reduced(manifest, [one for one in manifest.objects if selection.wants(one)]))
    chosen += [
        _reduced(day, [one for one in day.objects if selection.wants(one)])
        for day in days.values()
        if any(map(selection.in_time, day.objects))
    ]
    staying = {manifest.segment_id for manifest in chosen}
    return [
        msgspec.structs.replace(manifest, previous_segment=_predecessor(manifest, known, staying))
        for manifest in chosen
    ]


def read_manifests(
    store: ObjectStore, problems: list[str], on_pruned: Callable[[ManifestObject], None] = lambda _: None
) -> Iterator[tuple[int, Manifest | None]]:
    """The number of manifests in a store and each manifest with its usable entries, but for pruned objects.

    Damage is added to `problems`: a damaged manifest is None, a damaged entry is left out, and one with nothing but
    damaged times comes without them. `on_pruned` gets each entry whose object was pruned. All manifests are read, because
    only they tell what a segment holds: one written late may have early rows.
    """
    keys, pruned = manifest_keys(store), pruned_objects(store)

    def read(key: str) -> tuple[Manifest | None, list[ManifestObject]]:
        try:
            examined = read_manifest(store, key)
        except DamagedError as error:
            problems.append(f"{key}: {error}")
            return None, []
        problems.extend(f"{fault.key}: {fault.text} (in {key})" for fault in examined.faults)
        gone = [entry for entry in examined.manifest.objects if pruned.pruned_at(entry) is not None]
        return _without(examined.manifest, gone), gone

    for manifest, gone in in_order(read, keys, THREADS):
        for entry in gone:
            on_pruned(entry)
        yield len(keys), manifest
    problems.extend(f"{key}: {text}" for key, text in pruned.damaged())


def require_room_for(manifests: list[Manifest], target: ObjectStore) -> None:
    """Raise ConfigError unless the target is empty, or holds a part of the same restore from an earlier try."""
    expected = {_key(manifest): manifest.encode() for manifest in manifests}
    for key in target.keys(""):
        if key.startswith(f"{MANIFEST_FOLDER}/") and target.read(key) != expected.get(key):
            raise ConfigError([f"{target.url} holds something else already ({key}): name an empty folder"])


def copy_segments(
    manifests: list[Manifest], store: ObjectStore, target: ObjectStore, scratch: Path
) -> Iterator[CopiedSegment]:
    """Copy the objects of each segment, then its manifest; skip objects that are there whole. Raises StoreError."""
    return in_order(lambda manifest: _copy_segment(manifest, store, target, scratch), manifests, THREADS)


def _copy_segment(manifest: Manifest, store: ObjectStore, target: ObjectStore, scratch: Path) -> CopiedSegment:
    problems = []
    size = already_there = 0
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        path = Path(folder, "object")
        for entry in manifest.objects:
            try:
                already_there += _copy_object(entry, store, target, path)
            except DamagedError as error:
                problems.append(f"{entry.key}: {error}")
            else:
                size += entry.bytes
        content = manifest.encode()
        path.write_bytes(content)
        # It also lists objects that could not be copied, so that verifying the new archive reports them.
        target.put(_key(manifest), path, hashlib.sha256(content).hexdigest())
    return CopiedSegment(size, len(manifest.objects) - len(problems), already_there, problems)


def _copy_object(entry: ManifestObject, store: ObjectStore, target: ObjectStore, path: Path) -> bool:
    """Whether the object was there already. Raises DamagedError if it cannot be copied, StoreError if a store is away."""
    expected = ObjectInfo(entry.bytes, entry.sha256)
    if retry_once(target, lambda: target.head(entry.key)) == expected:
        return True
    fetched = retry_once(store, lambda: store.fetch(entry.key, path))
    if fetched != expected:
        raise DamagedError(f"it is {'not there' if fetched is None else 'not what its manifest says'}")
    retry_once(target, lambda: target.put(entry.key, path, entry.sha256))
    return False


def _predecessor(manifest: Manifest, known: Mapping[str, str | None], staying: set[str]) -> str | None:
    """The nearest earlier segment that is copied too; the direct predecessor if the archive itself lacks it."""
    previous = manifest.previous_segment
    if previous is None or previous not in known:
        return previous
    while previous is not None and previous not in staying:
        earlier = known.get(previous)
        previous = earlier if earlier is not None and earlier < previous else None
    return previous


def _without(manifest: Manifest, gone: list[ManifestObject]) -> Manifest:
    if not gone:
        return manifest
    keys = {entry.key for entry in gone}
    return _reduced(manifest, [entry for entry in manifest.objects if entry.key not in keys])


def _reduced(manifest: Manifest, objects: list[ManifestObject]) -> Manifest:
    rows, gaps = counted(objects)
    # Day files of a part of the streams stand for no whole segment.
    segments = manifest.segments if len(objects) == len(manifest.objects) else []
    return msgspec.structs.replace(manifest, objects=objects, rows=rows, gaps=gaps, segments=segments)


def _key(manifest: Manifest) -> str:
    return manifest_key(manifest.host, manifest.segment_id)
