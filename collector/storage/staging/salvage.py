"""Salvages the gap rows of a segment, or of the set that replaced it, that cannot be archived.

Its messages stay in its files, in quarantine. The rows follow from those files and from what was archived before them,
so a repeat gives the same rows.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from collector import __version__
from collector.domain.errors import DamagedError
from collector.domain.gap_stretches import event_gap
from collector.domain.names import is_path_name, is_segment_id, parse_segment_id, time_us
from collector.domain.records import (
    GAP,
    GAP_CAUSES,
    GAP_KINDS,
    GAP_STATUSES,
    ROW_TYPES,
    UNDECODED,
    UNKNOWN,
    Gap,
    StreamKey,
)
from collector.storage.segment.database import damage_of, sealed_database
from collector.storage.segment.file_format import INSERT_GAP, make_tables
from collector.storage.segment.sealed_segment import GAPS, SealedSegment
from collector.storage.staging.staged_set import is_sound, read_manifest, uploads_of

_LATEST_US: Final = 4_102_444_800_000_000  # the year 2100: a greater time is damage
_UNREADABLE: Final = "\ufffd"
_DATA_TYPES: Final = {*ROW_TYPES, UNDECODED}
_NOBODY: Final = [StreamKey(UNKNOWN, UNKNOWN, UNKNOWN)]


class SalvageContext(NamedTuple):
    """Facts known without the segment."""

    host: str
    """Used if the segment's own cannot be read."""
    compression_level: int
    archived_until_us: Mapping[StreamKey, int]
    """Receive time of each stream's newest row archived before the segment, whose rows are later."""


@contextmanager
def open_salvage(path: Path, known: SalvageContext) -> Iterator[SealedSegment]:
    """Open a segment without messages in place of the segment or set at `path`.

    It has the gap rows that can still be read, and a `damaged` gap for each stream that is still listed; for an unknown
    stream if none is, as for a set that somebody removed. Raises UnreadableError if `path` cannot be read at present.
    """
    found = _read(path) if path.suffix else _read_set(path)
    meta = _meta(found.meta, path, known)
    with closing(sqlite3.connect(":memory:")) as db:
        make_tables(db)
        db.executemany("INSERT INTO meta VALUES (?,?)", meta.items())
        damaged = [_damaged(stream, meta, known.archived_until_us) for stream in found.streams or _NOBODY]
        db.executemany(INSERT_GAP, [*found.gaps, *damaged])
        yield SealedSegment(db, path.name)


def gaps_in(path: Path) -> Iterator[tuple[Any, ...]]:
    """The gap columns of every row in an object of gaps, times in µs."""
    # Only now: pyarrow takes 50 MB.
    from pyarrow import parquet as pq  # noqa: PLC0415
    from pyarrow import types  # noqa: PLC0415

    for batch in pq.ParquetFile(path).iter_batches():
        columns = [
            (column.cast("int64") if types.is_timestamp(column.type) else column).to_pylist()
            for column in batch.columns
        ]
        yield from zip(*columns, strict=True)


class _Found(NamedTuple):
    meta: dict[str, str]
    streams: list[StreamKey]
    gaps: list[tuple[Any, ...]]


def _read(path: Path) -> _Found:
    with sealed_database(path) as db:
        db.text_factory = lambda text: text.decode(errors="replace")
        meta = {key: value for key, value in _rows(db, path, "SELECT key, value FROM meta") if isinstance(value, str)}
        streams = _rows(db, path, "SELECT exchange, symbol, data_type FROM streams ORDER BY stream_id")
        keys = [StreamKey(*row) for row in streams if _are_names(row) and row[2] in _DATA_TYPES]
        gaps = [(exchange, symbol, *gap) for exchange, symbol, _, *gap in _rows(db, path, GAPS)]
        return _Found(meta, keys, [gap for gap in gaps if _is_gap(gap)])


def _read_set(folder: Path) -> _Found:
    try:
        manifest, uploads = read_manifest(folder), uploads_of(folder)
    except DamagedError:
        return _Found({}, [], [])
    meta = {
        "host": manifest.host,
        "previous_segment": manifest.previous_segment or "",
        "opened_at": str(time_us(manifest.opened_at)),
        "sealed_at": str(time_us(manifest.sealed_at)),
    }
    objects = list(zip(manifest.objects, uploads, strict=False))
    keys = [StreamKey(found.exchange, found.symbol, found.data_type) for found, _ in objects]
    ledger = [(found, upload) for found, upload in objects if found.data_type == GAP and is_sound(upload)]
    gaps = [(found.exchange, found.symbol, *gap) for found, upload in ledger for gap in gaps_in(upload.path)]
    return _Found(meta, [key for key in dict.fromkeys(keys) if key.data_type != GAP], gaps)


def _rows(db: sqlite3.Connection, path: Path, query: str) -> list[tuple[Any, ...]]:
    """The rows up to the first damaged one."""
    rows: list[tuple[Any, ...]] = []
    with suppress(DamagedError), damage_of(path):
        rows.extend(db.execute(query))
    return rows


def _are_names(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) and value and _UNREADABLE not in value for value in values)


def _is_gap(row: tuple[Any, ...]) -> bool:
    """Whether this is a sound gap row, not one with damaged values."""
    exchange, symbol, *columns = row
    try:
        gap = msgspec.convert(columns, Gap)
    except msgspec.ValidationError:
        return False
    times = (gap.started_at, gap.detected_at, gap.ended_at or 0)
    return (
        _are_names([exchange, symbol])
        and gap.kind in GAP_KINDS
        and gap.cause in GAP_CAUSES
        and gap.status in GAP_STATUSES
        and gap.line in (None, *range(-1, 128))
        and all(0 <= at_us < _LATEST_US for at_us in times)
    )


def _meta(texts: Mapping[str, str], path: Path, known: SalvageContext) -> dict[str, str]:
    opened_us = _time(texts, "opened_at") or round(parse_segment_id(path.stem).time.timestamp()) * 1_000_000
    sealed_us = _time(texts, "sealed_at") or _changed_us(path) or opened_us
    host = texts.get("host", "")
    previous = texts.get("previous_segment", "")
    return {
        "segment_id": path.stem,
        "host": host if is_path_name(host) else known.host,
        "previous_segment": previous if is_segment_id(previous) else "",
        "opened_at": str(opened_us),
        "sealed_at": str(max(opened_us, sealed_us)),
        "keep_raw": "0",
        "compression_level": str(known.compression_level),
        "collector_version": __version__,
    }


def _changed_us(path: Path) -> int:
    """The mtime of a file, which is when it was sealed; 0 if it is gone."""
    try:
        return path.stat().st_mtime_ns // 1_000
    except FileNotFoundError:
        return 0


def _damaged(stream: StreamKey, meta: Mapping[str, str], until_us: Mapping[StreamKey, int]) -> tuple[Any, ...]:
    """The gap row for everything that the segment held of a stream."""
    opened_us, sealed_us = int(meta["opened_at"]), int(meta["sealed_at"])
    # Rows may have waited in the journal before the segment was opened.
    started_us = min(opened_us, until_us.get(stream, min(until_us.values(), default=opened_us)))
    gap = event_gap(stream, "damaged", "disk", started_us, sealed_us, expected_id=meta["segment_id"])
    return stream.exchange, stream.symbol, *gap


def _time(texts: Mapping[str, str], name: str) -> int | None:
    text = texts.get(name, "")
    found_us = int(text) if text.isascii() and text.isdigit() else 0
    return found_us if 0 < found_us < _LATEST_US else None
