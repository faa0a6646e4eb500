"""Brings a part of an archive back as an archive of its own.

Objects come whole, as they are, so that size and checksum stay those of the archive: one with a single row in the time
asked for brings its other rows too (at most a segment's). Manifests name what came. The chain of segments is closed over
those that were left out, so a segment whose predecessor has nothing to bring does not look like a hole; a hole of the
archive itself stays one.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from collector.domain.errors import ConfigError, DamagedError
from collector.domain.names import MANIFEST_FOLDER, manifest_key
from collector.domain.records import GAP, UNKNOWN
from collector.storage.manifest import Manifest, ManifestObject, manifest_under
from collector.storage.objects import ObjectInfo, ObjectStore
from collector.storage.parallel import in_order

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


def plan(manifests: list[Manifest], selection: Selection) -> list[Manifest]:
    """The manifests of the new archive: of the segments of that time, naming the objects that are wanted."""
    known = {manifest.segment_id: manifest.previous_segment for manifest in manifests}
    chosen = [manifest for manifest in manifests if any(map(selection.in_time, manifest.objects))]
    staying = {manifest.segment_id for manifest in chosen}
    return [
        _reduced(
            manifest, _predecessor(manifest, known, staying), [one for one in manifest.objects if selection.wants(one)]
        )
        for manifest in chosen
    ]


def read_manifests(store: ObjectStore, problems: list[str]) -> Iterator[tuple[int, Manifest | None]]:
    """Every manifest of a store, each with how many there are; None, and a problem, for one that cannot be read.

    All of them are read, for only they tell what a segment holds: one that was written late may hold early rows.
    """
    keys = list(store.keys(f"{MANIFEST_FOLDER}/"))

    def read(key: str) -> Manifest | None:
        try:
            return manifest_under(key, store.read(key) or b"")
        except DamagedError as error:
            problems.append(f"{key}: {error}")
            return None

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
    already_there = 0
    with tempfile.TemporaryDirectory(dir=scratch, prefix="_restore-") as folder:
        path = Path(folder, "object")
        for described in manifest.objects:
            expected = ObjectInfo(described.bytes, described.sha256)
            if target.head(described.key) == expected:
                already_there += 1
                continue
            held = store.fetch(described.key, path)
            if held != expected:
                problems.append(
                    f"{described.key}: it is {'not there' if held is None else 'not what its manifest says'}"
                )
                continue
            target.put(described.key, path, described.sha256)
        content = manifest.encode()
        path.write_bytes(content)
        # It names also what could not be brought: a look at the new archive then says so.
        target.put(_key(manifest), path, hashlib.sha256(content).hexdigest())
    size = sum(described.bytes for described in manifest.objects)
    return Brought(size, len(manifest.objects) - len(problems), already_there, problems)


def _predecessor(manifest: Manifest, known: Mapping[str, str | None], staying: set[str]) -> str | None:
    """The nearest segment before this one that comes too; one that the archive itself lacks, if it stood just before."""
    previous = manifest.previous_segment
    if previous is None or previous not in known:
        return previous
    while previous is not None and previous not in staying:
        earlier = known.get(previous)
        previous = earlier if earlier is not None and earlier < previous else None
    return previous


def _reduced(manifest: Manifest, previous: str | None, objects: list[ManifestObject]) -> Manifest:
    return msgspec.structs.replace(
        manifest,
        previous_segment=previous,
        objects=objects,
        rows=sum(described.rows for described in objects if described.data_type != GAP),
        gaps=sum(described.rows for described in objects if described.data_type == GAP),
    )


def _key(manifest: Manifest) -> str:
    return manifest_key(manifest.host, manifest.segment_id)
