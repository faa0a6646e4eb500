"""What the manifests of an archive say; each is read once."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from collector.domain.errors import DamagedError
from collector.domain.names import manifest_key, time_us
from collector.domain.records import StreamKey
from collector.read.pieces import Piece, Place
from collector.storage.archive.catalog import manifest_keys
from collector.storage.archive.lenient_manifest import read_manifest
from collector.storage.archive.manifest import Manifest, ManifestObject
from collector.storage.archive.pruned import pruned_objects
from collector.storage.ordered_map import in_order
from collector.storage.store.object_store import ObjectStore

THREADS: Final = 8


class Entry(NamedTuple):
    """An object, and the segment it is of."""

    object: ManifestObject
    segment: Manifest


class Manifests:
    """The manifests of one archive."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._read: dict[str, Manifest] = {}
        self._entries: dict[StreamKey, list[Entry]] = defaultdict(list)
        self._problems: dict[str, list[str]] = {}
        self.ids: frozenset[str] = frozenset()
        """The segments that had a manifest at the last look, read or not."""

    def look(self) -> None:
        """Read what is new: all of it, because one written late may have early rows. Raises StoreError."""
        keys = manifest_keys(self._store)
        self.ids = frozenset(_segment_of(key) for key in keys)
        wanted = [key for key in keys if key not in self._read]
        for key, manifest, problems in in_order(self._manifest, wanted, THREADS):
            self._problems.pop(key, None)
            if problems:
                self._problems[key] = problems
            if manifest is not None:
                self._add(key, manifest)
        self._pruned = pruned_objects(self._store)

    def segment(self, host: str, segment_id: str) -> Manifest | None:
        """The manifest of a segment as it is now; None if there is none. Raises StoreError."""
        return self._manifest(manifest_key(host, segment_id))[1]

    def segments(self) -> Iterator[Manifest]:
        """Every manifest that was read."""
        return iter(self._read.values())

    def streams(self) -> Mapping[StreamKey, list[Entry]]:
        """The objects of every stream, the gap ledger's too, in no order."""
        return self._entries

    def is_pruned(self, entry: ManifestObject) -> bool:
        """Whether a person pruned the object. Raises StoreError."""
        return self.pruned_at(entry) is not None

    def pruned_at(self, entry: ManifestObject) -> str | None:
        """When a person pruned the object, ISO 8601; None if nobody did. Raises StoreError."""
        return self._pruned.pruned_at(entry)

    def problems(self) -> list[str]:
        """What could not be read: rows may be missing without a word of it in the ledger."""
        damaged = [f"{key}: {text}" for key, text in self._pruned.damaged()]
        return [text for _, found in sorted(self._problems.items()) for text in found] + damaged

    def _manifest(self, key: str) -> tuple[str, Manifest | None, list[str]]:
        try:
            report = read_manifest(self._store, key)
        except DamagedError as error:
            return key, None, [f"{key}: {error}"]
        return key, report.manifest, [f"{fault.key}: {fault.text} (in {key})" for fault in report.faults]

    def _add(self, key: str, manifest: Manifest) -> None:
        self._read[key] = manifest
        for entry in manifest.objects:
            self._entries[StreamKey(entry.exchange, entry.symbol, entry.data_type)].append(Entry(entry, manifest))


def piece_of(entry: Entry, place: Place = "archive") -> Piece:
    """An object as a piece."""
    one = entry.object
    return Piece(
        stream=StreamKey(one.exchange, one.symbol, one.data_type),
        host=entry.segment.host,
        segment_id=entry.segment.segment_id,
        place=place,
        name=one.key,
        rows=one.rows,
        bytes=one.bytes,
        received_min=None if one.received_min is None else time_us(one.received_min),
        received_max=None if one.received_max is None else time_us(one.received_max),
        date=one.date,
        path=None,
        sha256=one.sha256,
    )


def _segment_of(key: str) -> str:
    """The segment that a manifest's key names: the end of its file's name."""
    return "-".join(key.rpartition("/")[2].removesuffix(".json").rsplit("-", 2)[1:])
