"""`run/books.left`: the books that a renewed writer leaves to its successor, which then goes on verifying them.

A book is right at one place of the journals only, and applying an update twice, or skipping one, makes it a wrong one that
may look right for a while. So the file names the journal positions at which its books stood, and they are taken only by a
writer that begins at exactly these: journal files have random ids and are only appended to, so it reads the same updates
next. A commit that moves a position makes the file worthless, and the next start removes it; a writer that is killed before
that leaves it as good as it was.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from collector.domain.disk_waits import disk_wait
from collector.domain.errors import DamagedError
from collector.domain.log import Log
from collector.domain.records import StreamKey
from collector.domain.text_book import TextBook, TextLevel
from collector.processes.writer.book_checks import BookChecks
from collector.storage.journal.position import Position

FILE_NAME: Final = "books.left"

_MAGIC: Final = b"books left 1\n"
"""Begins the file and names its version, which no other version takes."""

_DIGEST_BYTES: Final = 32


class LeftBook(msgspec.Struct, frozen=True, array_like=True):
    """A book of one connection."""

    connection: int
    stream: StreamKey
    depth: int
    bids: list[TextLevel]
    asks: list[TextLevel]


class _Content(msgspec.Struct, array_like=True):
    positions: list[Position]
    books: list[LeftBook]
    lost: list[tuple[int, StreamKey]]
    """Connections and streams whose wrong book is in the ledger already."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Content).decode


class LeftBooks:
    """The file in a data directory. Without it, or with one that cannot be used, books are lacking as after a crash."""

    def __init__(self, data_dir: Path, log: Log) -> None:
        self._path = data_dir / "run" / FILE_NAME
        self._log = log

    def leave(self, checks: BookChecks, positions: Mapping[str, Position]) -> None:
        """Leave the books as they stand at these committed positions; it need not survive a power cut, as no connection does."""
        books = [_left(*place, book) for place, book in checks.books.items()]
        body = _encode(_Content(sorted(positions.values()), books, sorted(checks.lost)))
        draft = self._path.with_name(f"{FILE_NAME}.new")
        try:
            with disk_wait():
                draft.parent.mkdir(exist_ok=True)
                draft.write_bytes(_MAGIC + hashlib.sha256(body).digest() + body)
                draft.replace(self._path)
        except OSError as error:
            self._log.warning("books_not_left", error=str(error))

    def take(self, checks: BookChecks, positions: Mapping[str, Position]) -> None:
        """Give `checks` the books that were left at exactly these positions, if any were."""
        try:
            content = self._read() if self._path.exists() else None
            if content is not None and content.positions != sorted(positions.values()):
                self._path.unlink()
                content = None
        except (OSError, DamagedError) as error:
            self._log.warning("books_not_taken", error=str(error))
            return
        if content is not None:
            books = {(left.connection, left.stream): _book(left) for left in content.books}
            checks.take_over(books, content.lost)
            self._log.info("books_taken", count=len(books))

    def _read(self) -> _Content:
        with disk_wait():
            data = self._path.read_bytes()
        begin = len(_MAGIC) + _DIGEST_BYTES
        body = memoryview(data)[begin:]
        if data[:begin] != _MAGIC + hashlib.sha256(body).digest():
            raise DamagedError(f"{self._path}: is damaged, or of another version")
        try:
            return _decode(body)
        except msgspec.DecodeError as error:
            raise DamagedError(f"{self._path}: {error}") from error


def _left(connection: int, stream: StreamKey, book: TextBook) -> LeftBook:
    return LeftBook(connection, stream, book.depth, book.bids.best(book.depth), book.asks.best(book.depth))


def _book(left: LeftBook) -> TextBook:
    book = TextBook(left.depth)
    book.apply(left.bids, left.asks)
    return book
