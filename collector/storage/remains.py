"""What is left of a segment that cannot be archived: what the gap ledger says in its place.

Its messages stay in its file. Everything here follows from that file and from what was archived before it, so a repeat
gives the same rows.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from collector import __version__
from collector.domain.gaps import event_gap
from collector.domain.names import is_path_name, is_segment_id, parse_segment_id
from collector.domain.records import GAP_KINDS, ROW_TYPES, UNDECODED, UNKNOWN, Gap, StreamKey
from collector.storage.sealed import GAPS, SealedSegment
from collector.storage.segments import INSERT_GAP, SCHEMA, SCHEMA_VERSION

_LATEST_US: Final = 4_102_444_800_000_000  # the year 2100: a greater time is damage
_UNREADABLE: Final = "\ufffd"
_DATA_TYPES: Final = {*ROW_TYPES, UNDECODED}
_NOBODY: Final = [StreamKey(UNKNOWN, UNKNOWN, UNKNOWN)]


class Surroundings(NamedTuple):
    """What is known without the segment."""

    host: str
    """Stands in for the segment's own where that cannot be read."""
    compression_level: int
    archived_until_us: Mapping[StreamKey, int]
    """When the newest row of each stream was received that was archived before it. What it holds came later."""


@contextmanager
def open_remains(path: Path, known: Surroundings) -> Iterator[SealedSegment]:
    """Open, in place of the segment, one without messages: its gaps that can be read, and a `damaged` one a stream.

    Every stream the segment still lists gets a row; if there is none to be read, an unknown stream does.
    """
    found = _read(path)
    meta = _meta(found.meta, path, known)
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(f"{SCHEMA} PRAGMA user_version={SCHEMA_VERSION};")
        db.executemany("INSERT INTO meta VALUES (?,?)", meta.items())
        damaged = [_damaged(stream, meta, known.archived_until_us) for stream in found.streams or _NOBODY]
        db.executemany(INSERT_GAP, [*found.gaps, *damaged])
        yield SealedSegment(db, path.name)


class _Found(NamedTuple):
    meta: dict[str, str]
    streams: list[StreamKey]
    gaps: list[tuple[Any, ...]]


def _read(path: Path) -> _Found:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
        db.text_factory = lambda text: text.decode(errors="replace")
        meta = {key: value for key, value in _rows(db, "SELECT key, value FROM meta") if isinstance(value, str)}
        streams = _rows(db, "SELECT exchange, symbol, data_type FROM streams ORDER BY stream_id")
        keys = [StreamKey(*row) for row in streams if _are_names(row) and row[2] in _DATA_TYPES]
        gaps = [(exchange, symbol, *gap) for exchange, symbol, _, *gap in _rows(db, GAPS)]
        return _Found(meta, keys, [gap for gap in gaps if _is_gap(gap)])


def _rows(db: sqlite3.Connection, query: str) -> list[tuple[Any, ...]]:
    """The rows up to where they can no longer be read."""
    rows: list[tuple[Any, ...]] = []
    with suppress(sqlite3.Error):
        rows.extend(db.execute(query))
    return rows


def _are_names(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) and value and _UNREADABLE not in value for value in values)


def _is_gap(row: tuple[Any, ...]) -> bool:
    """Whether this is a row of the ledger, and not what rotten bytes made of one."""
    exchange, symbol, *columns = row
    try:
        gap = msgspec.convert(columns, Gap)
    except msgspec.ValidationError:
        return False
    times = (gap.started_at, gap.detected_at, gap.ended_at or 0)
    return (
        _are_names([exchange, symbol])
        and gap.kind in GAP_KINDS
        and gap.line in (None, *range(-1, 128))
        and all(0 <= time_us < _LATEST_US for time_us in times)
    )


def _meta(texts: Mapping[str, str], path: Path, known: Surroundings) -> dict[str, str]:
    opened_us = _time(texts, "opened_at") or round(parse_segment_id(path.stem).time.timestamp()) * 1_000_000
    # A file is written to for the last time when it is sealed.
    sealed_us = _time(texts, "sealed_at") or path.stat().st_mtime_ns // 1_000
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


def _damaged(stream: StreamKey, meta: Mapping[str, str], until_us: Mapping[StreamKey, int]) -> tuple[Any, ...]:
    """The ledger's row for all that the segment held of a stream."""
    opened_us, sealed_us = int(meta["opened_at"]), int(meta["sealed_at"])
    # Rows may have waited in the journal before the segment was opened.
    started_us = min(opened_us, until_us.get(stream, min(until_us.values(), default=opened_us)))
    gap = event_gap(stream, "damaged", "disk", started_us, sealed_us, expected_id=meta["segment_id"])
    return stream.exchange, stream.symbol, *gap


def _time(texts: Mapping[str, str], name: str) -> int | None:
    text = texts.get(name, "")
    time_us = int(text) if text.isascii() and text.isdigit() else 0
    return time_us if 0 < time_us < _LATEST_US else None
