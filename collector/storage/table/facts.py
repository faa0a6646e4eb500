"""What a table's present snapshot says of itself, for people."""

from typing import NamedTuple

from pyiceberg.table import Table

from collector.domain.names import iso_time
from collector.storage.table.commits import LAST_SEGMENT


class TableFacts(NamedTuple):
    """The names are keys of `collector tables --json`."""

    rows: int
    files: int
    bytes: int
    snapshots: int
    committed_at: str | None
    """ISO 8601, UTC."""
    metadata: str
    """The URL of the present metadata file, with which a reader finds the table without a catalog."""
    location: str
    """The table's folder."""
    last_segments: dict[str, str]
    """By host, the newest segment that the table has, or had."""


def facts_of(table: Table) -> TableFacts:
    """Those of the table as it was loaded."""
    snapshot = table.current_snapshot()
    said = {} if snapshot is None or snapshot.summary is None else snapshot.summary.additional_properties
    return TableFacts(
        rows=int(said.get("total-records", 0)),
        files=int(said.get("total-data-files", 0)),
        bytes=int(said.get("total-files-size", 0)),
        snapshots=len(table.metadata.snapshots),
        committed_at=None if snapshot is None else iso_time(snapshot.timestamp_ms * 1_000),
        metadata=table.metadata_location,
        location=table.location(),
        last_segments={
            name.removeprefix(LAST_SEGMENT): segment
            for name, segment in table.properties.items()
            if name.startswith(LAST_SEGMENT)
        },
    )
