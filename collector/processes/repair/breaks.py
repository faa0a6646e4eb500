"""Which break of a stream's updates a book is for, and whether the book that came serves it."""

from collections.abc import Iterable
from typing import NamedTuple

from collector.domain.records import StreamKey
from collector.domain.repair_protocol import BookRequest


class Answer(NamedTuple):
    """The newest book that came for a stream."""

    series: int | None
    """None: of the series that was the newest then."""
    id: int
    asked_us: int
    """When it was asked for."""

    def serves(self, request: BookRequest) -> bool:
        """Whether it is also what a request wants that was found later: the book was asked for after the break."""
        is_of_series = None in {self.series, request.series} or self.series == request.series
        return is_of_series and self.id + 1 >= request.from_id and request.asked_us <= self.asked_us


class Latest(NamedTuple):
    """The requests for the latest break of each stream, and those for earlier ones."""

    books: list[BookRequest]
    earlier: list[BookRequest]


def latest(books: Iterable[BookRequest]) -> Latest:
    """The snapshot for the latest break of a stream serves earlier ones, too.

    The latest is told by series and id first, because the clock may have been set back.
    """
    known: dict[StreamKey, tuple[int, int]] = {}
    books = list(books)
    for book in books:
        if book.series is not None:
            known[book.stream] = max(known.get(book.stream, (0, 0)), (book.series, book.asked_us))
    earlier: list[BookRequest] = []
    newest: dict[StreamKey, BookRequest] = {}
    for book in sorted(books, key=lambda book: _place(book, *known.get(book.stream, (0, 0)))):
        if book.stream in newest:
            earlier.append(newest[book.stream])
        newest[book.stream] = book
    return Latest(list(newest.values()), earlier)


def _place(book: BookRequest, newest_series: int, since_us: int) -> tuple[int, int, int]:
    """How late the break is that a request is for; the newest series that is known has a request of `since_us`.

    Ids of a series that has ended say nothing: one of unknown series that is older counts as of the one before.
    """
    series = book.series
    if series is None:
        series = newest_series if book.asked_us >= since_us else newest_series - 1
    return series, book.from_id, book.asked_us
