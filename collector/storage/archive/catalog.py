"""Looks up manifests in a store: which segments it holds whole, and when their last rows were received."""

from collections.abc import Iterator, Mapping

from collector.domain.errors import DamagedError
from collector.domain.names import MANIFEST_FOLDER, PRUNED_FOLDER, is_segment_id, parse_segment_id, time_us
from collector.domain.records import StreamKey
from collector.storage.archive.manifest import Manifest, decode_manifest
from collector.storage.archive.pruned import PrunedObjects, pruned_objects
from collector.storage.store.object_store import ObjectInfo, ObjectStore


def manifest_keys(store: ObjectStore) -> list[str]:
    """The key of every manifest, in order; records of what was pruned stand beside them. Raises StoreError."""
    return [key for key in store.keys(f"{MANIFEST_FOLDER}/") if not key.startswith(f"{PRUNED_FOLDER}/")]


def whole_segment(store: ObjectStore, key: str) -> Manifest | None:
    """The manifest under `key`, if the store holds it and every object in it, but for pruned ones. Raises StoreError."""
    manifest = _manifest(store, key)
    if manifest is None:
        return None
    pruned: PrunedObjects | None = None
    for entry in manifest.objects:
        if store.head(entry.key) != ObjectInfo(entry.bytes, entry.sha256):
            pruned = pruned or pruned_objects(store)
            if pruned.pruned_at(entry) is None:
                return None
    return manifest


def find_whole(store: ObjectStore, segment_id: str) -> Manifest | None:
    """The manifest of a segment, of any host, if the store holds the segment whole. Raises StoreError."""
    keys = store.keys(f"{MANIFEST_FOLDER}/date={parse_segment_id(segment_id).date}/")
    found = (whole_segment(store, key) for key in keys if key.endswith(f"-{segment_id}.json"))
    return next(filter(None, found), None)


def received_until(store: ObjectStore, host: str, segment_id: str) -> Mapping[StreamKey, int]:
    """Receive time of each stream's newest row in the host's newest archived segment before this one that has rows.

    Microseconds since the epoch; empty if there is no such segment. Raises StoreError.
    """
    for key in _keys_before(store, host, segment_id):
        manifest = _manifest(store, key)
        try:
            times = dict(_received_max(manifest)) if manifest else {}
        except (ValueError, TypeError):
            # A manifest whose times cannot be read is passed over.
            continue
        if times:
            return times
    return {}


def _keys_before(store: ObjectStore, host: str, segment_id: str) -> list[str]:
    """The keys of the manifests of a host's earlier segments, the newest first."""
    found = []
    for key in manifest_keys(store):
        name = key.rpartition("/")[2].removeprefix(f"{host}-").removesuffix(".json")
        if is_segment_id(name) and name < segment_id:
            found.append((name, key))
    return [key for _, key in sorted(found, reverse=True)]


def _received_max(manifest: Manifest) -> Iterator[tuple[StreamKey, int]]:
    newest: dict[StreamKey, str] = {}
    for entry in manifest.objects:
        if entry.received_max is not None:
            stream = StreamKey(entry.exchange, entry.symbol, entry.data_type)
            newest[stream] = max(entry.received_max, newest.get(stream, ""))
    for stream, time in newest.items():
        yield stream, time_us(time)


def _manifest(store: ObjectStore, key: str) -> Manifest | None:
    """None also if it cannot be decoded: then it is written again, with all its objects."""
    content = store.read(key)
    try:
        return None if content is None else decode_manifest(content)
    except DamagedError:
        return None
