"""What a data directory holds that is not in the archive, after every process has stopped. Reads only."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from collector.domain.errors import DamagedError, NewerDataError
from collector.domain.names import is_segment_id
from collector.storage.journal.files import SUFFIX
from collector.storage.regular_files import regular_files
from collector.storage.segment.file_format import count_gaps, count_rows, version_of
from collector.storage.staging.staged_set import waiting_segments


class Unarchived(NamedTuple):
    """Names, oldest first; there are none after a clean stop while the store is there."""

    segments: list[str]
    """Sealed segments, and sets in staging."""
    open_segments: list[str]
    """Open segments that have rows or cannot be read."""
    journals: list[str]
    """Journal files not read to the end, or kept for an open segment."""
    quarantined: list[str]


def find_unarchived(data_dir: Path) -> Unarchived:
    """List everything that may hold rows. Raises OSError."""
    return Unarchived(
        waiting_segments(data_dir),
        [
            path.name.removesuffix(".open.db")
            for path in regular_files(data_dir / "segments", "*.open.db")
            if _may_have_rows(path)
        ],
        sorted(f"{path.parent.name}/{path.stem}" for path in regular_files(data_dir / "journal", f"*/*{SUFFIX}")),
        # Open segments in quarantine do not count: their rows were read again from the journals.
        sorted(filter(is_segment_id, (path.name.removesuffix(".db") for path in (data_dir / "quarantine").glob("*")))),
    )


def _may_have_rows(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            return count_rows(db, version_of(db, path)) + count_gaps(db) > 0
    except (sqlite3.Error, DamagedError, NewerDataError):
        return True
