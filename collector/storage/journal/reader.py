"""Reads the journal files of one feed in order, from committed positions on, while ingest may still append to them."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from collector.domain.records import UNKNOWN
from collector.storage.journal.files import journal_files
from collector.storage.journal.head import file_id_of, header_at
from collector.storage.journal.journal_file import Chunk, JournalFile
from collector.storage.journal.lag import Lag, lag_of
from collector.storage.journal.position import Position
from collector.storage.journal.tail import Tails
from collector.storage.locks import is_file_held


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
        self._file: JournalFile | None = None
        self.torn_bytes = 0
        """Bytes of torn tails skipped so far: what a killed ingest had begun to write."""
        self.may_grow = True
        """Whether more may be appended to the file last read."""

    def read(self, until_ns: int | None = None) -> Chunk | None:
        """The next records; None if there is nothing to read now.

        With `until_ns`, the first record received later and all after it are left for another call.
        """
        file = self._file or self._next()
        if file is None:
            return None
        final = self._is_final(file)
        self.may_grow = not final
        chunk = file.read(until_ns, final=final, goes_on=lambda: self._goes_on(file))
        if chunk is not None:
            self._known[chunk.position.file_id] = chunk.position
            if chunk.position.ended:
                self.torn_bytes += file.torn_bytes
                self.close()
        return chunk

    def begun_ns(self) -> int:
        """When the file that is read next was created; 0 if there is none, or its head cannot be read."""
        file = self._file or self._next()
        header = None if file is None else file.header or header_at(file.path)
        return 0 if header is None else header.created_ns

    def lag(self) -> Lag:
        """How much is not read yet."""
        return lag_of(list(self._pending()), len(journal_files(self._folder)))

    def close(self) -> None:
        """Close the file being read."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def _pending(self) -> Iterator[tuple[Path, int]]:
        """Files not read to their end, each with the offset reached."""
        for number, path in journal_files(self._folder):
            if self._file is not None and number == self._file.number:
                yield path, self._file.offset
                continue
            known = self._known.get(file_id_of(path, self._feed, number))
            if known is None or not known.ended or self._tails.goes_on(path, known.offset):
                yield path, 0 if known is None else known.offset

    def _next(self) -> JournalFile | None:
        """The first file that is not read to its end, open."""
        for path, offset in self._pending():
            self._file = JournalFile(path, self._feed, self._exchange, offset)
            break
        return self._file

    def _is_final(self, file: JournalFile) -> bool:
        # Checked before reading: what is appended after this check is found by the next read.
        # An ingest whose lock is free may have lost it with a removed folder; it still holds the file itself.
        is_gone = self._ingest_gone() and not is_file_held(file.fileno())
        return is_gone or any(number > file.number for number, _ in journal_files(self._folder))

    def _goes_on(self, file: JournalFile) -> bool:
        """Whether the same incarnation of ingest has begun another file, which it does only after a whole record."""
        later = (header_at(path) for number, path in journal_files(self._folder) if number > file.number)
        return any(header is not None and header.writer_id == file.known_header().writer_id for header in later)
