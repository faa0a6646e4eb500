"""Gaps from frames that a connection lost, where the exchange numbers the frames of each connection.

The number left out proves that a frame was lost, not of which stream. So every stream of the connection gets a row whose
own ids would not show it.
"""

from collections.abc import Collection, Sequence
from typing import Final

from collector.domain.gap_stretches import GapStretch, event_gap
from collector.domain.records import UNKNOWN, StreamKey
from collector.processes.writer.batch import Counts
from collector.processes.writer.gaps.book_rows import BookRows
from collector.processes.writer.gaps.feed_state import ConnectionMemory
from collector.processes.writer.gaps.feed_table import FeedTable
from collector.processes.writer.gaps.stream_ownership import Member
from collector.storage.journal.format import FeedIdentity, connection_in_head

BOOKS_US: Final = 5_000_000
"""Shortest time between two requests for fresh books: a connection that loses many frames would ask for each."""


class TicketRows:
    """Follows the numbers of the frames of every connection."""

    def __init__(self, feeds: FeedTable, books: BookRows, counts: Counts) -> None:
        self._feeds = feeds
        self._books = books
        self._counts = counts

    def follow_all(self, identity: FeedIdentity, connection: int, tickets: Sequence[int | None], at_us: int) -> bool:
        """Note frames whose numbers all follow each other, the last one received at `at_us`.

        If not, or if anything else is due, nothing changes, and they are to be noted one by one.
        """
        memory = self._memory(identity, connection)
        first = tickets[0]
        if first is None or (memory.ticket is not None and memory.ticket + 1 != first) or memory.owes_books:
            return False
        if tickets != list(range(first, first + len(tickets))):
            return False
        memory.ticket, memory.ticket_us = tickets[-1], at_us
        return True

    def follow(self, identity: FeedIdentity, connection: int, line: int, ticket: int | None, at_us: int) -> None:
        """Note the next frame of a connection, which a record's head names `connection`; None if it has no number."""
        memory = self._memory(identity, connection)
        if memory.owes_books:
            self._request_books(identity, connection, memory, at_us)
        if ticket is None:
            return
        last = memory.ticket
        if last is not None and ticket > last + 1:
            self._lost(identity, connection, line, ticket, at_us)
        elif last is not None and ticket <= last:
            self._out_of_order(identity, last + 1, ticket, at_us)
        memory.ticket, memory.ticket_us = ticket, at_us

    def not_numbered(self, identity: FeedIdentity, connection: int, keys: Collection[StreamKey], at_us: int) -> None:
        """Count messages in a frame that has no number, though the exchange was asked for one: nothing proves their streams."""
        for key, _, _ in self._unproven(identity, connection):
            if key in keys:
                self._feeds.count(identity.feed, GapStretch(key, "checksum", "unknown", at_us, at_us, 1))

    def begin_anew(self, feed: str) -> None:
        """Note that frames of the feed were refused: what is missing has its rows."""
        for memory in self._feeds.state(feed).connections.values():
            memory.ticket = None

    def _lost(self, identity: FeedIdentity, connection: int, line: int, ticket: int, at_us: int) -> None:
        state, memory = self._feeds.state(identity.feed), self._memory(identity, connection)
        self._counts.frame_holes += 1
        cause = "parse" if state.undecodable_us >= memory.ticket_us else "exchange"
        for member in self._unproven(identity, connection):
            if not member.is_missed_without(identity.feed, memory.ticket_us, at_us):
                continue
            key, stream, _ = member
            series = 0 if stream is None else stream.dedup.progress.series
            gap = event_gap(
                key, "sequence", cause, memory.ticket_us, at_us,
                series=series, expected_id=str((memory.ticket or 0) + 1), actual_id=str(ticket),
            )  # fmt: skip
            self._feeds.add_gap(identity.feed, key, gap._replace(line=line), at_us)
        memory.owes_books = True
        self._request_books(identity, connection, memory, at_us)

    def _request_books(self, identity: FeedIdentity, connection: int, memory: ConnectionMemory, at_us: int) -> None:
        if 0 <= at_us - memory.books_asked_us < BOOKS_US:
            return
        memory.books_asked_us, memory.owes_books = at_us, False
        for _, stream, _ in self._unproven(identity, connection):
            if stream is not None:
                self._books.needed(stream, at_us, at_us, "exchange")

    def _out_of_order(self, identity: FeedIdentity, expected: int, ticket: int, at_us: int) -> None:
        place = StreamKey(identity.exchange, UNKNOWN, UNKNOWN)
        trouble = GapStretch(place, "out_of_order", "exchange", at_us, at_us, 1, str(expected), str(ticket))
        self._feeds.count(identity.feed, trouble)

    def _unproven(self, identity: FeedIdentity, connection: int) -> list[Member]:
        """The streams of the connection whose ids do not show a loss; those of the feed if its plan is not known.

        The first message of a stream has no id before it that could show one.
        """
        up = self._feeds.state(identity.feed).links.up
        plan = next((plan for number, plan in up.items() if connection_in_head(number) == connection), -1)
        members = list(self._feeds.members(identity, plan)) or list(self._feeds.all_members(identity))
        return [member for member in members if member.stream is None or not member.stream.proves_continuity]

    def _memory(self, identity: FeedIdentity, connection: int) -> ConnectionMemory:
        return self._feeds.state(identity.feed).connections.setdefault(connection, ConnectionMemory())
