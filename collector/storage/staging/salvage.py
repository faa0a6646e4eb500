"""Salvages what can be read of a segment, or of the set that replaced it, that cannot be archived.

The file itself goes to quarantine. What is salvaged follows from it and from what was archived before it, so a repeat
gives the same.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from collector import __version__
from collector.domain.errors import DamagedError, UnreadableError
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
    IdRule,
    StreamKey,
)
from collector.storage.segment.database import damage_of, sealed_database
from collector.storage.segment.file_format import INSERT_GAP, make_tables
from collector.storage.segment.sealed_segment import GAPS, SealedSegment
from collector.storage.staging.salvaged_messages import MessageCopy
from collector.storage.staging.staged_set import is_sound, read_manifest, uploads_of

_LATEST_US: Final = 4_102_444_800_000_000  # the year 2100: a greater time is damage
_UNREADABLE: Final = "\ufffd"
_DATA_TYPES: Final = {*ROW_TYPES, UNDECODED}
_ID_RULES: Final = {rule.value for rule in IdRule}
_NOBODY: Final = StreamKey(UNKNOWN, UNKNOWN, UNKNOWN)
_STREAMS: Final = "SELECT exchange, symbol, data_type, stream_id, id_rule, last_row FROM streams ORDER BY stream_id"


class SalvageContext(NamedTuple):
    """Facts known without the segment."""

    host: str
    """Used if the segment's own cannot be read."""
    compression_level: int
    archived_until_us: Mapping[StreamKey, int]
    """Receive time of each stream's newest row archived before the segment, whose rows are later."""


@contextmanager
def open_salvage(
    path: Path, known: SalvageContext, scratch: Path | None = None, tick: Callable[[], None] = lambda: None
) -> Iterator[SealedSegment]:
    """Open a segment in place of the segment or set at `path`.

    It has the gap rows that can still be read. With `scratch` it also has the messages that a segment's file still gives,
    in a file made there meanwhile; `tick` is called while they are copied. A `damaged` gap names each stream that has
    lost messages, and how many; if that is not known, each stream that is still listed; an unknown one if none is, as
    for a set that somebody removed. Raises UnreadableError if `path` cannot be read at present.
    """
    try:
        with _new_segment(scratch) as db:
            found = _read(path, db if scratch else None, tick) if path.suffix else _read_set(path)
            meta = _meta(found.meta, path, known)
            db.executemany("INSERT INTO meta VALUES (?,?)", meta.items())
            damaged = [_damaged(*lost, meta, known.archived_until_us) for lost in found.lost.items()]
            db.executemany(INSERT_GAP, [*found.gaps, *damaged])
            db.commit()
            yield SealedSegment(db, path.name)
    except sqlite3.Error as error:
        raise UnreadableError(f"{path.name} cannot be salvaged at present: {error}") from error


@contextmanager
def _new_segment(path: Path | None) -> Iterator[sqlite3.Connection]:
    """An empty segment, removed at the end: a file at `path`, or else in memory."""
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(path or ":memory:")) as db:
            db.execute("PRAGMA journal_mode=OFF")
            db.execute("PRAGMA synchronous=OFF")
            make_tables(db)
            yield db
    finally:
        if path:
            path.unlink(missing_ok=True)


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
    gaps: list[tuple[Any, ...]]
    lost: dict[StreamKey, int | None]
    """Streams that have lost messages, or may have, and how many; None where that is not known."""


def _read(path: Path, made: sqlite3.Connection | None, tick: Callable[[], None]) -> _Found:
    """Read a segment's file; its messages are copied to `made`, if given."""
    with sealed_database(path) as db:
        db.text_factory = lambda text: text.decode(errors="replace")
        texts, _ = _rows(db, path, "SELECT key, value FROM meta")
        meta = {key: value for key, value in texts if isinstance(value, str)}
        listed, streams_end = _rows(db, path, _STREAMS)
        streams = [row for row in listed if _is_stream(row)]
        ledger, gaps_end = _rows(db, path, GAPS)
        gaps = [gap for gap in ((exchange, symbol, *gap) for exchange, symbol, _, *gap in ledger) if _is_gap(gap)]
        lost = _any_of(StreamKey(*row[:3]) for row in streams)
        if made is not None:
            copy = _copy(db, path, made, streams, tick)
            is_sound = streams_end and gaps_end and len(streams) == len(listed) and len(gaps) == len(ledger)
            # The streams' newest row is the number of messages that the segment had.
            if is_sound and copy.rows + sum(copy.lost.values()) == _newest_row(streams):
                lost = {StreamKey(*row[:3]): copy.lost[row[3]] for row in streams if row[3] in copy.lost}
        return _Found(meta, gaps, lost)


