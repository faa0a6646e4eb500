"""What of a data directory is not in the archive, once every process that works on it is gone. Reads only."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from collector.domain.names import is_segment_id
from collector.storage.journal.files import SUFFIX
from collector.storage.regular_files import regular_files
from collector.storage.staging.staged_set import waiting_segments


class Unarchived(NamedTuple):
    """Names, oldest first; after a clean stop with a store that takes everything there are none."""

    segments: list[str]
    """Sealed, or a set in staging."""
    open_segments: list[str]
    """With rows, or not to be read."""
    journals: list[str]
    """Not read to the end, or kept for an open segment."""
    quarantined: list[str]


def find_unarchived(data_dir: Path) -> Unarchived:
    """Look at everything that may hold rows. Raises OSError."""
    return Unarchived(
        waiting_segments(data_dir),
        [
            path.name.removesuffix(".open.db")
            for path in regular_files(data_dir / "segments", "*.open.db")
            if _rows(path)
        ],
        sorted(f"{path.parent.name}/{path.stem}" for path in regular_files(data_dir / "journal", f"*/*{SUFFIX}")),
        # An open segment that was put there is none of these: it was made anew from the journals.
        sorted(filter(is_segment_id, (path.name.removesuffix(".db") for path in (data_dir / "quarantine").glob("*")))),
    )


def _rows(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            (rows,) = db.execute("SELECT EXISTS (SELECT 1 FROM messages) OR EXISTS (SELECT 1 FROM gaps)").fetchone()
            return bool(rows)
    except sqlite3.Error:
        return True
