"""Compares day files with the segments that they replace, by the manifests of both trees. Reads only."""

from collections import Counter
from collections.abc import Iterator

from collector.domain.errors import DamagedError
from collector.domain.names import ObjectPartition, manifest_key, parse_segment_id
from collector.storage.archive.catalog import manifest_keys
from collector.storage.archive.days import counting
from collector.storage.archive.lenient_manifest import read_manifest
from collector.storage.archive.manifest import Manifest, digest_of
from collector.storage.archive.verify import THREADS, Finding
from collector.storage.ordered_map import in_order
from collector.storage.store.object_store import ObjectStore


def row_findings(daily: ObjectStore, archive: ObjectStore) -> Iterator[Finding]:
    """Every day file that counts and has not the rows of what it replaces. Raises StoreError."""
    for key in counting(manifest_keys(daily)).values():
        try:
            day = read_manifest(daily, key).manifest
        except DamagedError:
            continue  # it is among the findings of its own tree
        date = parse_segment_id(day.segment_id).date
        keys = [manifest_key(day.host, segment_id) for segment_id in day.replaces]
        segments = list(in_order(lambda one: _read(archive, one), keys, THREADS))
        for one, segment in zip(keys, segments, strict=True):
            if segment is None:
                yield Finding(
                    "rows", key, f"it replaces objects of {one}, which the archive does not have as it should"
                )
        yield from _differences(key, day, date, [one for one in segments if one is not None])


def _differences(key: str, day: Manifest, date: str, segments: list[Manifest]) -> Iterator[Finding]:
    replaced = Counter[ObjectPartition]()
    for segment in segments:
        for entry in segment.objects:
            replaced[entry.partition] += entry.rows
    held = {entry.partition: entry for entry in day.objects}
    for partition, entry in held.items():
        if entry.rows != replaced[partition]:
            yield Finding("rows", entry.key, f"it has {entry.rows} rows, but those it replaces {replaced[partition]}")
    whole = {segment.segment_id: segment.dates for segment in day.segments}
    for segment in segments:
        if day.digests.get(segment.segment_id, "") not in {"", digest_of(segment.objects, date)}:
            text = f"segment {segment.segment_id} has other files now than those it was made of"
            yield Finding("rows", key, f"{text}: `collector compact` makes the day again")
        dates = sorted({entry.date for entry in segment.objects})
        missed = [entry.key for entry in segment.objects if entry.date == date and entry.partition not in held]
        if segment.segment_id in whole and (missed or whole[segment.segment_id] != dates):
            yield Finding(
                "rows", key, f"it says that it replaces segment {segment.segment_id} whole, which it does not"
            )


def _read(archive: ObjectStore, key: str) -> Manifest | None:
    try:
        report = read_manifest(archive, key)
    except DamagedError:
        return None
    return None if report.faults else report.manifest