def _copy(
    db: sqlite3.Connection, path: Path, made: sqlite3.Connection, streams: list[tuple[Any, ...]],
    tick: Callable[[], None],
) -> MessageCopy:  # fmt: skip
    made.executemany(
        "INSERT INTO streams VALUES (?,?,?,?,'',?,x'',NULL,NULL,NULL)",
        ((stream_id, *key, id_rule) for *key, stream_id, id_rule, _ in streams),
    )
    copy = MessageCopy(db, path, made, {row[3]: StreamKey(*row[:3]) for row in streams})
    copy.run(tick)
    return copy


def _newest_row(streams: list[tuple[Any, ...]]) -> int:
    """The greatest `last_row`; -1 if there is none."""
    return max((row[5] for row in streams if isinstance(row[5], int)), default=-1)


def _is_stream(row: tuple[Any, ...]) -> bool:
    *names, _, id_rule, _ = row
    return _are_names(names) and names[2] in _DATA_TYPES and id_rule in _ID_RULES


def _any_of(streams: Iterable[StreamKey]) -> dict[StreamKey, int | None]:
    """Each of these streams may have lost messages; if there are none, a stream that nobody knows."""
    return dict.fromkeys(streams) or {_NOBODY: None}


def _read_set(folder: Path) -> _Found:
    try:
        manifest, uploads = read_manifest(folder), uploads_of(folder)
    except DamagedError:
        return _Found({}, [], _any_of(()))
    meta = {
        "host": manifest.host,
        "previous_segment": manifest.previous_segment or "",
        "opened_at": str(time_us(manifest.opened_at)),
        "sealed_at": str(time_us(manifest.sealed_at)),
    }
    objects = list(zip(manifest.objects, uploads, strict=False))
    keys = (StreamKey(found.exchange, found.symbol, found.data_type) for found, _ in objects)
    ledger = [(found, upload) for found, upload in objects if found.data_type == GAP and is_sound(upload)]
    gaps = [(found.exchange, found.symbol, *gap) for found, upload in ledger for gap in gaps_in(upload.path)]
    return _Found(meta, gaps, _any_of(key for key in keys if key.data_type != GAP))


def _rows(db: sqlite3.Connection, path: Path, query: str) -> tuple[list[tuple[Any, ...]], bool]:
    """The rows up to the first damaged one, and whether there is none."""
    rows: list[tuple[Any, ...]] = []
    with suppress(DamagedError), damage_of(path):
        rows.extend(db.execute(query))
        return rows, True
    return rows, False


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
        "keep_raw": "1" if texts.get("keep_raw") == "1" else "0",
        "compression_level": str(known.compression_level),
        "collector_version": __version__,
    }


def _changed_us(path: Path) -> int:
    """The mtime of a file, which is when it was sealed; 0 if it is gone."""
    try:
        return path.stat().st_mtime_ns // 1_000
    except FileNotFoundError:
        return 0


def _damaged(
    stream: StreamKey, missing: int | None, meta: Mapping[str, str], until_us: Mapping[StreamKey, int]
) -> tuple[Any, ...]:
    """The gap row for what is lost of a stream: it may have been received at any time of the segment."""
    opened_us, sealed_us = int(meta["opened_at"]), int(meta["sealed_at"])
    # Rows may have waited in the journal before the segment was opened.
    started_us = min(opened_us, until_us.get(stream, min(until_us.values(), default=opened_us)))
    gap = event_gap(stream, "damaged", "disk", started_us, sealed_us, expected_id=meta["segment_id"])
    return stream.exchange, stream.symbol, *gap._replace(missing=missing)


def _time(texts: Mapping[str, str], name: str) -> int | None:
    text = texts.get(name, "")
    found_us = int(text) if text.isascii() and text.isdigit() else 0
    return found_us if 0 < found_us < _LATEST_US else None
