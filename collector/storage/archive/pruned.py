"""What a person pruned from an archive: one record a date, written before the first of its objects goes.

`_manifest/pruned/<date>.json` names the objects. The manifests of their segments stay, with the objects' rows and checksums,
and so does the gap ledger: what was recorded, and what was missing in it, can still be shown.
"""

from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Final

import msgspec

from collector.domain.errors import DamagedError
from collector.domain.names import PRUNED_FOLDER, pruned_key
from collector.storage.archive.manifest import Int64, ManifestObject
from collector.storage.archive.store_retry import retry_once
from collector.storage.store.object_store import ObjectStore

VERSION: Final = 1
"""The version of a record's format."""

_DAYS: Final = 4
"""Records kept in memory. Manifests are read in order of time, and most name the objects of one date."""


class Pruning(msgspec.Struct, frozen=True):
    """What went of a date at one time."""

    at: str
    """ISO 8601, UTC: when it was decided."""
    collector_version: str
    rows: Int64
    bytes: Int64
    keys: list[str]


class PrunedDay(msgspec.Struct, frozen=True):
    """The record of a date; the names of the fields are its format. No key is in two of its prunings."""

    version: Int64
    date: str
    prunings: list[Pruning]

    def encode(self) -> bytes:
        """The bytes of the record's file."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=1) + b"\n"

    def times(self) -> dict[str, str]:
        """When each object was pruned, by key."""
        return {key: pruning.at for pruning in self.prunings for key in pruning.keys}


def decode_pruned(content: bytes, date: str) -> PrunedDay:
    """Read a record's file. Raises DamagedError for anything else, for another date's, and for one of a newer program."""
    try:
        found = msgspec.json.decode(content, type=PrunedDay)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedError(f"not a record of pruned objects: {error}") from error
    if found.version != VERSION:
        raise DamagedError(f"a record of version {found.version}; this program reads version {VERSION}")
    if found.date != date:
        raise DamagedError(f"it is the record of {found.date}")
    return found


def read_pruned(store: ObjectStore, date: str) -> PrunedDay | None:
    """The record of a date; None if nothing of it was pruned.

    Raises DamagedError if it cannot be used, StoreError if the store does not answer.
    """
    content = retry_once(store, lambda: store.read(pruned_key(date)))
    return None if content is None else decode_pruned(content, date)


class PrunedObjects:
    """Knows which objects were pruned. Reads a record when it is first needed; several threads may ask."""

    def __init__(self, store: ObjectStore, record_keys: frozenset[str]) -> None:
        self._store = store
        self._record_keys = record_keys
        self._days: dict[str, Mapping[str, str]] = {}
        self._reading = Lock()
        self._damaged: dict[str, str] = {}

    def pruned_at(self, entry: ManifestObject) -> str | None:
        """When the object was pruned; None if it was not, or if the record of its date is damaged. Raises StoreError."""
        return self._times(entry.date).get(entry.key) if pruned_key(entry.date) in self._record_keys else None

    def pruned_meanwhile(self, entry: ManifestObject) -> bool:
        """Whether the record names the object by now: it may have been pruned since the look before. Raises StoreError."""
        with self._reading:
            found = self._days[entry.date] = self._read(entry.date)
        return entry.key in found

    def damaged(self) -> Iterator[tuple[str, str]]:
        """The key of each damaged record met so far, and what is wrong with it."""
        yield from sorted(self._damaged.items())

    def _times(self, date: str) -> Mapping[str, str]:
        with self._reading:
            if date not in self._days:
                self._days[date] = self._read(date)
            return self._days[date]

    def _read(self, date: str) -> Mapping[str, str]:
        while len(self._days) >= _DAYS:
            del self._days[next(iter(self._days))]
        try:
            found = read_pruned(self._store, date)
        except DamagedError as error:
            self._damaged[pruned_key(date)] = str(error)
            return {}
        return {} if found is None else found.times()


def pruned_objects(store: ObjectStore) -> PrunedObjects:
    """What was pruned from this archive. Raises StoreError."""
    return PrunedObjects(store, frozenset(store.keys(f"{PRUNED_FOLDER}/")))
