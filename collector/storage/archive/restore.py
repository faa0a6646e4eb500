"""Brings a part of an archive back as an archive of its own.

Objects come whole, as they are, so that size and checksum stay those of the archive: one with a single row in the time
asked for brings its other rows too (at most a segment's). Manifests name what came. The chain of segments is closed over
those that were left out, so a segment whose predecessor has nothing to bring does not look like a hole; a hole of the
archive itself stays one.
"""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from collector.domain.errors import ConfigError, DamagedError
from collector.domain.names import MANIFEST_FOLDER, manifest_key
from collector.domain.records import GAP, UNKNOWN
from collector.storage.archive.lenient_manifest import read_manifest
from collector.storage.archive.manifest import Manifest, ManifestObject, counted
from collector.storage.archive.store_retry import retry_once
from collector.storage.ordered_map import in_order
from collector.storage.store.object_store import ObjectInfo, ObjectStore

THREADS: Final = 8


class Selection(NamedTuple):
    """Which rows are wanted; an empty set means all. Times are ISO 8601, UTC, with microseconds, as manifests have them."""

    from_time: str
    to_time: str
    """The first moment that is not wanted any more."""
    exchanges: frozenset[str] = frozenset()
    symbols: frozenset[str] = frozenset()
    data_types: frozenset[str] = frozenset()

    def in_time(self, described: ManifestObject) -> bool:
        """Whether the object may hold rows of that time; of the ledger only the date is known."""
        if described.received_min is None or described.received_max is None:
            return self.from_time[:10] <= described.date <= self.to_time[:10]
        return described.received_max >= self.from_time and described.received_min < self.to_time

    def wants(self, described: ManifestObject) -> bool:
        """Whether the object is to come. The gap ledger of a wanted stream comes with it, and that of its whole feed."""
        return (
            self.in_time(described)
            and (not self.exchanges or described.exchange in self.exchanges)
            and (not self.symbols or described.symbol in {*self.symbols, UNKNOWN})
            and (not self.data_types or described.data_type in {*self.data_types, GAP})
        )


class Brought(NamedTuple):
    """What became of one segment."""

    bytes: int
    objects: int
    already_there: int
    problems: list[str]


def plan(manifests: Iterable[Manifest], selection: Selection) -> list[Manifest]:
    """The manifests of the new archive: of the segments of that time, naming the objects that are wanted."""
    known, chosen = dict[str, str | None](), []
    for manifest in manifests:
        known[manifest.segment_id] = manifest.previous_segment
        if any(map(selection.in_time, manifest.objects)):
            chosen.append(_reduced(manifest, [one for one in manifest.objects if selection.wants(one)]))
    staying = {manifest.segment_id for manifest in chosen}
    return [
        msgspec.structs.replace(manifest, previous_segment=_predecessor(manifest, known, staying))
        for manifest in chosen
    ]


def read_manifests(store: ObjectStore, problems: list[str]) -> Iterator[tuple[int, Manifest | None]]:
    """Every manifest of a store with the entries that can be used, each with how many there are.

    What is damaged is a problem, and no more: a manifest comes as None, an entry is left out, and one of which only the
    times are damaged comes without them. All manifests are read, for only they tell what a segment holds: one that was
    written late may hold early rows.
    """
    keys = list(store.keys(f"{MANIFEST_FOLDER}/"))

    def read(key: str) -> Manifest | None:
        try:
            examined = read_manifest(store, key)
        except DamagedError as error:
            problems.append(f"{key}: {error}")
            return None
        problems.extend(f"{fault.key}: {fault.text} (in {key})" for fault in examined.faults)
        return examined.manifest

    return ((len(keys), manifest) for manifest in in_order(read, keys, THREADS))


def require_room_for(manifests: list[Manifest], target: ObjectStore) -> None:
    """Raise ConfigError unless the target is empty or holds a part of just this, from an earlier try."""
    expected = {_key(manifest): manifest.encode() for manifest in manifests}
    for key in target.keys(""):
        if key.startswith(f"{MANIFEST_FOLDER}/") and target.read(key) != expected.get(key):
            raise ConfigError([f"{target.url} holds something else already ({key}): name an empty folder"])


def bring(manifests: list[Manifest], store: ObjectStore, target: ObjectStore, scratch: Path) -> Iterator[Brought]:
    """Copy the objects of each segment, then its manifest; what is there already, whole, stays. Raises StoreError."""
    return in_order(lambda manifest: _bring(manifest, store, target, scratch), manifests, THREADS)


def _bring(manifest: Manifest, store: ObjectStore, target: ObjectStore, scratch: Path) -> Brought:
    problems = []
    size = already_there = 0
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        path = Path(folder, "object")
        for described in manifest.objects:
            try:
                already_there += _bring_object(described, store, target, path)
            except DamagedError as error:
                problems.append(f"{described.key}: {error}")
            else:
                size += described.bytes
        content = manifest.encode()
        path.write_bytes(content)
        # It names also what could not be brought: a look at the new archive then says so.
        target.put(_key(manifest), path, hashlib.sha256(content).hexdigest())
    return Brought(size, len(manifest.objects) - len(problems), already_there, problems)


def _bring_object(described: ManifestObject, store: ObjectStore, target: ObjectStore, path: Path) -> bool:
    """Whether it was there already. Raises DamagedError for one that cannot be had, StoreError for a store that is away."""
    expected = ObjectInfo(described.bytes, described.sha256)
    if retry_once(target, lambda: target.head(described.key)) == expected:
        return True
    held = retry_once(store, lambda: store.fetch(described.key, path))
    if held != expected:
        raise DamagedError(f"it is {'not there' if held is None else 'not what its manifest says'}")
    retry_once(target, lambda: target.put(described.key, path, described.sha256))
    return False


def _predecessor(manifest: Manifest, known: Mapping[str, str | None], staying: set[str]) -> str | None:
    """The nearest segment before this one that comes too; one that the archive itself lacks, if it stood just before."""
    previous = manifest.previous_segment
    if previous is None or previous not in known:
        return previous
    while previous is not None and previous not in staying:
        earlier = known.get(previous)
        previous = earlier if earlier is not None and earlier < previous else None
    return previous


def _reduced(manifest: Manifest, objects: list[ManifestObject]) -> Manifest:
    rows, gaps = counted(objects)
    return msgspec.structs.replace(manifest, objects=objects, rows=rows, gaps=gaps)


def _key(manifest: Manifest) -> str:
    return manifest_key(manifest.host, manifest.segment_id)
