"""What there is to read: the archive by its manifests, and what a data directory holds besides, as of one look."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from time import time_ns
from typing import Any, TypeGuard

import pyarrow as pa

from collector.domain.errors import StoreError
from collector.domain.names import END_US, gap_id, parse_segment_id, time_us
from collector.domain.records import GAP, UNDECODED, UNKNOWN, Gap, StreamKey
from collector.read.condition import conditions
from collector.read.day_tree import DayTree
from collector.read.ledger.gaps import Ledger, LedgerRow, file_rows
from collector.read.ledger.unrepaired import concerns
from collector.read.local_parts import LocalSegment, local_segments, staged_segment
from collector.read.manifests import THREADS, Entry, Manifests, piece_of
from collector.read.pieces import Objects, Piece
from collector.read.window import Window
from collector.storage.ordered_map import in_order
from collector.storage.store.object_store import ObjectStore

NOT_ARCHIVED = "not_archived"
"""The kind of a gap that no ledger has: a segment that the archive does not have, or not yet."""

PRUNED = "pruned"
"""The kind of a gap that no ledger has: rows that a person removed from the archive."""


class Holdings:
    """Looks at the data directory first, and at the archive afterwards: what leaves the first is in the second by then."""

    def __init__(
        self, store: ObjectStore, data_dir: Path | None, asof_us: int | None, daily: DayTree | None = None
    ) -> None:
        """With `daily`, the day files beside the archive are read instead of what they replace."""
        self.store = store
        self._daily = daily
        self._data_dir = data_dir
        self._asof_us = asof_us
        self._manifests = Manifests(store, daily)
        self._gaps: dict[str, list[LedgerRow]] = {}
        self._local: list[LocalSegment] = []

    def look(self) -> None:
        """See what there is now. Raises StoreError, DamagedError."""
        local = [] if self._data_dir is None else local_segments(self._data_dir)
        self._manifests.look()
        self._local = [one for one in local if one.segment_id not in self._manifests.ids and self._was(one.sealed_us)]

    def problems(self) -> list[str]:
        """Manifests that could not be read."""
        return self._manifests.problems()

    def streams(self) -> set[StreamKey]:
        """Every stream that has rows, pruned ones included; not the gap ledger."""
        local = {piece.stream for segment in self._local for piece in segment.pieces}
        archived = {stream for stream in self._manifests.streams() if self._entries(stream)}
        return {stream for stream in local | archived if stream.data_type != GAP}

    def pieces(self, stream: StreamKey) -> list[Piece]:
        """The pieces of a stream that can be read, oldest first."""
        archived = [piece_of(entry) for entry in self._entries(stream) if not self._is_pruned(entry)]
        return sorted([*archived, *self._local_pieces(stream)], key=lambda piece: (piece.segment_id, piece.date))

    def relocated(self, piece: Piece) -> list[Piece]:
        """The rows of a piece of the data directory that has moved on: into a set, or into the archive. Raises StoreError."""
        staged = None if self._data_dir is None else staged_segment(self._data_dir / "staging" / piece.segment_id)
        if staged is not None and piece.place != "staged":
            return [one for one in staged.pieces if one.stream == piece.stream]
        manifest = self._manifests.segment(piece.host, piece.segment_id)
        if manifest is None:
            raise StoreError(f"{piece.name} is gone, and the archive does not have segment {piece.segment_id}")
        found = (piece_of(Entry(entry, manifest)) for entry in manifest.objects)
        return [one for one in found if one.stream == piece.stream]

    def ledger(self, exchange: str | None = None, symbol: str | None = None) -> list[LedgerRow]:
        """The latest row of each gap, of all streams or of those of a symbol and of its whole feed. Raises StoreError."""
        ledger = Ledger()
        wanted = [piece for piece in self._gap_pieces() if _is_of(piece.stream, exchange, symbol)]
        wanted.sort(key=lambda piece: piece.segment_id)
        with closing(self.objects()) as objects:
            for rows in in_order(lambda piece: self._gap_rows(objects, piece), wanted, THREADS):
                ledger.add(self._known(rows))
        local = (row for segment in self._local for row in segment.gaps)
        ledger.add(self._known(row for row in local if _is_of(row.stream, exchange, symbol)))
        return ledger.rows()

    def absent(self, stream: StreamKey, *, live: bool) -> Iterator[LedgerRow]:
        """Gaps that no ledger has: what was pruned of the stream, segments of its hosts that are not there, and holes
        that may still fill.

        With `live=False`, those that only the data directory has are not there either.
        """
        entries = self._entries(stream)
        for entry in entries:
            if self._is_pruned(entry) and entry.object.received_min and entry.object.received_max:
                first, last = time_us(entry.object.received_min), time_us(entry.object.received_max)
                yield _absent(stream, PRUNED, entry.object.rows, first, last)
        local = self._local if live else []
        yield from (row for segment in local for row in segment.pending if row.stream == stream)
        hosts = {entry.segment.host for entry in entries} | _hosts(local, stream)
        links = {(one.host, one.previous_segment, time_us(one.opened_at)) for one in self._manifests.links()}
        for host, previous, opened_us in links | _links(local):
            if host in hosts and self._is_nowhere(previous, local):
                begun_us = _begun_us(previous)
                yield _absent(stream, NOT_ARCHIVED, None, begun_us, max(begun_us, opened_us))

    def lost_since_us(self, stream: StreamKey, *, live: bool) -> int:
        """When the first segment began that is nowhere although one of the data directory follows it; END_US without any.

        It had rows: a wrong archive, or none, has only such gaps before its first row.
        """
        local = self._local if live else []
        hosts = _hosts(local, stream)
        lost = (previous for host, previous, _ in _links(local) if host in hosts)
        return min((_begun_us(previous) for previous in lost if self._is_nowhere(previous, local)), default=END_US)

    def conditions(self, streams: Iterable[StreamKey], when: Window) -> Iterator[dict[str, Any]]:
        """The rows of `condition.conditions` for these streams. Raises StoreError."""
        for stream, gaps in self.concerned(streams):
            yield from conditions(stream, self.pieces(stream), gaps, when, self.now_us)

    def concerned(self, streams: Iterable[StreamKey]) -> Iterator[tuple[StreamKey, list[LedgerRow]]]:
        """Each of these streams with every gap that concerns it, those that no ledger has too. Raises StoreError."""
        ledger: dict[tuple[str, str], list[LedgerRow]] = defaultdict(list)
        for row in self.ledger():
            ledger[row.exchange, row.symbol].append(row)
        for stream in streams:
            own = (row for symbol in {stream.symbol, UNKNOWN} for row in ledger[stream.exchange, symbol])
            yield stream, [row for row in [*own, *self.absent(stream, live=True)] if concerns(row, stream)]

    def archived(self, stream: StreamKey) -> list[tuple[Entry, str | None]]:
        """The objects that the archive's manifests name of a stream, and when each was pruned, if it was. Raises StoreError."""
        return [(entry, self._manifests.pruned_at(entry)) for entry in self._entries(stream)]

    def objects(self) -> Objects:
        """The files of pieces, for one read."""
        return Objects(self.store, None if self._daily is None else self._daily.store)

    @property
    def now_us(self) -> int:
        """The moment that is asked about, in microseconds since the epoch."""
        return time_ns() // 1_000 if self._asof_us is None else self._asof_us

    def _is_nowhere(self, segment_id: str | None, local: list[LocalSegment]) -> TypeGuard[str]:
        is_there = segment_id in self._manifests.ids or any(one.segment_id == segment_id for one in local)
        return segment_id is not None and not is_there

    def _is_pruned(self, entry: Entry) -> bool:
        return self._manifests.pruned_at(entry) is not None

    def _entries(self, stream: StreamKey) -> list[Entry]:
        found = self._manifests.streams().get(stream, [])
        if self._asof_us is None:
            return found
        return [entry for entry in found if self._was(time_us(entry.segment.sealed_at))]

    def _local_pieces(self, stream: StreamKey) -> list[Piece]:
        found: dict[tuple[str, str], Piece] = {}
        for piece in (piece for segment in self._local for piece in segment.pieces):
            # Which messages of a segment cannot be typed shows only when it is read.
            may_have = stream.data_type == UNDECODED and piece.stream[:2] == stream[:2] and piece.place != "staged"
            if piece.stream == stream or may_have:
                found.setdefault((piece.segment_id, piece.date), piece._replace(stream=stream))
        return list(found.values())

    def _gap_pieces(self) -> Iterator[Piece]:
        for stream, entries in self._manifests.streams().items():
            if stream.data_type == GAP:
                yield from (piece_of(entry) for entry in entries if not self._is_pruned(entry))
        for segment in self._local:
            yield from (piece for piece in segment.pieces if piece.stream.data_type == GAP)

    def _gap_rows(self, objects: Objects, piece: Piece) -> list[LedgerRow]:
        if piece.name not in self._gaps:
            try:
                rows = _rows_in(objects, piece)
            except FileNotFoundError:
                # A set that went to the archive.
                (moved,) = (one for one in self.relocated(piece) if one.name == piece.name)
                rows = _rows_in(objects, moved)
            self._gaps[piece.name] = rows
        return self._gaps[piece.name]

    def _was(self, sealed_us: int | None) -> bool:
        """Whether a segment was sealed at the moment that is asked about."""
        return self._asof_us is None or (sealed_us is not None and sealed_us <= self._asof_us)

    def _known(self, rows: Iterable[LedgerRow]) -> list[LedgerRow]:
        return [row for row in rows if self._asof_us is None or row.gap.detected_at <= self._asof_us]


