"""What a recorder's data directory has that may not be in its archive yet: staged sets, sealed segments, the open one."""

from pathlib import Path
from typing import NamedTuple

from collector.domain.errors import DamagedError, RetryError
from collector.domain.names import time_us
from collector.read.ledger.gaps import LedgerRow
from collector.read.ledger.pending_holes import pending_holes
from collector.read.manifests import Entry, piece_of
from collector.read.pieces import Piece
from collector.storage.segment.readable import (
    HeldStream,
    ReadableSegment,
    is_open,
    readable,
    readable_segments,
    segment_id_of,
)
from collector.storage.staging.file_names import object_file_name
from collector.storage.staging.staged_set import read_manifest, set_folders


class LocalSegment(NamedTuple):
    """A segment that stands in the data directory."""

    host: str
    segment_id: str
    sealed_us: int | None
    """None for the open one."""
    pieces: list[Piece]
    gaps: list[LedgerRow]
    """Its part of the ledger; a set's stands in pieces of the type `gap`."""
    previous_segment: str | None
    """The one before it that had rows; None for a recorder's first."""
    opened_us: int
    pending: list[LedgerRow]
    """Of the open one: holes in ids that have no row in the ledger yet."""


def local_segments(data_dir: Path) -> list[LocalSegment]:
    """Every segment, oldest first; one that has become a set is that set. Raises DamagedError.

    What leaves the data directory meanwhile is in the archive by then: look there afterwards.
    """
    found = {}
    for path in readable_segments(data_dir / "segments"):
        segment = _segment(path)
        if segment is not None:
            found[segment.segment_id] = segment
    for folder in set_folders(data_dir / "staging"):
        staged = staged_segment(folder)
        if staged is not None:
            found[staged.segment_id] = staged
    return [found[segment_id] for segment_id in sorted(found)]


def staged_segment(folder: Path) -> LocalSegment | None:
    """A set; None once it is gone."""
    try:
        manifest = read_manifest(folder)
    except (DamagedError, RetryError):
        if not folder.exists():
            return None
        raise
    pieces = [
        piece_of(Entry(entry, manifest, "staged"))._replace(path=folder / object_file_name(entry.key))
        for entry in manifest.objects
    ]
    sealed_us, opened_us = time_us(manifest.sealed_at), time_us(manifest.opened_at)
    return LocalSegment(
        manifest.host, manifest.segment_id, sealed_us, pieces, [], manifest.previous_segment, opened_us, []
    )


def _segment(path: Path) -> LocalSegment | None:
    """A sealed or an open segment; None once it is gone."""
    for _ in range(2):
        try:
            with readable(path) as segment:
                host, is_written = segment.meta.get("host", ""), is_open(segment.path)
                sealed = None if is_written else int(segment.meta.get("sealed_at", "0"))
                pieces = [_piece(held, host, path, is_written=is_written) for held in segment.streams()]
                # First, because a hole may get its row meanwhile.
                pending = _pending(segment) if is_written else []
                gaps = [LedgerRow(*row) for row in segment.gaps()]
                previous, opened_us = (
                    segment.meta.get("previous_segment") or None,
                    int(segment.meta.get("opened_at", "0")),
                )
        except FileNotFoundError:
            # An open one may have been sealed just now: then it has another name.
            continue
        return LocalSegment(
            host, segment_id_of(path), sealed, pieces, gaps, previous, opened_us, _without(pending, gaps)
        )
    return None


def _pending(segment: ReadableSegment) -> list[LedgerRow]:
    return [row for stream in segment.states() for row in pending_holes(*stream)]


def _without(rows: list[LedgerRow], known: list[LedgerRow]) -> list[LedgerRow]:
    ids = {row.gap.gap_id for row in known} if rows else set()
    return [row for row in rows if row.gap.gap_id not in ids]


def _piece(held: HeldStream, host: str, path: Path, *, is_written: bool) -> Piece:
    return Piece(
        stream=held.key,
        host=host,
        segment_id=segment_id_of(path),
        place="open" if is_written else "sealed",
        name=str(path),
        rows=held.rows,
        bytes=held.bytes,
        received_min=held.received_min,
        received_max=held.received_max,
        date="",
        path=path,
        sha256="",
    )
