"""Records of pruned objects, as a prune leaves them."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from collector.domain.names import pruned_key
from collector.storage.archive.manifest import ManifestObject
from collector.storage.archive.pruned import VERSION, PrunedDay, Pruning
from collector.storage.store.object_store import ObjectStore

AT = "2026-12-24T12:00:00.000000Z"


def put_record(store: ObjectStore, folder: Path, date: str, content: bytes) -> str:
    """Put these bytes where a date's record stands; returns its key."""
    path = folder / "record"
    path.write_bytes(content)
    store.put(pruned_key(date), path, hashlib.sha256(content).hexdigest())
    return pruned_key(date)


def record_pruned(store: ObjectStore, folder: Path, entries: Iterable[ManifestObject]) -> None:
    """Write down that these objects, all of one date, were pruned; they stay where they are."""
    entries = list(entries)
    (date,) = {entry.date for entry in entries}
    rows, size = sum(entry.rows for entry in entries), sum(entry.bytes for entry in entries)
    pruning = Pruning(AT, "0", rows, size, [entry.key for entry in entries])
    put_record(store, folder, date, PrunedDay(VERSION, date, [pruning]).encode())