def _rows_in(objects: Objects, piece: Piece) -> list[LedgerRow]:
    try:
        return file_rows(objects.path(piece), piece.stream.exchange, piece.stream.symbol)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise StoreError(f"{piece.name} cannot be read: {error}") from error


def _is_of(stream: StreamKey, exchange: str | None, symbol: str | None) -> bool:
    return (exchange is None or stream.exchange in {exchange, UNKNOWN}) and (
        symbol is None or stream.symbol in {symbol, UNKNOWN}
    )


def _hosts(local: list[LocalSegment], stream: StreamKey) -> set[str]:
    return {segment.host for segment in local if any(piece.stream == stream for piece in segment.pieces)}


def _links(local: list[LocalSegment]) -> set[tuple[str, str | None, int]]:
    """Hosts, the segments that are followed, and when those that follow begin: journals are read later than received."""
    return {(segment.host, segment.previous_segment, _first_us(segment)) for segment in local}


def _first_us(segment: LocalSegment) -> int:
    firsts = (piece.received_min for piece in segment.pieces if piece.received_min is not None)
    return min([segment.opened_us, *firsts])


def _begun_us(segment_id: str) -> int:
    return int(parse_segment_id(segment_id).time.timestamp()) * 1_000_000


def _absent(stream: StreamKey, kind: str, missing: int | None, first_us: int, last_us: int) -> LedgerRow:
    gap = Gap(
        gap_id=gap_id(stream, 0, kind, None, first_us),
        stream_type=stream.data_type,
        kind=kind,
        cause="unknown" if kind == NOT_ARCHIVED else "pruned",
        expected_id=None,
        actual_id=None,
        missing=missing,
        started_at=first_us,
        ended_at=last_us,
        line=None,
        status="open" if kind == NOT_ARCHIVED else "unrepairable",
        repaired_by=None,
        detected_at=last_us,
    )
    return LedgerRow(stream.exchange, stream.symbol, gap)
