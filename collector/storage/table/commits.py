"""Brings files into a table and out of it: each once, whoever else commits, and whatever is killed when.

A file is in the table or not: that is what counts, and a table's present snapshot always tells. A segment that is newer than any
that the table ever had of its host (`collector.last-segment.<host>`, which changes with the files in one commit) is in it for
sure not; for any other the table's own list of files is read, as far as it is of the same days. A commit succeeds only if the
table is still as it was when that was looked up; if not, it is looked up again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from pyiceberg.conversions import from_bytes
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.manifest import DataFile, ManifestFile
from pyiceberg.table import Table, Transaction
from pyiceberg.typedef import Record
from pyiceberg.types import DateType

from collector.domain.errors import StoreError
from collector.storage.archive.manifest import ManifestObject
from collector.storage.table.catalog import as_store_errors
from collector.storage.table.columns import PARTITIONS
from collector.storage.table.data_files import data_file, day_number
from collector.storage.table.tables import PRUNED, SEGMENTS, Tables

LAST_SEGMENT: Final = "collector.last-segment."
"""A table's property: the newest segment that it has, or had, of the host whose name follows."""

TRIES: Final = 30
"""How often others may come first. Each time one of them has got on."""

_NAMED: Final = 50
_DATE_PLACE: Final = list(PARTITIONS).index("date")
_PARTITIONS_AT_ONCE: Final = 500
"""Of one commit that removes files: each becomes a part of a condition that is held against each list of files."""


class SegmentFiles(NamedTuple):
    """The objects of one data type of a segment."""

    host: str
    segment_id: str
    entries: list[ManifestObject]

    @property
    def name(self) -> str:
        """What tells it from every other segment."""
        return f"{self.host}-{self.segment_id}"


class Done(NamedTuple):
    """What was done to a table."""

    commits: int = 0
    conflicts: int = 0
    """How often somebody else's commit came first."""
    files: int = 0
    segments: frozenset[str] = frozenset()
    """Those that brought files, with their hosts."""

    def and_then(self, other: "Done") -> "Done":
        """Both together."""
        return Done(
            self.commits + other.commits,
            self.conflicts + other.conflicts,
            self.files + other.files,
            self.segments | other.segments,
        )


def add(tables: Tables, data_type: str, location: str, segments: Sequence[SegmentFiles]) -> Done:
    """Have the table name the segments' files, which lie below `location`. Raises StoreError."""

    def attempt(table: Table) -> Done:
        new = list(_absent(table, location, segments))
        if not new:
            return Done()
        with table.transaction() as transaction:
            _append(transaction, location, new)
        return Done(1, 0, sum(len(segment.entries) for segment in new), frozenset(segment.name for segment in new))

    return _until_done(tables, data_type, location, attempt)


def remove(tables: Tables, data_type: str, location: str, date: str, keys: set[str]) -> Done:
    """Have the table name none of these files of a date any more. Raises StoreError."""
    paths = {f"{location}/{key}" for key in keys}
    day = day_number(date)

    def attempt(table: Table) -> Done:
        gone = _of_some_partitions(file for file in files_of_days(table, day, day) if file.file_path in paths)
        if not gone:
            return Done()
        said = {PRUNED: date}
        with (
            table.transaction() as transaction,
            transaction.update_snapshot(snapshot_properties=said).overwrite() as snapshot,
        ):
            for file in gone:
                snapshot.delete_data_file(file)
        return Done(1, 0, len(gone))

    total = Done()
    while (done := _until_done(tables, data_type, location, attempt)).files:
        total = total.and_then(done)
    return total


def files_of_days(table: Table, first: int, last: int) -> Iterator[DataFile]:
    """The files of these days (since 1970), and others, that the table names. Reads its lists, one in memory at a time."""
    snapshot = table.current_snapshot()
    for manifest in () if snapshot is None else snapshot.manifests(table.io):
        if _may_have(manifest, first, last):
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                yield entry.data_file


def _of_some_partitions(files: Iterable[DataFile]) -> list[DataFile]:
    found: dict[Record, list[DataFile]] = {}
    for file in files:
        if file.partition in found or len(found) < _PARTITIONS_AT_ONCE:
            found.setdefault(file.partition, []).append(file)
    return [file for of_one in found.values() for file in of_one]


def _until_done(tables: Tables, data_type: str, location: str, attempt: Callable[[Table], Done]) -> Done:
    for conflicts in range(TRIES):
        with as_store_errors(f"table {data_type} takes no commit"):
            try:
                return attempt(tables.opened(data_type, location))._replace(conflicts=conflicts)
            except (CommitFailedException, CommitStateUnknownException):
                continue
    raise StoreError(f"table {data_type}: others committed first {TRIES} times")


def _absent(table: Table, location: str, segments: Sequence[SegmentFiles]) -> Iterator[SegmentFiles]:
    """The segments with those of their files that the table does not name."""
    unsure = [segment for segment in segments if not _is_new(table.properties, segment)]
    known = _named(table, location, unsure)
    for segment in segments:
        entries = [entry for entry in segment.entries if f"{location}/{entry.key}" not in known]
        if entries:
            yield segment._replace(entries=entries)


def _is_new(properties: Mapping[str, str], segment: SegmentFiles) -> bool:
    last = properties.get(f"{LAST_SEGMENT}{segment.host}")
    return last is not None and segment.segment_id > last


def _named(table: Table, location: str, segments: Sequence[SegmentFiles]) -> set[str]:
    """Those of the segments' paths that the table names."""
    entries = [entry for segment in segments for entry in segment.entries]
    if not entries:
        return set()
    days = [day_number(entry.date) for entry in entries]
    paths = {f"{location}/{entry.key}" for entry in entries}
    return {file.file_path for file in files_of_days(table, min(days), max(days)) if file.file_path in paths}


def _may_have(manifest: ManifestFile, first: int, last: int) -> bool:
    summaries = manifest.partitions
    bounds = summaries[_DATE_PLACE] if summaries else None
    if bounds is None or bounds.lower_bound is None or bounds.upper_bound is None:
        return True
    return _day(bounds.lower_bound) <= last and _day(bounds.upper_bound) >= first


def _day(bound: bytes) -> int:
    found: Any = from_bytes(DateType(), bound)
    return int(found)


def _append(transaction: Transaction, location: str, segments: Sequence[SegmentFiles]) -> None:
    names = [segment.name for segment in segments]
    said = ",".join(names) if len(names) <= _NAMED else f"{len(names)} segments"
    metadata = transaction.table_metadata
    schema, spec_id = metadata.schema(), metadata.default_spec_id
    # It merges lists of files once there are enough of them, else it appends one.
    snapshot = transaction.update_snapshot(snapshot_properties={SEGMENTS: said}).merge_append()
    for segment in segments:
        for entry in segment.entries:
            snapshot.append_data_file(data_file(entry, location, schema, spec_id))
    snapshot.commit()
    transaction.set_properties(_last_segments(metadata.properties, segments))


def _last_segments(properties: Mapping[str, str], segments: Sequence[SegmentFiles]) -> dict[str, str]:
    found: dict[str, str] = {}
    for segment in segments:
        key = f"{LAST_SEGMENT}{segment.host}"
        found[key] = max(segment.segment_id, found.get(key, properties.get(key, "")))
    return found
