"""Reads a manifest entry by entry: a damaged entry does not make the others unusable."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any, Final, NamedTuple

import msgspec

from collector.domain.errors import DamagedError
from collector.domain.names import ObjectPartition, is_path_name, iso_time, manifest_key, object_key, time_us
from collector.domain.records import GAP
from collector.storage.archive.days import is_earlier_generation, manifest_name
from collector.storage.archive.manifest import Manifest, ManifestObject, counted, decode_manifest
from collector.storage.archive.store_retry import retry_once
from collector.storage.store.object_store import ObjectStore

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Fault(NamedTuple):
    """A damaged entry of a manifest."""

    key: str
    """The entry's key, or its number if that cannot be read."""
    text: str
    expected_key: str = ""
    """The key that follows from the rest of the entry; empty if that cannot be read."""


class ManifestReport(NamedTuple):
    """A manifest with its usable entries, and the faults of the others.

    An entry whose only fault is its times is usable; its times are dropped.
    """

    manifest: Manifest
    sound: list[ManifestObject]
    """The entries without any fault."""
    faults: list[Fault]
    totals: str | None
    """How the manifest's totals differ from the sum over its entries; None if they agree or an entry is damaged."""


def read_manifest(store: ObjectStore, key: str) -> ManifestReport:
    """Read the manifest under `key`.

    Raises DamagedError if it is not a manifest, belongs under another key, or the store does not return it; StoreError
    if the store does not answer at all.
    """
    content = retry_once(store, lambda: store.read(key))
    if content is None:
        raise DamagedError("it is not there any more")
    manifest, faults = _decoded(content)
    _require_place(manifest, key)
    usable, sound, seen = [], [], set[str]()
    for entry in manifest.objects:
        entry_faults = [*_faults(entry, manifest), *(["it is named twice"] if entry.key in seen else [])]
        time_faults = list(_time_faults(entry))
        seen.add(entry.key)
        if not entry_faults:
            usable.append(_without_times(entry) if time_faults else entry)
        if entry_faults or time_faults:
            faults.append(Fault(entry.key, "; ".join([*entry_faults, *time_faults]), _expected_key(entry, manifest)))
        else:
            sound.append(entry)
    totals = None if faults else _totals(manifest)
    return ManifestReport(msgspec.structs.replace(manifest, objects=usable), sound, faults, totals)


def _decoded(content: bytes) -> tuple[Manifest, list[Fault]]:
    try:
        return decode_manifest(content), []
    except DamagedError:
        fields = _any_entries(content)
        if fields is None:
            raise
    return _entry_by_entry(fields)


def _entry_by_entry(fields: dict[str, Any]) -> tuple[Manifest, list[Fault]]:
    try:
        manifest = msgspec.convert(fields | {"objects": []}, Manifest)
    except msgspec.ValidationError as error:
        raise DamagedError(f"not a manifest: {error}") from error
    faults = []
    for number, entry in enumerate(fields["objects"], start=1):
        try:
            manifest.objects.append(msgspec.convert(entry, ManifestObject))
        except msgspec.ValidationError as error:
            faults.append(_fault_of(entry if isinstance(entry, dict) else {}, number, manifest, str(error)))
    return manifest, faults


def _fault_of(entry: dict[str, Any], number: int, manifest: Manifest, text: str) -> Fault:
    key = entry.get("key")
    parts = [part for name in ObjectPartition._fields if isinstance(part := entry.get(name), str)]
    expected_key = _key(ObjectPartition(*parts), manifest) if len(parts) == len(ObjectPartition._fields) else ""
    return Fault(key if isinstance(key, str) else f"entry {number} of {manifest.segment_id}", text, expected_key)


def _any_entries(content: bytes) -> dict[str, Any] | None:
    """The manifest's fields, with entries of any kind; None if it is not an object with a list of entries."""
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("objects"), list) else None


def _require_place(manifest: Manifest, key: str) -> None:
    if not is_path_name(manifest.host):
        raise DamagedError(f"{manifest.host!r} is not a host name")
    try:
        expected = manifest_key(manifest.host, manifest.segment_id)
    except ValueError as error:
        raise DamagedError(str(error)) from error
    if key != expected:
        raise DamagedError(f"it belongs to {expected}")


def _expected_key(entry: ManifestObject, manifest: Manifest) -> str:
    return _key(entry.partition, manifest)


def _key(partition: ObjectPartition, manifest: Manifest) -> str:
    return object_key(partition, manifest.host, manifest.segment_id)


def _faults(entry: ManifestObject, manifest: Manifest) -> Iterator[str]:
    if entry.key != (expected := _expected_key(entry, manifest)) and not _is_kept(entry, manifest):
        yield f"its key should be {expected}"
    if not _is_date(entry.date):
        yield f"its date is {entry.date!r}"
    if entry.rows < 1 or entry.bytes < 1:
        yield f"it says {entry.rows} rows in {entry.bytes} bytes"
    if not _SHA256.fullmatch(entry.sha256):
        yield f"its sha256 is {entry.sha256!r}"


def _time_faults(entry: ManifestObject) -> Iterator[str]:
    times = {"received_min": entry.received_min, "received_max": entry.received_max}
    for name, time in times.items():
        if time is not None and not _is_time(time):
            yield f"its {name} is {time!r}"
            return
        if (time is None) != (entry.data_type == GAP):
            yield f"it {'lacks' if time is None else 'should not have'} a {name}"
            return
    first, last = times.values()
    if first is not None and last is not None and first > last:
        yield f"it was received from {first} to {last}"


def _without_times(entry: ManifestObject) -> ManifestObject:
    return msgspec.structs.replace(entry, received_min=None, received_max=None)


def _is_kept(entry: ManifestObject, manifest: Manifest) -> bool:
    """Whether it is a day file of an earlier generation, which had nothing to be changed."""
    host, segment_id = manifest_name(entry.key)
    if not manifest.generation or host != manifest.host or not is_earlier_generation(segment_id, manifest.segment_id):
        return False
    return entry.key == object_key(entry.partition, host, segment_id)


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
    stated, summed = (manifest.rows, manifest.gaps), counted(manifest.objects)
    if stated == summed:
        return None
    return f"it says {stated[0]} rows and {stated[1]} gaps, but its objects have {summed[0]} and {summed[1]}"
