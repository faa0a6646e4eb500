"""Reads the journal files of one feed in order, from committed positions on, while ingest may still append to them."""

import os
from collections.abc import Callable, Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Final, NamedTuple

from collector.domain.errors import DamagedError
from collector.domain.records import UNKNOWN
from collector.storage.journal.files import journal_files
from collector.storage.journal.format import (
    FeedIdentity,
    JournalHeader,
    Parsed,
    Record,
    RecordKind,
    find_record,
    parse_records,
)
from collector.storage.journal.head import file_id_of, header_at, headless_id, read_head
from collector.storage.journal.lag import Lag, lag_of
from collector.storage.journal.position import Position
from collector.storage.journal.tail import Tails
from collector.storage.locks import is_file_held

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


class JournalReader:
    """Reads everything in the feed's files, each record once, damage included.

    `ingest_gone` tells whether no ingest holds this feed's role lock: then no file grows any more. Only then, or if a
    later file exists, is an unfinished record at a file's end (a torn tail) taken for its end.
    """

    def __init__(
        self,
        folder: Path,
        feed: str,
        positions: Mapping[str, Position],
        ingest_gone: Callable[[], bool],
        exchange: str = UNKNOWN,
    ) -> None:
        """`exchange` is used for files whose head cannot be read."""
        self._folder = folder
        self._feed = feed
        self._exchange = exchange
        self._known = {file_id: p for file_id, p in positions.items() if p.feed == feed}
        self._ingest_gone = ingest_gone
        self._tails = Tails()
        self._fd: int | None = None
        self._path = folder
        self._header: JournalHeader | None = None
        self._number = 0
        self._offset = 0
        self._unfinished: tuple[int, int, int] | None = None
        """Number, offset and mtime of the file whose record was unfinished at the last read."""
        self.torn_bytes = 0
        """Bytes of torn tails skipped so far: what a killed ingest had begun to write."""
        self.may_grow = True
        """Whether more may be appended to the file last read."""

    def read(self, until_ns: int | None = None) -> Chunk | None:
        """The next records; None if there is nothing to read now.

        With `until_ns`, the first record received later and all after it are left for another call.
        """
        while self._fd is not None or self._open_next():
            final = self._is_final()
            self.may_grow = not final
            chunk = self._read_current(until_ns, final=final)
            if chunk is not None or self._fd is not None:
                return chunk
        return None

    def begun_ns(self) -> int:
        """When the file that is read next was created; 0 if there is none, or its head cannot be read."""
        if self._fd is None and not self._open_next():
            return 0
        header = self._header or header_at(self._path)
        return 0 if header is None else header.created_ns

    def lag(self) -> Lag:
        """How much is not read yet."""
        return lag_of(list(self._pending()), len(journal_files(self._folder)))

    def close(self) -> None:
        """Close the file being read."""
        if self._fd is not None:
            os.close(self._fd)
        self._fd = None

    def _pending(self) -> Iterator[tuple[Path, int]]:
        """Files not read to their end, each with the offset reached."""
        for number, path in journal_files(self._folder):
            if self._fd is not None and number == self._number:
                yield path, self._offset
                continue
            known = self._known.get(file_id_of(path, self._feed, number))
            if known is None or not known.ended or self._tails.goes_on(path, known.offset):
                yield path, 0 if known is None else known.offset

    def _open_next(self) -> bool:
        for path, offset in self._pending():
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._path, self._number, self._header = path, int(path.stem), None
            self._offset = offset
            return True
        return False

    def _is_final(self) -> bool:
        # Checked before reading: what is appended after this check is found by the next read.
        # An ingest whose lock is free may have lost it with a removed folder; it still holds the file itself.
        is_gone = self._ingest_gone() and not is_file_held(self._fileno())
        return is_gone or any(number > self._number for number, _ in journal_files(self._folder))

    def _read_current(self, until_ns: int | None, *, final: bool) -> Chunk | None:
        if self._header is None:
            try:
                self._header = read_head(self._pread)
            except DamagedError as error:
                return self._whole_file_damaged(str(error)) if final else None
            if self._header is None:
                return self._end_without_head() if final else None
            self._offset = max(self._offset, self._header.header_bytes)
        written_ns = self._written_ns()
        parsed = self._parse()
        if parsed.records:
            records = _received_until(until_ns, parsed.records)
            return self._advance(records) if records else None
        if parsed.damaged or final or self._is_overtaken(parsed, written_ns):
            return self._pass_damage(final=final)
        return None

    def _is_overtaken(self, parsed: Parsed, written_ns: int) -> bool:
        """Whether ingest has begun another record behind an unfinished one: then the unfinished one has a damaged length.

        Ingest writes each record in one go, and a write sets the file's mtime as it begins. So a record that was
        unfinished at the last read is overtaken if the mtime has changed since then and before this read.
        """
        if not parsed.wanted_bytes:
            return False
        known, self._unfinished = self._unfinished, (self._number, self._offset, self._written_ns())
        return known is not None and known[:2] == self._unfinished[:2] and known[2] != written_ns

    def _written_ns(self) -> int:
        return os.fstat(self._fileno()).st_mtime_ns

    def _parse(self) -> Parsed:
        data = self._pread(self._offset, CHUNK_BYTES)
        parsed = parse_records(data, self._offset)
        if not parsed.records and parsed.wanted_bytes > len(data):
            parsed = parse_records(self._pread(self._offset, parsed.wanted_bytes), self._offset)
        return parsed

    def _advance(self, records: list[Record]) -> Chunk:
        ended = records[-1].kind is RecordKind.CLOSE
        self._offset = records[-1].end
        return Chunk(self._known_header(), records, None, self._position(ended=ended))

    def _pass_damage(self, *, final: bool) -> Chunk | None:
        tail = self._pread(self._offset, max(0, os.fstat(self._fileno()).st_size - self._offset))
        found = find_record(tail, 1)
        if found is not None:
            damage = Damage(self._offset, found, "record fails its checksum")
            self._offset += found
            return Chunk(self._known_header(), [], damage, self._position(ended=False))
        if not final:
            return None
        if tail and self._goes_on():
            cut = Damage(self._offset, len(tail), "the file is cut, and its ingest wrote more")
            return Chunk(self._known_header(), [], cut, self._position(ended=True))
        self.torn_bytes += len(tail)
        return Chunk(self._known_header(), [], None, self._position(ended=True))

    def _goes_on(self) -> bool:
        """Whether the same incarnation of ingest has begun another file, which it does only after a whole record."""
        writer_id = self._known_header().writer_id
        later_headers = (header_at(path) for number, path in journal_files(self._folder) if number > self._number)
        return any(header is not None and header.writer_id == writer_id for header in later_headers)

    def _whole_file_damaged(self, reason: str) -> Chunk:
        size = os.fstat(self._fileno()).st_size
        self._offset = size
        return Chunk(self._known_header(), [], Damage(0, size, reason), self._position(ended=True))

    def _end_without_head(self) -> Chunk:
        self._offset = os.fstat(self._fileno()).st_size
        if find_record(self._pread(0, self._offset), 0) is not None:
            # A head is written before any record, so this head has a damaged length.
            return self._whole_file_damaged("the header is cut")
        self.torn_bytes += self._offset
        return Chunk(self._known_header(), [], None, self._position(ended=True))

    def _known_header(self) -> JournalHeader:
        if self._header is not None:
            return self._header
        # Nothing can be read behind a damaged head; the file is identified by its number.
        identity = FeedIdentity(self._feed, self._exchange, (), ())
        return JournalHeader(headless_id(self._feed, self._number), "", self._number, 0, identity, 0)

    def _position(self, *, ended: bool) -> Position:
        position = Position(self._known_header().file_id, self._feed, self._number, self._offset, ended)
        self._known[position.file_id] = position
        if ended:
            self.close()
        return position

    def _fileno(self) -> int:
        if self._fd is None:
            raise ValueError("no journal file is open")
        return self._fd

    def _pread(self, offset: int, size: int) -> bytes:
        pieces: list[bytes] = []
        while size > 0:
            piece = os.pread(self._fileno(), size, offset)
            if not piece:
                break
            pieces.append(piece)
            offset += len(piece)
            size -= len(piece)
        return b"".join(pieces)


def _received_until(until_ns: int | None, records: list[Record]) -> list[Record]:
    if until_ns is None:
        return records
    return list(takewhile(lambda record: record.received_ns <= until_ns, records))
