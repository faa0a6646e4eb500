"""Reads a manifest entry by entry: an entry that is damaged costs nothing but itself."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any, Final, NamedTuple

import msgspec

from collector.domain.errors import DamagedError
from collector.domain.names import ObjectPartition, is_path_name, iso_time, manifest_key, object_key, time_us
from collector.domain.records import GAP
from collector.storage.archive.manifest import Manifest, ManifestObject, counted, decode_manifest
from collector.storage.archive.store_retry import retry_once
from collector.storage.store.object_store import ObjectStore

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Fault(NamedTuple):
    """An entry that cannot be what was written."""

    key: str
    """As the entry has it, or which entry of the manifest it is."""
    text: str
    meant: str = ""
    """The key that follows from the rest of the entry; empty where nothing follows."""


class ManifestReport(NamedTuple):
    """A manifest with the entries that can be used, and the faults of its entries.

    An entry of which nothing but the times is damaged can be used, without them.
    """

    manifest: Manifest
    sound: list[ManifestObject]
    """The entries without any fault."""
    faults: list[Fault]
    totals: str | None
    """How the manifest's totals differ from the sum over its entries; None while an entry is at fault."""


def read_manifest(store: ObjectStore, key: str) -> ManifestReport:
    """Read the manifest that stands under `key`.

    Raises DamagedError for anything but a manifest in its own place, or for one that the store does not give; StoreError
    for a store that gives nothing.
    """
    content = retry_once(store, lambda: store.read(key))
    if content is None:
        raise DamagedError("it is not there any more")
    manifest, faults = _decoded(content)
    _require_place(manifest, key)
    usable, sound, seen = [], [], set[str]()
    for described in manifest.objects:
        found = [*_faults(described, manifest), *(["it is named twice"] if described.key in seen else [])]
        of_times = list(_faults_of_times(described))
        seen.add(described.key)
        if not found:
            usable.append(_without_times(described) if of_times else described)
        if found or of_times:
            faults.append(Fault(described.key, "; ".join([*found, *of_times]), _meant(described, manifest)))
        else:
            sound.append(described)
    totals = None if faults else _totals(manifest)
    return ManifestReport(msgspec.structs.replace(manifest, objects=usable), sound, faults, totals)


def _decoded(content: bytes) -> tuple[Manifest, list[Fault]]:
    try:
        return decode_manifest(content), []
    except DamagedError:
        loose = _loose(content)
        if loose is None:
            raise
    return _entry_by_entry(loose)


def _entry_by_entry(loose: dict[str, Any]) -> tuple[Manifest, list[Fault]]:
    try:
        manifest = msgspec.convert(loose | {"objects": []}, Manifest)
    except msgspec.ValidationError as error:
        raise DamagedError(f"no manifest: {error}") from error
    faults = []
    for number, entry in enumerate(loose["objects"], start=1):
        try:
            manifest.objects.append(msgspec.convert(entry, ManifestObject))
        except msgspec.ValidationError as error:
            faults.append(_fault_of(entry if isinstance(entry, dict) else {}, number, manifest, str(error)))
    return manifest, faults


def _fault_of(entry: dict[str, Any], number: int, manifest: Manifest, text: str) -> Fault:
    key = entry.get("key")
    parts = [part for name in ObjectPartition._fields if isinstance(part := entry.get(name), str)]
    meant = _key(ObjectPartition(*parts), manifest) if len(parts) == len(ObjectPartition._fields) else ""
    return Fault(key if isinstance(key, str) else f"entry {number} of {manifest.segment_id}", text, meant)


def _loose(content: bytes) -> dict[str, Any] | None:
    """The manifest's fields, whatever its entries are; None if there are no such things."""
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("objects"), list) else None


def _require_place(manifest: Manifest, key: str) -> None:
    if not is_path_name(manifest.host):
        raise DamagedError(f"{manifest.host!r} is no name of a host")
    try:
        expected = manifest_key(manifest.host, manifest.segment_id)
    except ValueError as error:
        raise DamagedError(str(error)) from error
    if key != expected:
        raise DamagedError(f"it belongs to {expected}")


def _meant(described: ManifestObject, manifest: Manifest) -> str:
    partition = ObjectPartition(described.exchange, described.data_type, described.symbol, described.date)
    return _key(partition, manifest)


def _key(partition: ObjectPartition, manifest: Manifest) -> str:
    return object_key(partition, manifest.host, manifest.segment_id)


def _faults(described: ManifestObject, manifest: Manifest) -> Iterator[str]:
    if described.key != (meant := _meant(described, manifest)):
        yield f"its key should be {meant}"
    if not _is_date(described.date):
        yield f"its date is {described.date!r}"
    if described.rows < 1 or described.bytes < 1:
        yield f"it says {described.rows} rows in {described.bytes} bytes"
    if not _SHA256.fullmatch(described.sha256):
        yield f"its sha256 is {described.sha256!r}"


def _faults_of_times(described: ManifestObject) -> Iterator[str]:
    times = {"received_min": described.received_min, "received_max": described.received_max}
    for name, time in times.items():
        if time is not None and not _is_time(time):
            yield f"its {name} is {time!r}"
            return
        if (time is None) != (described.data_type == GAP):
            yield f"it {'lacks' if time is None else 'should not have'} a {name}"
            return
    first, last = times.values()
    if first is not None and last is not None and first > last:
        yield f"it was received from {first} to {last}"


def _without_times(described: ManifestObject) -> ManifestObject:
    return msgspec.structs.replace(described, received_min=None, received_max=None)


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_time(text: str) -> bool:
    try:
        return iso_time(time_us(text)) == text
    except (ValueError, TypeError, OverflowError):
        return False


def _totals(manifest: Manifest) -> str | None:
    said, found = (manifest.rows, manifest.gaps), counted(manifest.objects)
    if said == found:
        return None
    return f"it says {said[0]} rows and {said[1]} gaps, but its objects have {found[0]} and {found[1]}"
