"""The tree of day files beside an archive: its manifests that count, each read once."""

from typing import Final

from collector.domain.errors import DamagedError, StoreRefusedError
from collector.domain.names import MANIFEST_FOLDER, PRUNED_FOLDER, parse_segment_id, time_us
from collector.read.day_files import DayFiles
from collector.storage.archive.days import HostDate, counting, manifest_name
from collector.storage.archive.lenient_manifest import read_manifest
from collector.storage.archive.manifest import Manifest
from collector.storage.archive.pruned import PrunedObjects
from collector.storage.ordered_map import in_order
from collector.storage.store.object_store import ObjectStore

THREADS: Final = 8


class DayTree:
    """Looks at the tree as of a moment: files that were made of later segments count for nothing then."""

    def __init__(self, store: ObjectStore, asof_us: int | None, *, is_named: bool) -> None:
        """One that nobody named is looked for where day files are by default: it need not be there, nor be readable."""
        self.store = store
        self._asof_us = asof_us
        self._is_named = is_named
        self._is_there = True
        self._read: dict[str, Manifest] = {}
        self._problems: dict[str, list[str]] = {}
        self._seen = frozenset[str]()
        self._files = DayFiles(())

    def look(self) -> DayFiles:
        """What counts now. Raises StoreError."""
        keys = frozenset(self._keys())
        records = frozenset(key for key in keys if key.startswith(f"{PRUNED_FOLDER}/"))
        if keys == self._seen and not records and not self.problems():
            return self._files
        counted = set(counting(keys - records).values())
        self._read = {key: manifest for key, manifest in self._read.items() if key in counted}
        self._problems = {key: found for key, found in self._problems.items() if key in counted}
        for key, manifest, problems in in_order(self._manifest, sorted(counted - self._read.keys()), THREADS):
            self._problems[key] = problems
            if manifest is not None:
                self._read[key] = manifest
        pruned = PrunedObjects(self.store, records)
        known = (manifest for manifest in self._read.values() if self._was(manifest))
        self._files = DayFiles(known, lambda entry: pruned.pruned_at(entry) is not None)
        self._problems[PRUNED_FOLDER] = [f"{key}: {text}" for key, text in pruned.damaged()]
        self._seen = keys
        return self._files

    def damaged(self) -> dict[HostDate, list[str]]:
        """What could not be read of the manifests that count, by the day whose files they would name."""
        names = ((manifest_name(key), found) for key, found in self._problems.items() if found and key != PRUNED_FOLDER)
        return {HostDate(host, parse_segment_id(day).date): found for (host, day), found in names}

    def problems(self) -> list[str]:
        """What could not be read, and counts for nothing."""
        return [text for _, found in sorted(self._problems.items()) for text in found]

    def _keys(self) -> list[str]:
        if not self._is_there:
            return []
        try:
            return list(self.store.keys(f"{MANIFEST_FOLDER}/"))
        except StoreRefusedError:
            if self._is_named:
                raise
            # Credentials for the archive's prefix alone: what its own manifests say is all there is then.
            self._is_there = False
            return []

    def _was(self, manifest: Manifest) -> bool:
        return self._asof_us is None or time_us(manifest.sealed_at) <= self._asof_us

    def _manifest(self, key: str) -> tuple[str, Manifest | None, list[str]]:
        try:
            report = read_manifest(self.store, key)
        except DamagedError as error:
            return key, None, [f"{key}: {error}"]
        faults = [f"{fault.key}: {fault.text} (in {key})" for fault in report.faults]
        return key, report.manifest if not faults else None, faults
