"""Reads edges' records out of a relay's journal: each RELAYED record as one chunk of its own.

Whoever takes such a chunk takes it whole, because nobody could read on from within a RELAYED record: all records of the
chunk end where that record ends.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from collector.domain.errors import DamagedError
from collector.storage.journal.format import (
    RECORD_HEAD_BYTES,
    FeedIdentity,
    JournalHeader,
    Record,
    RecordKind,
    decode_header,
    parse_records,
)
from collector.storage.journal.head import header_at, read_head
from collector.storage.journal.journal_file import Chunk, Damage
from collector.storage.journal.position import Position
from collector.storage.journal.relayed import (
    IN_HEAD,
    IN_SLICE,
    LINES_OF_SLOT,
    RelayedHead,
    decode_relayed,
    source_name,
)

_MOST_HEADS: Final = 64
"""So many heads of edges' files are kept; any other is read again."""


class RelayedChunks:
    """Takes the chunks of one feed's journal apart. Those of a journal that no relay wrote stay as they are."""

    def __init__(self, path_of: Callable[[int], Path]) -> None:
        """`path_of` gives the path of the journal's file of a number."""
        self._path_of = path_of
        self._heads: dict[str, JournalHeader] = {}

    def apart(self, chunk: Chunk) -> Iterator[Chunk]:
        """The records of each slice by themselves, in order, then what is the journal's own; the last has the position of all.

        Raises NewerDataError if only a newer program can read an edge's file.
        """
        slices = [record for record in chunk.records if record.kind is RecordKind.RELAYED]
        for record in slices:
            yield self._of_edge(chunk, record)
        own = [record for record in chunk.records if record.kind is not RecordKind.RELAYED]
        if own or not slices:
            yield chunk._replace(records=own)

    def _of_edge(self, chunk: Chunk, record: Record) -> Chunk:
        position = chunk.position._replace(offset=record.end, ended=False)
        try:
            head, body_at = decode_relayed(record.payload)
            header = self._header(head, record.payload[body_at:], position, chunk.header.identity)
        except DamagedError as error:
            lost = Damage(record.offset, record.end - record.offset, str(error))
            return Chunk(chunk.header, [], lost, position, chunk.others)
        skipped_bytes = header.header_bytes if head.head_at == IN_SLICE else 0
        records, damage = _records(record, head, body_at, skipped_bytes)
        is_last = head.ended and head.is_last
        at_ns = record.received_ns
        return Chunk(header, records, damage, position, is_last=is_last, source=head, appended_ns=at_ns)

    def _header(self, head: RelayedHead, body: bytes, position: Position, own: FeedIdentity) -> JournalHeader:
        """The head of the edge's file. Raises DamagedError if records are to be read with it, and it cannot be."""
        known = self._heads.get(head.file_id) or self._read_header(head, body, position)
        name = source_name(own.feed, head.edge)
        if known is None:
            if body:
                raise DamagedError("the head of the edge's file cannot be read")
            return JournalHeader(head.file_id, "", head.number, 0, FeedIdentity(name, own.exchange, (), ()), 0)
        while len(self._heads) >= _MOST_HEADS:
            del self._heads[next(iter(self._heads))]
        header = known._replace(identity=known.identity._replace(feed=name))
        self._heads[head.file_id] = header
        return header

    def _read_header(self, head: RelayedHead, body: bytes, position: Position) -> JournalHeader | None:
        if head.head_at == IN_SLICE:
            return decode_header(body)
        path = self._path_of(position.number)
        if head.head_at == IN_HEAD:
            return _header_in_head(path, head.file_id)
        try:
            with path.open("rb", buffering=0) as file:
                return read_head(lambda offset, size: os.pread(file.fileno(), size, head.head_at + offset))
        except FileNotFoundError:
            return None


def _header_in_head(path: Path, file_id: str) -> JournalHeader | None:
    own = header_at(path)
    sources = own.sources if own is not None and own.sources is not None else ()
    files = (file for source in sources for file in source.all_files())
    heads = (file.head for file in files if file.file_id == file_id)
    return decode_header(next(heads, b""))


def _records(outer: Record, head: RelayedHead, body_at: int, skipped_bytes: int) -> tuple[list[Record], Damage | None]:
    """The records in a slice, and what of the edge's file is damaged."""
    first = outer.offset + RECORD_HEAD_BYTES + body_at
    parsed = parse_records(outer.payload[body_at + skipped_bytes :], first + skipped_bytes)
    base = LINES_OF_SLOT * head.slot
    records = [
        Record(kind, base + line, received_ns, offset, outer.end, payload, connection)
        for kind, line, received_ns, offset, _, payload, connection in parsed.records
    ]
    if head.damage:
        return records, Damage(head.start, head.end - head.start, head.damage)
    rest_bytes = outer.end - parsed.end
    if rest_bytes:
        return records, Damage(head.start + parsed.end - first, rest_bytes, "records of a slice fail their checksum")
    return records, None
