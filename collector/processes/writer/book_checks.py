"""Verifies books by the exchange's checksums while they are recorded: a book of each stream for each connection.

A book belongs to a connection, because each has its own snapshot and misses its own messages. Books are not stored with
commits: after a crash, and after a loss, a stream is not checked until its next snapshot on that connection. A writer that is
renewed leaves them to its successor (`left_books.py`).
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from enum import Enum, auto
from typing import Final

from collector.domain.records import Envelope, StreamKey
from collector.domain.text_book import TextBook
from collector.exchanges.adapter import BookCheck, BookUpdate
from collector.exchanges.typed_rows import UNREADABLE

MAX_BOOKS: Final = 10_000
"""The most books kept; those of further streams stay unverified. One of depth 100 takes some 60 kB."""

Place = tuple[int, StreamKey]
"""A connection, and a stream that it carries."""


class Checked(Enum):
    """What is known of a book after a message."""

    SOUND = auto()
    """Nothing contradicts it; or the ledger has a row of its loss already."""
    WRONG = auto()
    """The exchange's checksum contradicts it."""
    LACKING = auto()
    """There is none, and its next snapshot would begin one: nothing shows whether a message is missing."""
    OFF = auto()
    """None is kept: books are not verified, or there are too many."""


class BookChecks:
    """The books of all connections. For the writer's one thread."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self.books: dict[Place, TextBook] = {}
        self.lost: set[Place] = set()
        """Books whose loss has a row in the ledger."""
        self.counts: Counter[str] = Counter()
        """Messages by what their checksum said: `matched`, `different`; `unverified` ones had no book or no checksum."""

    def take_over(self, books: Mapping[Place, TextBook], lost: Iterable[Place]) -> None:
        """Go on with the books of an earlier writer, before any message is checked."""
        if self._enabled:
            self.books, self.lost = dict(books), set(lost)

    def checked(self, check: BookCheck, connection: int, message: Envelope) -> Checked:
        """Apply a message to its connection's book, and hold that against the exchange's checksum.

        Call it for each message of a connection, before copies are dropped.
        """
        if not self._enabled:
            return Checked.OFF
        place = connection, message.stream
        try:
            update = check.read(message.payload)
            return self._apply(check, place, update)
        except (ValueError, *UNREADABLE):
            # A number that is none: the message has its row with a null, and the book cannot go on.
            self.books.pop(place, None)
            return self._lacking(place)

    def keep_only(self, connections: Collection[int]) -> None:
        """Forget the books of all other connections, which are over."""
        self.books = {place: book for place, book in self.books.items() if place[0] in connections}
        self.lost = {place for place in self.lost if place[0] in connections}

    def lose(self, is_concerned: Callable[[int], bool]) -> None:
        """Frames of some connections were lost, as the ledger says: their books are wrong until the next snapshot."""
        for place in [place for place in self.books if is_concerned(place[0])]:
            self._lose(place)

    def _apply(self, check: BookCheck, place: Place, update: BookUpdate) -> Checked:
        book = self.books.get(place)
        if update.is_snapshot and (book is not None or len(self.books) < MAX_BOOKS):
            book = self.books[place] = TextBook(check.depth)
            self.lost.discard(place)
        if book is None:
            return self._lacking(place)
        book.apply(update.bids, update.asks)
        if update.checksum is None:
            self.counts["unverified"] += 1
            return Checked.SOUND
        if check.digest(book.bids.best(check.levels), book.asks.best(check.levels)) == update.checksum:
            self.counts["matched"] += 1
            return Checked.SOUND
        self.counts["different"] += 1
        self._lose(place)
        return Checked.WRONG

    def _lacking(self, place: Place) -> Checked:
        self.counts["unverified"] += 1
        if place in self.lost:
            return Checked.SOUND
        return Checked.LACKING if len(self.books) < MAX_BOOKS else Checked.OFF

    def _lose(self, place: Place) -> None:
        del self.books[place]
        self.lost.add(place)
