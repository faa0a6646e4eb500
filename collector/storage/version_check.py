"""Refuses a data directory that holds anything only a newer program can read. Reads only.

This is checked before any process starts. Later on, the process that meets such a file would fail and be restarted
again and again, while the others go on.
"""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from collector.domain.errors import DamagedError, UndecodableError
from collector.storage.journal.files import journal_files
from collector.storage.journal.head import file_id_of
from collector.storage.regular_files import regular_files
from collector.storage.request_files import SUFFIX, read_request
from collector.storage.segment.database import sealed_database
from collector.storage.segment.file_format import state_version_of, version_of
from collector.storage.segment.positions_file import refuse_newer_positions_file
from collector.storage.segment.seal import sealed_segments


def refuse_newer_data(data_dir: Path) -> None:
    """Raise NewerDataError for the first such file. A file that cannot be read at all is left to the process that uses it."""
    segments = data_dir / "segments"
    for path in sealed_segments(segments):
        with suppress(DamagedError, OSError), sealed_database(path) as db:
            version_of(db, path)
    for path in regular_files(segments, "*.open.db"):
        with suppress(DamagedError, sqlite3.Error, UnicodeDecodeError):
            _check_open_segment(path)
    refuse_newer_positions_file(segments)
    for path in data_dir.glob(f"repair/*/*{SUFFIX}"):
        with suppress(UndecodableError, OSError):
            read_request(path)
    for folder in data_dir.glob("journal/*"):
        for number, path in journal_files(folder):
            with suppress(OSError):
                file_id_of(path, folder.name, number)


def _check_open_segment(path: Path) -> None:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        version_of(db, path)
        state_version_of(dict(db.execute("SELECT key, value FROM meta")), path)
