"""Removes objects of an archive that a person wants gone: what goes is written down first. Killed in between, it is repeated."""

import hashlib
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from collector import __version__
from collector.domain.errors import StoreError
from collector.domain.names import pruned_key
from collector.storage.archive.manifest import ManifestObject
from collector.storage.archive.pruned import VERSION, PrunedDay, Pruning, read_pruned
from collector.storage.ordered_map import in_order
from collector.storage.store.deleting import DeletingStore
from collector.storage.store.object_store import ObjectInfo

THREADS: Final = 8


class Removal:
    """Removes objects of one date at a time; `now` is ISO 8601, UTC."""

    def __init__(self, store: DeletingStore, now: Callable[[], str]) -> None:
        self._store = store
        self._now = now

    def remove(self, date: str, entries: list[ManifestObject]) -> None:
        """Write down what goes, and remove it. Raises StoreError, DamagedError for a record that cannot be used."""
        self._write_down(date, entries)
        self.delete(entry.key for entry in entries)
        # Another prune of the same day may have replaced the record since.
        self._write_down(date, entries)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects that are written down already. Raises StoreError."""
        for _ in in_order(self._store.delete, keys, THREADS):
            pass

    def _write_down(self, date: str, entries: list[ManifestObject]) -> None:
        """Have the record of the day name these objects, and the store confirm it."""
        record = read_pruned(self._store, date) or PrunedDay(VERSION, date, [])
        known = record.times()
        added = [entry for entry in entries if entry.key not in known]
        if not added:
            return
        pruning = Pruning(self._now(), __version__, *totals(added), [entry.key for entry in added])
        content = PrunedDay(VERSION, date, [*record.prunings, pruning]).encode()
        info = ObjectInfo(len(content), hashlib.sha256(content).hexdigest())
        with tempfile.TemporaryDirectory(prefix="prune-") as folder:
            path = Path(folder, "record")
            path.write_bytes(content)
            self._store.put(pruned_key(date), path, info.sha256)
        if (stored := self._store.head(pruned_key(date))) != info:
            raise StoreError(f"{pruned_key(date)}: put {info}, but the store holds {stored}")


def totals(entries: list[ManifestObject]) -> tuple[int, int]:
    """Rows and bytes."""
    return sum(entry.rows for entry in entries), sum(entry.bytes for entry in entries)
