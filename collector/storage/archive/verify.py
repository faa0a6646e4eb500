"""Verifies a store against its manifests. Reads only.

Size and checksum are those that the store reports: a folder reads each file for them, a bucket keeps the checksum that
it compared when the object was uploaded. A deep verification fetches and reads every object.
"""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from collector.domain.errors import DamagedError
from collector.domain.names import OBJECT_SUFFIX
from collector.storage.archive.catalog import manifest_keys
from collector.storage.archive.days import counting
from collector.storage.archive.lenient_manifest import read_manifest
from collector.storage.archive.manifest import Manifest, ManifestObject
from collector.storage.archive.pruned import PrunedObjects, pruned_objects
from collector.storage.archive.store_retry import retry_once
from collector.storage.ordered_map import in_order
from collector.storage.store.object_store import ObjectInfo, ObjectStore

THREADS: Final = 8

KINDS: Final = {
    "damaged": "a manifest, one of its entries, or a record of what was pruned that cannot be read or cannot be true",
    "totals": "a manifest's rows or gaps are not the sum of its objects'",
    "missing": "an object that a manifest names is not there",
    "unread": "an object is there, but the store does not give it",
    "differs": "an object has another size or checksum than its manifest says",
    "content": "an object's rows, times, ids or columns are not what its manifest says (only checked with --deep)",
    "orphan": "no manifest names this object: its segment's upload is under way, or never ended",
    "hole": "the segment before this one has no manifest",
    "fork": "several segments say that they follow the same one",
    "rows": "a day file has another number of rows than the files that it replaces",
    "leftover": "an object was pruned, but is still there: the next `collector prune` removes it; no fault",
}

MISSING: Final = "missing"

LEFTOVER: Final = "leftover"
"""The kind that is no fault: a prune was interrupted, and can be finished."""

Read = Callable[[Path, ManifestObject, Manifest], Iterator[str]]
"""Yields each difference between a file and its entry in the manifest, as one line."""


class Finding(NamedTuple):
    """A fault of the archive; `kind` is one of KINDS."""

    kind: str
    key: str
    text: str


class ChainLink(NamedTuple):
    """A segment and its predecessor, by its manifest."""

    key: str
    segment_id: str
    previous_segment: str | None


class _ManifestResult(NamedTuple):
    """The result for one manifest."""

    segment: ChainLink | None
    named: list[str]
    whole: list[ManifestObject]
    findings: list[Finding]
    pruned: list[ManifestObject]
    is_superseded: bool = False
    """Whether a later generation of the day's files counts: nobody reads these."""


