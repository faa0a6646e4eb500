"""What the manifests of an archive say; each is read once."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from collector.domain.errors import DamagedError
from collector.domain.names import MANIFEST_FOLDER, PRUNED_FOLDER, manifest_key, time_us
from collector.domain.records import StreamKey
from collector.read.day_files import DayFiles, Link
from collector.read.day_tree import DayTree
from collector.read.pieces import Piece, Place
from collector.storage.archive.days import HostDate, manifest_name
from collector.storage.archive.lenient_manifest import read_manifest
from collector.storage.archive.manifest import Manifest, ManifestObject
from collector.storage.archive.pruned import PrunedObjects
from collector.storage.ordered_map import in_order
from collector.storage.store.object_store import ObjectStore

THREADS: Final = 8


class Entry(NamedTuple):
    """An object, and the segment it is of; of a day file, the manifest of its day."""

    object: ManifestObject
    segment: Manifest
    place: Place = "archive"


class Manifests:
    """The manifests of one archive, and of the day files beside it."""

    def __init__(self, store: ObjectStore, daily: DayTree | None = None) -> None:
        self._store = store
        self._daily = daily
        self._read: dict[str, Manifest] = {}
        self._entries: dict[StreamKey, list[Entry]] = defaultdict(list)
        self._problems: dict[str, list[str]] = {}
        self._own = DayFiles(())
        self._beside = DayFiles(())
        self.ids: frozenset[str] = frozenset()
        """The segments that were archived at the last look: those with a manifest, read or not, and those with rows in day files."""

    def look(self) -> None:
        """Read what is new: all of it, because one written late may have early rows. Raises StoreError.

        Manifests of segments that day files stand for are not read.
        """
        listed = list(self._store.keys(f"{MANIFEST_FOLDER}/"))
        records = frozenset(key for key in listed if key.startswith(f"{PRUNED_FOLDER}/"))
        keys = [key for key in listed if key not in records]
        beside = DayFiles(()) if self._daily is None else self._daily.look()
        wanted = [key for key in keys if key not in self._read and not beside.are_whole(manifest_name(key)[1])]
        for key, manifest, problems in in_order(self._manifest, wanted, THREADS):
            self._problems.pop(key, None)
            if problems:
                self._problems[key] = problems
            if manifest is not None:
                self._read[key] = manifest
        if wanted or beside is not self._beside:
            self._beside = beside
            self._sort()
        self.ids = frozenset({manifest_name(key)[1] for key in keys} | {*self._own.replaced(), *beside.replaced()})
        self._pruned = PrunedObjects(self._store, records)

    def segment(self, host: str, segment_id: str) -> Manifest | None:
        """The manifest of a segment as it is now; None if there is none. Raises StoreError."""
        return self._manifest(manifest_key(host, segment_id))[1]

    def links(self) -> Iterator[Link]:
        """Every segment that is known, some more than once."""
        for one in self._read.values():
            yield Link(one.host, one.segment_id, one.previous_segment, one.opened_at)
        yield from self._own.links()
        yield from self._beside.links()

    def streams(self) -> Mapping[StreamKey, list[Entry]]:
        """The objects of every stream, the gap ledger's too, in no order."""
        return self._entries

    def pruned_at(self, entry: Entry) -> str | None:
        """When a person pruned the object, ISO 8601; None if nobody did. Raises StoreError."""
        # A day file that was pruned is no entry: what it stood for is.
        return None if entry.place == "day" else self._pruned.pruned_at(entry.object)

    def problems(self) -> list[str]:
        """What could not be read: rows may be missing without a word of it in the ledger.

        Day files whose manifest cannot be read are none of it where what they replace is there to be read.
        """
        damaged = [f"{key}: {text}" for key, text in self._pruned.damaged()]
        own = [text for _, found in sorted(self._problems.items()) for text in found]
        return [*own, *damaged, *self._damaged_days()]

    def _damaged_days(self) -> list[str]:
        """Manifests of day files that cannot be read, and stood for files that are gone."""
        damaged = {} if self._daily is None else self._daily.damaged()
        if not damaged:
            return []
        gone = {
            HostDate(segment.host, entry.date)
            for segment in self._read.values()
            for entry in segment.objects
            if HostDate(segment.host, entry.date) in damaged and self._pruned.pruned_at(entry) is not None
        }
        return [text for day in sorted(gone) for text in damaged[day]]

    def _manifest(self, key: str) -> tuple[str, Manifest | None, list[str]]:
        try:
            report = read_manifest(self._store, key)
        except DamagedError as error:
            return key, None, [f"{key}: {error}"]
        return key, report.manifest, [f"{fault.key}: {fault.text} (in {key})" for fault in report.faults]

    def _sort(self) -> None:
        """Sort the objects that count by stream. The archive may be a tree of day files itself."""
        self._entries = defaultdict(list)
        self._own = DayFiles(self._read.values())
        for manifest in self._read.values():
            if not manifest.generation:
                for entry in manifest.objects:
                    if not self._beside.stand_for(manifest.host, manifest.segment_id, entry):
                        self._add(Entry(entry, manifest))
        for entry, manifest in self._own.entries():
            self._add(Entry(entry, manifest))
        for entry, manifest in self._beside.entries():
            self._add(Entry(entry, manifest, "day"))

    def _add(self, entry: Entry) -> None:
        one = entry.object
        self._entries[StreamKey(one.exchange, one.symbol, one.data_type)].append(entry)


def piece_of(entry: Entry) -> Piece:
    """An object as a piece."""
    one = entry.object
    return Piece(
        stream=StreamKey(one.exchange, one.symbol, one.data_type),
        host=entry.segment.host,
        segment_id=entry.segment.segment_id,
        place=entry.place,
        name=one.key,
        rows=one.rows,
        bytes=one.bytes,
        received_min=None if one.received_min is None else time_us(one.received_min),
        received_max=None if one.received_max is None else time_us(one.received_max),
        date=one.date,
        path=None,
        sha256=one.sha256,
    )
