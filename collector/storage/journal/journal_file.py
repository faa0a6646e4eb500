"""Reads one journal file in order, from an offset on, while ingest may still append to it."""

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from collector.domain.errors import DamagedError
from collector.storage.journal.format import (
    RECORD_HEAD_BYTES,
    FeedIdentity,
    JournalHeader,
    Parsed,
    Record,
    RecordKind,
    find_record,
    parse_records,
    received_ns_of,
)
from collector.storage.journal.head import headless_id, read_head
from collector.storage.journal.position import Position
from collector.storage.journal.relayed import RelayedHead

CHUNK_BYTES: Final = 512 << 10


class Damage(NamedTuple):
    """Damaged bytes of a journal file."""

    offset: int
    size_bytes: int
    reason: str


class Chunk(NamedTuple):
    """What one read returned, and the position after it."""

    header: JournalHeader
    records: list[Record]
    damage: Damage | None
    position: Position
    others: frozenset[int] = frozenset()
    """Numbers of the feed's files that are present or were read."""
    is_last: bool = False
    """Whether its incarnation, which the head names, has written nothing behind it, and writes nothing more."""
    source: RelayedHead | None = None
    """Of an edge's records: what the relay says of the slice they came in. `header` is then that of the edge's file, while
    `position` and the offsets of records are those of the storage host's."""
    appended_ns: int = 0
    """When the storage host appended such a slice, by its own clock."""
    ahead_us: int = 0
    """By how much the edge's times were later than those of `records`; see `processes/writer/edge_clock.py`."""


class JournalFile:
    """A file of one feed, each of whose records is read once, damage included."""

    def __init__(self, path: Path, feed: str, exchange: str, offset: int, header: JournalHeader | None) -> None:
        """`header` is its head, if that is known; `exchange` is used if it cannot be read. Raises OSError."""
        self.path = path
        self.number = int(path.stem)
        self.offset = offset if header is None else max(offset, header.header_bytes)
        """How far it was read."""
        self.header = header
        """None while it cannot be read."""
        self.torn_bytes = 0
        """Bytes of a torn tail: what a killed ingest had begun to write."""
        self._feed = feed
        self._exchange = exchange
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._ahead: deque[Record] = deque()
        """Records that were read and left for another call."""
        self._unfinished: tuple[int, int] | None = None
        """Offset and mtime of the record that was unfinished at the last read."""

    def fileno(self) -> int:
        """Its file descriptor."""
        return self._fd

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def next_ns(self) -> int | None:
        """Receive time in the head of the next record, which is not checked for damage; None if there is no whole head."""
        return (
            self._ahead[0].received_ns if self._ahead else received_ns_of(self._pread(self.offset, RECORD_HEAD_BYTES))
        )

    def read(self, until_ns: int | None, *, final: bool, goes_on: bool) -> Chunk | None:
        """The next records; None if there is nothing to read now.

        With `until_ns`, the first record received later and all after it are left for another call. Once the file is
        `final` nothing more is appended to it. Only then is an unfinished record at its end (a torn tail) taken for its
        end; it is damage if the same incarnation of ingest `goes_on` in another file.
        """
        if self.header is None:
            try:
                self.header = read_head(self._pread)
            except DamagedError as error:
                return self._whole_file_damaged(str(error)) if final else None
            if self.header is None:
                return self._end_without_head() if final else None
            self.offset = max(self.offset, self.header.header_bytes)
        if self._ahead:
            return self._advance(until_ns)
        written_ns = self._written_ns()
        parsed = self._parse()
        if parsed.records:
            self._ahead.extend(parsed.records)
            return self._advance(until_ns)
        if parsed.damaged or final or self._is_overtaken(parsed, written_ns):
            return self._pass_damage(goes_on=goes_on, final=final)
        return None

    def known_header(self) -> JournalHeader:
        """Its head, or what stands for one that cannot be read."""
        if self.header is not None:
            return self.header
        # Nothing can be read behind a damaged head; the file is identified by its number.
        identity = FeedIdentity(self._feed, self._exchange, (), ())
        return JournalHeader(headless_id(self._feed, self.number), "", self.number, 0, identity, 0)

    def _is_overtaken(self, parsed: Parsed, written_ns: int) -> bool:
        """Whether ingest has begun another record behind an unfinished one: then the unfinished one has a damaged length.

        Ingest writes each record in one go, and a write sets the file's mtime as it begins. So a record that was
        unfinished at the last read is overtaken if the mtime has changed since then and before this read.
        """
        if not parsed.wanted_bytes:
            return False
        known, self._unfinished = self._unfinished, (self.offset, self._written_ns())
        return known is not None and known[0] == self.offset and known[1] != written_ns

    def _written_ns(self) -> int:
        return os.fstat(self._fd).st_mtime_ns

    def _parse(self) -> Parsed:
        data = self._pread(self.offset, CHUNK_BYTES)
        parsed = parse_records(data, self.offset)
        if not parsed.records and parsed.wanted_bytes > len(data):
            parsed = parse_records(self._pread(self.offset, parsed.wanted_bytes), self.offset)
        return parsed

    def _advance(self, until_ns: int | None) -> Chunk | None:
        records = list(_received_until(until_ns, self._ahead))
        if not records:
            return None
        ended = records[-1].kind is RecordKind.CLOSE
        self.offset = records[-1].end
        return Chunk(self.known_header(), records, None, self._position(ended=ended))

    def _pass_damage(self, *, goes_on: bool, final: bool) -> Chunk | None:
        tail = self._pread(self.offset, max(0, os.fstat(self._fd).st_size - self.offset))
        found = find_record(tail, 1, of_relay=self.known_header().sources is not None)
        if found is not None:
            damage = Damage(self.offset, found, "record fails its checksum")
            self.offset += found
            return Chunk(self.known_header(), [], damage, self._position(ended=False))
        if not final:
            return None
        if tail and goes_on:
            cut = Damage(self.offset, len(tail), "the file is cut, and its ingest wrote more")
            return Chunk(self.known_header(), [], cut, self._position(ended=True))
        self.torn_bytes += len(tail)
        return Chunk(self.known_header(), [], None, self._position(ended=True))

    def _whole_file_damaged(self, reason: str) -> Chunk:
        size = os.fstat(self._fd).st_size
        self.offset = size
        return Chunk(self.known_header(), [], Damage(0, size, reason), self._position(ended=True))

    def _end_without_head(self) -> Chunk:
        self.offset = os.fstat(self._fd).st_size
        if find_record(self._pread(0, self.offset), 0) is not None:
            # A head is written before any record, so this head has a damaged length.
            return self._whole_file_damaged("the header is cut")
        self.torn_bytes += self.offset
        return Chunk(self.known_header(), [], None, self._position(ended=True))

    def _position(self, *, ended: bool) -> Position:
        return Position(self.known_header().file_id, self._feed, self.number, self.offset, ended)

    def _pread(self, offset: int, size: int) -> bytes:
        pieces: list[bytes] = []
        while size > 0:
            piece = os.pread(self._fd, size, offset)
            if not piece:
                break
            pieces.append(piece)
            offset += len(piece)
            size -= len(piece)
        return b"".join(pieces)


def _received_until(until_ns: int | None, records: deque[Record]) -> Iterator[Record]:
    """Take these, without the first that was received later and all after it."""
    while records and (until_ns is None or records[0].received_ns <= until_ns):
        yield records.popleft()
