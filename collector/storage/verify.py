"""Holds a store against its manifests. Reads only; every object is read whole, from the store itself."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final, NamedTuple

from collector.domain.errors import DamagedError
from collector.domain.names import MANIFEST_FOLDER, OBJECT_SUFFIX, manifest_key
from collector.storage.manifest import Manifest, ManifestObject, decode_manifest
from collector.storage.objects import ObjectInfo, ObjectStore

KINDS: Final = {
    "damaged": "a manifest that cannot be read or stands under another segment's name",
    "missing": "an object that a manifest names is not there",
    "differs": "an object has another size or checksum than its manifest says",
    "orphan": "no manifest names this object: its segment's upload is under way, or never ended",
    "hole": "the segment before this one has no manifest",
    "fork": "several segments say that they follow the same one",
}


class Finding(NamedTuple):
    """Something that is not as it should be; `kind` is one of KINDS."""

    kind: str
    key: str
    text: str


class Segment(NamedTuple):
    """A segment by its manifest."""

    key: str
    segment_id: str
    previous_segment: str | None


class Verification:
    """One walk over a store; the counts are of what was looked at so far."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._named: set[str] = set()
        self._segments: list[Segment] = []
        self.objects = 0
        self.rows = 0
        self.bytes = 0

    @property
    def segments(self) -> int:
        """Manifests read."""
        return len(self._segments)

    def findings(self) -> Iterator[Finding]:
        """Everything that is not as it should be. Raises StoreError where the store cannot be read."""
        for key in self._store.keys(f"{MANIFEST_FOLDER}/"):
            try:
                manifest = self._manifest(key)
            except DamagedError as error:
                yield Finding("damaged", key, str(error))
                continue
            self._segments.append(Segment(key, manifest.segment_id, manifest.previous_segment))
            for described in manifest.objects:
                yield from self._object(described)
        yield from self._orphans()
        yield from broken_chains(self._segments)

    def _manifest(self, key: str) -> Manifest:
        manifest = decode_manifest(self._store.read(key) or b"")
        try:
            expected = manifest_key(manifest.host, manifest.segment_id)
        except ValueError as error:
            raise DamagedError(str(error)) from error
        if key != expected:
            raise DamagedError(f"it belongs to {expected}")
        return manifest

    def _object(self, described: ManifestObject) -> Iterator[Finding]:
        self._named.add(described.key)
        held = self._store.head(described.key)
        expected = ObjectInfo(described.bytes, described.sha256)
        if held is None:
            yield Finding("missing", described.key, f"it had {described.rows} rows")
        elif held != expected:
            yield Finding("differs", described.key, f"it should be {_text(expected)}, but is {_text(held)}")
        else:
            self.objects += 1
            self.rows += described.rows
            self.bytes += described.bytes

    def _orphans(self) -> Iterator[Finding]:
        for key in self._store.keys(""):
            if key.endswith(OBJECT_SUFFIX) and key not in self._named:
                yield Finding("orphan", key, "no manifest names it")


def broken_chains(segments: list[Segment]) -> Iterator[Finding]:
    """Where segments do not follow one another; a host's first segment follows none. A renamed host goes on in its chain."""
    present = {segment.segment_id for segment in segments}
    followers = defaultdict(list)
    for segment in segments:
        if segment.previous_segment is not None:
            followers[segment.previous_segment].append(segment.key)
    for previous, keys in followers.items():
        if previous not in present:
            yield Finding("hole", keys[0], f"segment {previous} before it has no manifest")
        if len(keys) > 1:
            yield from (Finding("fork", key, f"it is not alone in following {previous}") for key in keys)


def _text(info: ObjectInfo) -> str:
    return f"{info.size_bytes} bytes with sha256 {info.sha256}"
