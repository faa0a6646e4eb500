"""Holds a store against its manifests. Reads only.

Size and checksum are the store's own word: a folder reads each file for it, a bucket keeps the checksum that it
compared when the object came. A deep look fetches every object and reads it.
"""

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from collector.domain.errors import DamagedError
from collector.domain.names import MANIFEST_FOLDER, OBJECT_SUFFIX
from collector.storage.archive.lenient_manifest import read_manifest
from collector.storage.archive.manifest import Manifest, ManifestObject
from collector.storage.archive.store_retry import retry_once
from collector.storage.ordered_map import in_order
from collector.storage.store.object_store import ObjectInfo, ObjectStore

THREADS: Final = 8

KINDS: Final = {
    "damaged": "a manifest, or one of its entries, that cannot be read or cannot be true",
    "totals": "a manifest's rows or gaps are not the sum of its objects'",
    "missing": "an object that a manifest names is not there",
    "unread": "an object is there, but the store does not give it",
    "differs": "an object has another size or checksum than its manifest says",
    "content": "an object's rows, times, ids or columns are not what its manifest says (only looked at with --deep)",
    "orphan": "no manifest names this object: its segment's upload is under way, or never ended",
    "hole": "the segment before this one has no manifest",
    "fork": "several segments say that they follow the same one",
}

Read = Callable[[Path, ManifestObject, Manifest], Iterator[str]]
"""What a file says otherwise than its manifest, a line each."""


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


class _Looked(NamedTuple):
    """What became of one manifest."""

    segment: Segment | None
    named: list[str]
    whole: list[ManifestObject]
    findings: list[Finding]


class Verification:
    """One walk over a store; the counts are of what was looked at so far.

    With `read` every object is fetched and read; `scratch` is the folder where, None the system's own.
    """

    def __init__(self, store: ObjectStore, read: Read | None = None, scratch: Path | None = None) -> None:
        self._store = store
        self._read = read
        self._scratch = scratch
        self._segments: list[Segment] = []
        self.manifests = 0
        """How many there are, once the walk has begun."""
        self.looked_at = 0
        self.objects = 0
        self.rows = 0
        self.bytes = 0

    @property
    def segments(self) -> int:
        """Manifests read."""
        return len(self._segments)

    def findings(self, tick: Callable[[], None] = lambda: None) -> Iterator[Finding]:
        """Everything that is not as it should be; `tick` is called after each manifest.

        Raises StoreError where the store cannot be read.
        """
        # Objects are listed before manifests, or those of a segment that is archived meanwhile would be orphans.
        unnamed = {key for key in self._store.keys("") if key.endswith(OBJECT_SUFFIX)}
        manifests = list(self._store.keys(f"{MANIFEST_FOLDER}/"))
        self.manifests = len(manifests)
        for looked in in_order(self._look, manifests, THREADS):
            self._count(looked)
            unnamed.difference_update(looked.named)
            tick()
            yield from looked.findings
        yield from (Finding("orphan", key, "no manifest names it") for key in sorted(unnamed))
        yield from broken_chains(self._segments)

    def _count(self, looked: _Looked) -> None:
        self.looked_at += 1
        if looked.segment is not None:
            self._segments.append(looked.segment)
        self.objects += len(looked.whole)
        self.rows += sum(described.rows for described in looked.whole)
        self.bytes += sum(described.bytes for described in looked.whole)

    def _look(self, key: str) -> _Looked:
        try:
            read = read_manifest(self._store, key)
        except DamagedError as error:
            return _Looked(None, [], [], [Finding("damaged", key, str(error))])
        found = [Finding("damaged", fault.key, f"{fault.text} (in {key})") for fault in read.faults]
        if read.totals is not None:
            found.append(Finding("totals", key, read.totals))
        named = [described.key for described in read.sound]
        named += [name for fault in read.faults for name in (fault.key, fault.meant)]
        looked = _Looked(Segment(key, read.manifest.segment_id, read.manifest.previous_segment), named, [], found)
        for described in read.sound:
            of_object = self._object(described, read.manifest)
            looked.findings.extend(of_object)
            if not of_object:
                looked.whole.append(described)
        return looked

    def _object(self, described: ManifestObject, manifest: Manifest) -> list[Finding]:
        try:
            if self._read is None:
                return list(_compared(described, retry_once(self._store, lambda: self._store.head(described.key))))
            with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
                return list(self._deep(described, manifest, Path(folder, "object"), self._read))
        except DamagedError as error:
            return [Finding("unread", described.key, str(error))]

    def _deep(self, described: ManifestObject, manifest: Manifest, path: Path, read: Read) -> Iterator[Finding]:
        held = retry_once(self._store, lambda: self._store.fetch(described.key, path))
        found = list(_compared(described, held))
        yield from found
        if not found:
            yield from (Finding("content", described.key, text) for text in read(path, described, manifest))


def _compared(described: ManifestObject, held: ObjectInfo | None) -> Iterator[Finding]:
    expected = ObjectInfo(described.bytes, described.sha256)
    if held is None:
        yield Finding("missing", described.key, f"it had {described.rows} rows")
    elif held != expected:
        yield Finding("differs", described.key, f"it should be {_text(expected)}, but is {_text(held)}")


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
