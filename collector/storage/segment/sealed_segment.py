"""Reads a sealed segment: its messages and gaps in one pass each, and its metadata.

Nobody writes a sealed segment, so it is opened `immutable`: otherwise a killed reader leaves `-wal` and `-shm` files.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from collector.domain.disk_waits import disk_wait
from collector.domain.errors import DamagedError
from collector.domain.names import DAY_US
from collector.domain.records import Gap, StreamKey
from collector.storage.durable import sync
from collector.storage.segment import version_1
from collector.storage.segment.database import sealed_database
from collector.storage.segment.file_format import count_rows, has_table, version_of
from collector.storage.segment.sealed_blocks import SealedBlocks

GAPS: Final = f"SELECT exchange, symbol, row, {', '.join(Gap._fields)} FROM gaps ORDER BY row"  # noqa: S608 -- our names

_GAPS_BY_OBJECT: Final = f"""
SELECT exchange, symbol, detected_at / {DAY_US} - (detected_at % {DAY_US} < 0) AS day, {", ".join(Gap._fields)}
FROM gaps ORDER BY exchange, symbol, day, row
"""  # noqa: S608 -- our names
"""Division rounds towards zero: a day before the epoch is one less."""

_WITHOUT_ORDER: Final = frozenset({"none", "unique"})
"""Id rules of streams whose messages keep the order of receipt."""

_TICK_GAPS: Final = 10_000
"""Gaps between two ticks: they are read in some hundredths of a second."""


class SegmentMeta(NamedTuple):
    """Settings fixed when the segment was opened, which shape its objects, and when it was sealed. Times in µs, UTC."""

    segment_id: str
    host: str
    previous_segment: str | None
    opened_at: int
    sealed_at: int
    keep_raw: bool
    compression_level: int
    collector_version: str


class SealedStream(NamedTuple):
    """A stream of the segment, and whether its messages are ordered by id."""

    key: StreamKey
    has_ids: bool


class SealedSegment:
    """One sealed segment, open for reading. Every method raises as `open_sealed`."""

    def __init__(self, db: sqlite3.Connection, name: str) -> None:
        self._db = db
        self._name = name
        self._version = version_of(db, name)
        self.meta: SegmentMeta = _read_meta(dict(db.execute("SELECT key, value FROM meta")), name)
        rows = db.execute("SELECT stream_id, exchange, symbol, data_type, id_rule FROM streams ORDER BY stream_id")
        self.streams: Mapping[int, SealedStream] = {
            stream_id: SealedStream(StreamKey(exchange, symbol, data_type), id_rule not in _WITHOUT_ORDER)
            for stream_id, exchange, symbol, data_type, id_rule in rows
        }

    @property
    def rows(self) -> int:
        """Number of messages: they are numbered from 1 without a hole."""
        return count_rows(self._db, self._version)

    @contextmanager
    def blocks(self, scratch: Path, tick: Callable[[], None]) -> Iterator[SealedBlocks]:
        """Its messages. Those of a segment of format 1 are first put into blocks, in a file at `scratch` meanwhile."""
        if self._version > 1:
            yield SealedBlocks(self._db, self._name, self.rows)
            return
        with version_1.as_blocks(self._db, scratch, tick) as db:
            yield SealedBlocks(db, self._name, self.rows)

    def checked(self) -> Iterator[None]:
        """Read every message and compare what the tables say of it, piece by piece. Raises DamagedError."""
        if self._version == 1:
            return (None for _ in version_1.chunks(self._db))
        return SealedBlocks(self._db, self._name, self.rows).checked(self.streams)

    def gaps(self) -> Iterator[tuple[Any, ...]]:
        """Exchange, symbol, row and the gap columns of every gap, in the order of the ledger."""
        return self._rows("gaps", GAPS)

    def gaps_by_object(self) -> Iterator[tuple[Any, ...]]:
        """Exchange, symbol, day of detection (counted from the epoch) and the gap columns of every gap.

        They are sorted by the first three, and then in the order of the ledger.
        """
        return self._rows("gaps", _GAPS_BY_OBJECT)

    def reason(self, row: int) -> str | None:
        """Why the message of that row could not be decoded when it was received; None if it could."""
        found = next(self._rows("reasons", "SELECT reason FROM reasons WHERE row = ?", row), None)
        return found[0] if found else None

    def _rows(self, table: str, query: str, *values: int) -> Iterator[tuple[Any, ...]]:
        """Rows of a query; none if the segment's format does not have the table."""
        return self._db.execute(query, values) if has_table(table, self._version) else iter(())


@contextmanager
def open_sealed(path: Path) -> Iterator[SealedSegment]:
    """Open a sealed segment.

    Raises NewerDataError for a newer program's segment, DamagedError for a damaged one, UnreadableError for one that
    cannot be read at present; all of them also while it is being read.
    """
    with sealed_database(path) as db:
        segment = SealedSegment(db, path.name)
        if segment.meta.segment_id != path.stem:
            raise DamagedError(f"{path.name} is named otherwise than its segment id {segment.meta.segment_id}")
        yield segment


def read_through(path: Path, tick: Callable[[], None]) -> None:
    """Read everything in a segment to prove that it is sound; `tick` is called meanwhile. Raises as `open_sealed`."""
    with open_sealed(path) as segment:
        for _ in segment.checked():
            tick()
        for number, _ in enumerate(segment.gaps()):
            if number % _TICK_GAPS == 0:
                tick()


def remove_segment(path: Path) -> None:
    """Unlink a segment durably, with what readers left beside it. It may be gone already. Raises OSError.

    A killed reader leaves it, and one that was reading while the segment was sealed: under the name of the open one.
    """
    for name in (path.name, f"{path.stem}.open.db"):
        for suffix in ("-wal", "-shm"):
            path.with_name(name + suffix).unlink(missing_ok=True)
    if path.exists():
        with disk_wait():
            path.unlink()
        sync(path.parent)


def _read_meta(texts: dict[str, str], name: str) -> SegmentMeta:
    try:
        return SegmentMeta(
            segment_id=texts["segment_id"],
            host=texts["host"],
            previous_segment=texts["previous_segment"] or None,
            opened_at=int(texts["opened_at"]),
            sealed_at=int(texts["sealed_at"]),
            keep_raw=texts["keep_raw"] == "1",
            compression_level=int(texts["compression_level"]),
            collector_version=texts["collector_version"],
        )
    except (KeyError, ValueError, TypeError) as error:
        raise DamagedError(f"the meta table of {name} lacks a value or has a bad one: {error}") from error
