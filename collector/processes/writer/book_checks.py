"""Verifies books by the exchange's checksums while they are recorded: a book of each stream for each connection.

A book belongs to a connection, because each has its own snapshot and misses its own messages. Books are not stored: after a
restart, and after a checksum that did not match, a stream counts as unverified until its next snapshot on that connection.
"""

from collections import Counter
from collections.abc import Collection
from typing import Final

from collector.domain.records import Envelope, StreamKey
from collector.domain.text_book import TextBook
from collector.exchanges.adapter import BookCheck, BookUpdate
from collector.exchanges.typed_rows import UNREADABLE

MAX_BOOKS: Final = 10_000
"""The most books kept; those of further streams stay unverified. One of depth 100 takes some 60 kB."""


class BookChecks:
    """The books of all connections. For the writer's one thread."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._books: dict[tuple[int, StreamKey], TextBook] = {}
        self.counts: Counter[str] = Counter()
        """Messages by what their checksum said: `matched`, `different`; `unverified` ones had no book or no checksum."""

    @property
    def has_books(self) -> bool:
        """Whether any book is kept."""
        return bool(self._books)

    def is_different(self, check: BookCheck, connection: int, message: Envelope) -> bool:
        """Apply a message to its connection's book; returns whether the exchange's checksum shows that the book is wrong.

        Call it for each message of a connection, before copies are dropped.
        """
        if not self._enabled:
            return False
        place = connection, message.stream
        try:
            update = check.read(message.payload)
            return self._apply(check, place, update)
        except (ValueError, *UNREADABLE):
            # A number that is none: the message has its row with a null, and the book cannot go on.
            self._forget(place)
            self.counts["unverified"] += 1
            return False

    def keep_only(self, connections: Collection[int]) -> None:
        """Forget the books of all other connections, which are over."""
        self._books = {place: book for place, book in self._books.items() if place[0] in connections}

    def _apply(self, check: BookCheck, place: tuple[int, StreamKey], update: BookUpdate) -> bool:
        book = self._books.get(place)
        if update.is_snapshot and (book is not None or len(self._books) < MAX_BOOKS):
            book = self._books[place] = TextBook(check.depth)
        if book is None:
            self.counts["unverified"] += 1
            return False
        book.apply(update.bids, update.asks)
        if update.checksum is None:
            self.counts["unverified"] += 1
            return False
        if check.digest(book.bids.best(check.levels), book.asks.best(check.levels)) == update.checksum:
            self.counts["matched"] += 1
            return False
        self.counts["different"] += 1
        self._forget(place)
        return True

    def _forget(self, place: tuple[int, StreamKey]) -> None:
        self._books.pop(place, None)