class Verification:
    """One pass over a store, with counts of what was verified so far.

    With `read` every object is fetched into the folder `scratch` (None: the system's temporary folder) and read.
    """

    def __init__(self, store: ObjectStore, read: Read | None = None, scratch: Path | None = None) -> None:
        self._store = store
        self._read = read
        self._scratch = scratch
        self._segments: list[ChainLink] = []
        self.manifests = 0
        """The number of manifests in the store, once the pass has begun."""
        self.looked_at = 0
        self.objects = 0
        self.rows = 0
        self.bytes = 0
        self.pruned_objects = Counter[str]()
        """By date, the objects that a person pruned."""
        self.pruned_rows = Counter[str]()
        self.has_day_files = False
        self.superseded = 0
        """Day files that are there and that only manifests of earlier generations name."""

    @property
    def segments(self) -> int:
        """The number of manifests read."""
        return len(self._segments)

    def findings(self, tick: Callable[[], None] = lambda: None) -> Iterator[Finding]:
        """Every fault; `tick` is called after each manifest. Raises StoreError if the store cannot be read."""
        # Objects are listed before manifests: otherwise objects of a segment archived meanwhile would be orphans.
        unlisted = {key for key in self._store.keys("") if key.endswith(OBJECT_SUFFIX)}
        manifests = manifest_keys(self._store)
        pruned = pruned_objects(self._store)
        self.manifests = len(manifests)
        newest, superseded = set(counting(manifests).values()), set[str]()
        for result in in_order(lambda key: self._verify_manifest(key, pruned, newest), manifests, THREADS):
            self._count(result)
            if result.is_superseded:
                superseded.update(result.named)
                tick()
                yield from result.findings
                continue
            listed = [entry for entry in result.pruned if entry.key in unlisted]
            unlisted.difference_update(result.named)
            tick()
            yield from result.findings
            yield from self._leftovers(listed)
        yield from (Finding("damaged", key, text) for key, text in pruned.damaged())
        self.superseded = len(superseded & unlisted)
        yield from (Finding("orphan", key, "no manifest names it") for key in sorted(unlisted - superseded))
        yield from broken_chains(self._segments)

    def _leftovers(self, listed: list[ManifestObject]) -> Iterator[Finding]:
        for entry in listed:
            if self._is_there(entry.key):
                yield Finding(LEFTOVER, entry.key, "it was pruned, but is still there")

    def _is_there(self, key: str) -> bool:
        try:
            return retry_once(self._store, lambda: self._store.head(key)) is not None
        except DamagedError:
            return True

    def _count(self, result: _ManifestResult) -> None:
        self.looked_at += 1
        if result.segment is not None:
            self._segments.append(result.segment)
        self.objects += len(result.whole)
        self.rows += sum(entry.rows for entry in result.whole)
        self.bytes += sum(entry.bytes for entry in result.whole)
        for entry in result.pruned:
            self.pruned_objects[entry.date] += 1
            self.pruned_rows[entry.date] += entry.rows

    def _verify_manifest(self, key: str, pruned: PrunedObjects, newest: set[str]) -> _ManifestResult:
        try:
            read = read_manifest(self._store, key)
        except DamagedError as error:
            return _ManifestResult(None, [], [], [Finding("damaged", key, str(error))], [])
        found = [Finding("damaged", fault.key, f"{fault.text} (in {key})") for fault in read.faults]
        if read.totals is not None:
            found.append(Finding("totals", key, read.totals))
        named = [entry.key for entry in read.sound]
        named += [name for fault in read.faults for name in (fault.key, fault.expected_key)]
        result = _ManifestResult(
            ChainLink(key, read.manifest.segment_id, read.manifest.previous_segment), named, [], found, []
        )
        if read.manifest.generation:
            self.has_day_files = True
            if key not in newest:
                return result._replace(is_superseded=True)
        for entry in read.sound:
            self._examine(entry, read.manifest, pruned, result)
        return result

    def _examine(
        self, entry: ManifestObject, manifest: Manifest, pruned: PrunedObjects, result: _ManifestResult
    ) -> None:
        is_pruned = pruned.pruned_at(entry) is not None
        found = [] if is_pruned else self._verify_object(entry, manifest)
        if any(finding.kind == MISSING for finding in found):
            # It may have been pruned between the look at the records and the look at the object.
            is_pruned = pruned.pruned_meanwhile(entry)
        if is_pruned:
            result.pruned.append(entry)
            return
        result.findings.extend(found)
        if not found:
            result.whole.append(entry)

    def _verify_object(self, entry: ManifestObject, manifest: Manifest) -> list[Finding]:
        if self._read is None:
            return object_findings(self._store, entry)
        try:
            with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
                return list(self._deep(entry, manifest, Path(folder, "object"), self._read))
        except DamagedError as error:
            return [Finding("unread", entry.key, str(error))]

    def _deep(self, entry: ManifestObject, manifest: Manifest, path: Path, read: Read) -> Iterator[Finding]:
        fetched = retry_once(self._store, lambda: self._store.fetch(entry.key, path))
        found = list(_compared(entry, fetched))
        yield from found
        if not found:
            yield from (Finding("content", entry.key, text) for text in read(path, entry, manifest))


def object_findings(store: ObjectStore, entry: ManifestObject) -> list[Finding]:
    """What is wrong with an object, by the size and checksum that the store reports. Raises StoreError."""
    try:
        return list(_compared(entry, retry_once(store, lambda: store.head(entry.key))))
    except DamagedError as error:
        return [Finding("unread", entry.key, str(error))]


def _compared(entry: ManifestObject, stored: ObjectInfo | None) -> Iterator[Finding]:
    expected = ObjectInfo(entry.bytes, entry.sha256)
    if stored is None:
        yield Finding(MISSING, entry.key, f"it had {entry.rows} rows")
    elif stored != expected:
        yield Finding("differs", entry.key, f"it should be {_text(expected)}, but is {_text(stored)}")


def broken_chains(segments: list[ChainLink]) -> Iterator[Finding]:
    """Breaks in the chain of segments. A host's first segment has no predecessor; a renamed host continues its chain."""
    absent = set(absent_segments(segments))
    for previous, keys in _followers(segments).items():
        if previous in absent:
            yield Finding("hole", keys[0], f"segment {previous} before it has no manifest")
        if len(keys) > 1:
            yield from (Finding("fork", key, f"it is not alone in following {previous}") for key in keys)


def absent_segments(segments: list[ChainLink]) -> list[str]:
    """The ids of segments that are named as a predecessor and have no manifest."""
    present = {segment.segment_id for segment in segments}
    return [previous for previous in _followers(segments) if previous not in present]


def _followers(segments: list[ChainLink]) -> dict[str, list[str]]:
    """The manifests of the segments that follow each segment."""
    followers = defaultdict(list)
    for segment in segments:
        if segment.previous_segment is not None:
            followers[segment.previous_segment].append(segment.key)
    return followers


def _text(info: ObjectInfo) -> str:
    return f"{info.size_bytes} bytes with sha256 {info.sha256}"
