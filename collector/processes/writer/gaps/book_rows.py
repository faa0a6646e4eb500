"""Rows of the gap ledger for books: the stretches in which updates came and no book that they can be applied to.

A stretch begins with the first update after a break (a stream's first message, a hole in ids, a series that begins anew,
lost frames, a wrong checksum) and ends with the first whole book that reaches it, wherever that comes from.
"""

from typing import Final

from collector.domain.repair_protocol import BOOK
from collector.domain.sequence.book_unknown import BookUnknown
from collector.domain.sequence.hole import REFUSED
from collector.domain.silence import LEFT
from collector.domain.steps_back import has_passed
from collector.processes.writer.gaps.feed_table import FeedTable
from collector.processes.writer.repair_requests import RepairRequests
from collector.processes.writer.streams import StreamState, StreamTable

LASTS_US: Final = 5_000_000
"""A stretch that lasts longer has a row before it is over; a shorter one has one row in all."""

ASK_AGAIN_US: Final = 10_000_000
"""A book that is still lacking is requested again after this time; ingest spaces what it asks the exchange for."""


class BookRows:
    """Follows the books of all streams, and requests those that are missing."""

    def __init__(self, streams: StreamTable, feeds: FeedTable, requests: RepairRequests) -> None:
        self._feeds = feeds
        self._requests = requests
        self._unknown = {stream.stream_id: stream for stream in streams if stream.dedup.progress.book_unknown}
        self._asked_us: dict[int, int] = {}
        """When a book to verify a stream by was last requested, by stream."""

    def needed(self, stream: StreamState, from_id: int, at_us: int, cause: str) -> None:
        """Note that the update `from_id`, received at `at_us`, and all that follow need a whole book."""
        self._requests.request_book(stream, from_id, at_us)
        if stream.key.data_type != BOOK:
            return
        unknown = stream.dedup.progress.book_unknown
        if unknown is not None and unknown.since_us:
            unknown.from_id, unknown.broken_us, unknown.broken_series = from_id, at_us, stream.dedup.progress.series
            self._feeds.rows.touch(stream)
            return
        unknown, book = _begun(stream, from_id, at_us, cause), stream.book_since(from_id, at_us)
        if book is None:
            self._watch(stream, unknown)
        else:
            self._reached(stream, unknown, book)

    def lost(self, stream: StreamState, at_us: int, cause: str) -> None:
        """Note that updates until `at_us` may be lost: where ids prove nothing, the next one has no book.

        Where they do, a hole shows whether anything is missing.
        """
        if stream.key.data_type == BOOK and not stream.proves_continuity and stream.dedup.progress.book_unknown is None:
            series = stream.dedup.progress.series
            self._watch(stream, BookUnknown(0, _row_cause(cause), series, at_us, at_us, series))

    def lacking(self, stream: StreamState, at_us: int) -> None:
        """Request a fresh book for a stream that cannot be verified without one, again and again until one has come."""
        # A clock that was set back does not put it off.
        if has_passed(ASK_AGAIN_US, self._asked_us.get(stream.stream_id, -ASK_AGAIN_US), at_us):
            self._asked_us[stream.stream_id] = at_us
            self._requests.request_book(stream, at_us, at_us)

    def refused(self, stream: StreamState, ended_us: int) -> None:
        """Note that frames of a stream whose ids prove nothing were refused until then."""
        self._requests.request_book(stream, ended_us, ended_us)
        self.lost(stream, ended_us, REFUSED)

    def update_came(self, stream: StreamState, received_us: int) -> None:
        """Note the first update of a stream that awaits its book."""
        unknown, stream.awaits_book = stream.dedup.progress.book_unknown, False
        if unknown is not None:
            unknown.since_us = received_us

    def came(self, stream: StreamState, received_us: int, last_id: int | None) -> None:
        """Note a whole book, which goes up to that id."""
        if stream.key.data_type != BOOK:
            return
        stream.book_came(received_us, last_id)
        self._requests.book_came(stream)
        unknown = stream.dedup.progress.book_unknown
        if unknown is not None and _reaches(stream, unknown):
            self._forget(stream)
            self._reached(stream, unknown, (received_us, last_id))

    def look(self, feed: str, now_us: int) -> None:
        """Write a row for each stretch of the feed that has lasted for a while."""
        for stream in [stream for stream in self._unknown.values() if stream.feed == feed]:
            unknown = stream.dedup.progress.book_unknown
            # A clock that was set back does not put it off.
            if unknown is not None and has_passed(LASTS_US, unknown.since_us, now_us):
                self._report(stream, now_us)

    def update(self, now_us: int) -> None:
        """Write a row for each stretch that has none."""
        for stream in self._unknown.values():
            self._report(stream, now_us)

    def drop(self, stream: StreamState, until_us: int) -> None:
        """End the stretch of a stream that is not recorded any more."""
        unknown = stream.dedup.progress.book_unknown
        if unknown is not None:
            self._forget(stream)
            if unknown.since_us:
                self._end(stream, unknown, (until_us, None))

    def _report(self, stream: StreamState, now_us: int) -> None:
        unknown = stream.dedup.progress.book_unknown
        if unknown is not None and unknown.since_us and not unknown.has_row:
            self._feeds.rows.add(stream.key, unknown.lasting(stream.key, now_us))

    def _reached(self, stream: StreamState, unknown: BookUnknown, book: tuple[int, int | None]) -> None:
        """A book ends the stretch; there was none if it was received before the updates, though it may be read after them."""
        if unknown.has_row or book[0] > unknown.since_us > 0:
            self._end(stream, unknown, book)

    def _end(self, stream: StreamState, unknown: BookUnknown, book: tuple[int, int | None]) -> None:
        row = unknown.ended(stream.key, *book)
        if unknown.has_row:
            self._feeds.rows.add(stream.key, row)
        else:
            self._feeds.add_gap(stream.feed, stream.key, row, row.detected_at)

    def _watch(self, stream: StreamState, unknown: BookUnknown) -> None:
        stream.dedup.progress.book_unknown, stream.awaits_book = unknown, not unknown.since_us
        self._unknown[stream.stream_id] = stream
        self._feeds.rows.touch(stream)

    def _forget(self, stream: StreamState) -> None:
        stream.dedup.progress.book_unknown, stream.awaits_book = None, False
        self._unknown.pop(stream.stream_id, None)
        self._feeds.rows.touch(stream)


def _begun(stream: StreamState, from_id: int, at_us: int, cause: str) -> BookUnknown:
    expected_id = from_id if stream.rule.proves_continuity else None
    series = stream.dedup.progress.series
    return BookUnknown(at_us, _row_cause(cause), series, from_id, at_us, series, expected_id)


def _row_cause(cause: str) -> str:
    """A stream that returns begins without a book, as at a start."""
    return "restart" if cause == LEFT else cause


def _reaches(stream: StreamState, unknown: BookUnknown) -> bool:
    """Whether the newest book ends the stretch: one of a series that began later does, because that begins with it."""
    is_newer = stream.dedup.progress.series > unknown.broken_series
    return is_newer or stream.book_since(unknown.from_id, unknown.broken_us) is not None
