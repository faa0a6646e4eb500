"""Reads an archive again, segment by segment, into an archive of its own.

Of a segment in which this version reads something else, or whose columns are those of an older one, the objects that
change go to the target, and its part of the gap ledger; then the manifest, last. A repeat gives the same bytes, so one that
was killed is just run again. Segments in which nothing changes have no manifest there, but for their part of the ledger.
Where the scope says so every object is written, so that the target has all that the archive has.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from collector import __version__
from collector.domain.errors import ConfigError, DamagedError, StoreError
from collector.domain.names import manifest_key
from collector.domain.records import GAP, UNDECODED, UNKNOWN
from collector.exchanges.adapter import Adapter
from collector.reprocess.counts import Counts
from collector.reprocess.ledger_rows import note_refilled
from collector.reprocess.objects import fetched, tables
from collector.reprocess.refilled import Refilled
from collector.reprocess.scope import Scope
from collector.reprocess.segment import Segment
from collector.reprocess.source_rows import Exchange
from collector.storage.archive.catalog import manifest_keys
from collector.storage.archive.lenient_manifest import read_manifest
from collector.storage.archive.manifest import Manifest, ManifestObject, counted, decode_manifest
from collector.storage.archive.pruned import pruned_objects
from collector.storage.archive.schema import SCHEMA_VERSION, schema_of
from collector.storage.staging.file_names import object_file_name
from collector.storage.store.object_store import ObjectInfo, ObjectStore


class SegmentResult(NamedTuple):
    """What became of a segment."""

    counts: Counts
    objects: list[ManifestObject]
    """Those that were written, or would be."""
    problem: str | None
    """Why it was left out."""


class Job:
    """One pass over an archive."""

    def __init__(
        self, store: ObjectStore, target: ObjectStore | None, scope: Scope, adapter_of: Callable[[str], Adapter], *,
        symbols: Iterable[str] = (), compression_level: int = 3, scratch: Path | None = None,
    ) -> None:  # fmt: skip
        """Without a `target` nothing is written. `symbols` are expected beside those that archive and target have: frames of
        others stay as they are.

        `scratch` is the folder for temporary files; None: the system's.
        """
        self._store = store
        self._target = target
        self._scope = scope
        self._adapter_of = adapter_of
        self._symbols = frozenset(symbols)
        self._compression_level = compression_level
        self._scratch = scratch
        self._exchanges: dict[str, Exchange | None] = {}
        self._known: dict[str, set[str]] = {}
        self._ids = set[str]()
        self._absent = set[str]()
        """Segments that the archive has, and this pass may not write."""
        self._refilled = Refilled()

    @property
    def exchanges(self) -> set[str]:
        """Those that the archive has anything of; known after `look`."""
        return set(self._known)

    def look(self, tick: Callable[[], None]) -> list[str]:
        """The manifests of the segments to read; `tick` is called for each of the archive. Raises StoreError, ConfigError."""
        self._look_at_target()
        wanted, undecoded = [], set[str]()
        keys = manifest_keys(self._store)
        for key in keys:
            tick()
            self._ids.add(_segment_of(key))
            try:
                manifest = read_manifest(self._store, key).manifest
            except DamagedError:
                # Said when it is read.
                wanted.append(key)
                continue
            self._know(manifest)
            if manifest.generation:
                raise ConfigError([f"{self._store.url} has day files: name the archive that they were made of"])
            if self._scope.has(manifest):
                wanted.append(key)
                undecoded.update(one.exchange for one in manifest.objects if one.data_type == UNDECODED)
        for key in keys if undecoded else ():
            tick()
            self._look_at_ledger(key, undecoded)
        self._absent = self._ids.difference(map(_segment_of, wanted) if self._scope.whole else ())
        return wanted

    def read(self, keys: Iterable[str], tick: Callable[[], None]) -> Iterator[SegmentResult]:
        """Read segments again, one after another; the ledgers of those without changes come last. Raises StoreError, OSError."""
        unchanged = []
        has_written = False
        for key in keys:
            result = self._segment(key, tick, ledger_alone=False)
            has_written |= bool(result.objects)
            if not result.objects and result.problem is None and not self._scope.whole:
                unchanged.append(key)
            yield result
        # An archive without its ledger would hide what is missing.
        for key in unchanged if has_written else ():
            yield self._segment(key, tick, ledger_alone=True)

    def _segment(self, key: str, tick: Callable[[], None], *, ledger_alone: bool) -> SegmentResult:
        counts = Counts()
        try:
            manifest = self._manifest(key)
            with tempfile.TemporaryDirectory(prefix="reprocess-", dir=self._scratch) as folder:
                segment = Segment(
                    self._store,
                    manifest,
                    self._exchange,
                    self._scope,
                    Path(folder),
                    self._compression_level,
                    self._refilled,
                    tick,
                )
                counts = segment.counts
                objects = [] if ledger_alone else list(segment.rows())
                if objects or ledger_alone or self._scope.whole:
                    objects += segment.ledger()
                if (objects or self._scope.whole) and self._target is not None:
                    self._put(self._target, Path(folder), manifest, objects)
        except DamagedError as error:
            return SegmentResult(Counts(), [], f"{key}: {error}")
        return SegmentResult(counts, objects, None)

    def _manifest(self, key: str) -> Manifest:
        """A manifest with the objects that are there. Raises DamagedError."""
        report = read_manifest(self._store, key)
        if report.faults:
            raise DamagedError(f"{report.faults[0].key}: {report.faults[0].text}")
        if report.manifest.schema_version > SCHEMA_VERSION:
            raise DamagedError("it was written by a newer version")
        unknown = {
            entry.data_type for entry in report.manifest.objects if schema_of(entry.data_type, SCHEMA_VERSION) is None
        }
        if unknown:
            raise DamagedError(f"it has rows that only another version knows: {', '.join(sorted(unknown))}")
        pruned = pruned_objects(self._store)
        there = [entry for entry in report.manifest.objects if pruned.pruned_at(entry) is None]
        return msgspec.structs.replace(report.manifest, objects=there)

    def _exchange(self, name: str) -> Exchange | None:
        if name not in self._exchanges:
            try:
                symbols = self._known[name] - {UNKNOWN}
                self._exchanges[name] = Exchange(self._adapter_of(name), symbols)
            except ConfigError:
                # An exchange that only another version records: its rows stay as they are.
                self._exchanges[name] = None
        return self._exchanges[name]

    def _look_at_target(self) -> None:
        """Raises ConfigError if the target has what another version wrote, or what is not from this archive."""
        if self._target is not None:
            keys = manifest_keys(self._target)
            self._require_own(self._target, keys)
            for key in keys:
                self._know(_written_by_this_version(self._target, key))

    def _require_own(self, target: ObjectStore, keys: list[str]) -> None:
        """Raise ConfigError if the target is another archive, or somebody's folder."""
        if others := sorted(set(keys) - set(manifest_keys(self._store))):
            raise ConfigError(
                [f"{target.url} has {others[0]}, which is not from {self._store.url}: name another TARGET"]
            )
        # A pass that was killed leaves objects without a manifest.
        if not keys and (other := next((one for one in target.keys("") if not one.startswith("exchange=")), None)):
            raise ConfigError([f"{target.url} has {other}: name another TARGET"])

    def _look_at_ledger(self, key: str, exchanges: set[str]) -> None:
        """Note holes that were filled, in whichever segment that is told."""
        try:
            entries = read_manifest(self._store, key).manifest.objects
            with tempfile.TemporaryDirectory(prefix="reprocess-", dir=self._scratch) as folder:
                for entry in (one for one in entries if one.data_type == GAP and one.exchange in exchanges):
                    with fetched(self._store, entry, Path(folder, "source")) as source:
                        for table in tables(source):
                            note_refilled(self._refilled, entry, table, self._exchange(entry.exchange))
        except DamagedError:
            # Said when the segment is read; if that is not asked for, what it says of holes is not known.
            return

    def _know(self, manifest: Manifest | None) -> None:
        for entry in () if manifest is None else manifest.objects:
            self._known.setdefault(entry.exchange, set(self._symbols)).add(entry.symbol)

    def _put(self, target: ObjectStore, folder: Path, manifest: Manifest, objects: list[ManifestObject]) -> None:
        key = manifest_key(manifest.host, manifest.segment_id)
        before = _written_by_this_version(target, key)
        names = {entry.key for entry in objects}
        kept = [] if before is None else [entry for entry in before.objects if entry.key not in names]
        for entry in objects:
            _confirmed(target, entry.key, folder / object_file_name(entry.key), ObjectInfo(entry.bytes, entry.sha256))
        every = sorted([*kept, *objects], key=lambda entry: entry.key)
        rows, gaps = counted(every)
        written = msgspec.structs.replace(
            manifest, schema_version=SCHEMA_VERSION, collector_version=__version__, rows=rows, gaps=gaps, objects=every,
            previous_segment=self._predecessor(manifest.previous_segment),
        )  # fmt: skip
        content = written.encode()
        path = folder / "manifest"
        path.write_bytes(content)
        _confirmed(target, key, path, ObjectInfo(len(content), hashlib.sha256(content).hexdigest()))

    def _predecessor(self, previous: str | None) -> str | None:
        """The segment before one, where it is here, too, or the archive lacks it: that is a hole. Unchanged ones are none."""
        return None if previous in self._absent else previous


def _segment_of(key: str) -> str:
    """The segment that a manifest's key names: the end of its file's name."""
    return "-".join(key.removesuffix(".json").rsplit("-", 2)[1:])


def _confirmed(target: ObjectStore, key: str, path: Path, info: ObjectInfo) -> None:
    """Have the target hold a file. Raises StoreError."""
    if target.head(key) == info:
        return
    target.put(key, path, info.sha256)
    if (stored := target.head(key)) != info:
        raise StoreError(f"{key}: put {info}, but the store holds {stored}")


def _written_by_this_version(target: ObjectStore, key: str) -> Manifest | None:
    """The manifest that the target has under `key`. Raises ConfigError if another version wrote it."""
    content = target.read(key)
    if content is None:
        return None
    try:
        manifest = decode_manifest(content)
    except DamagedError as error:
        raise ConfigError([f"{target.url} has {key}, which is damaged ({error}): name another TARGET"]) from error
    if manifest.collector_version != __version__:
        found = f"{target.url} has what version {manifest.collector_version} wrote, and this is {__version__}"
        raise ConfigError([f"{found}: remove it, or name another TARGET"])
    return manifest
