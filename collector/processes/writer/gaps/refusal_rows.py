"""Gaps from frames that ingest refused because the journal's disk budget was used up."""

from collections.abc import Mapping
from typing import Any

from collector.domain.coverage import EVER, Stretch
from collector.domain.gap_stretches import event_gap
from collector.domain.records import Gap, StreamKey
from collector.domain.sequence.hole import REFUSED
from collector.processes.writer.batch import Counts
from collector.processes.writer.gaps.book_rows import BookRows
from collector.processes.writer.gaps.feed_table import FeedTable
from collector.processes.writer.gaps.stream_ownership import Member
from collector.processes.writer.streams import StreamTable
from collector.storage.journal.format import FeedIdentity
from collector.storage.journal.relayed import is_source


class RefusalRows:
    """Adds a row for each stream of the feed each time that frames were refused."""

    def __init__(self, feeds: FeedTable, streams: StreamTable, books: BookRows, counts: Counts) -> None:
        self._feeds = feeds
        self._streams = streams
        self._books = books
        self._counts = counts

    def begun(self, identity: FeedIdentity, info: Mapping[str, Any]) -> None:
        """Note that ingest has begun to refuse frames. What another source brings is not missing."""
        since_us = int(info["started_ns"]) // 1_000
        self._feeds.state(identity.feed).is_refusing = is_source(identity.feed)
        for member in self._feeds.all_members(identity):
            coverage = member.activity.coverage
            if coverage is None:
                member.activity.refused_since_us = since_us
            else:
                self._not_covered(identity.feed, member, coverage.end(identity.feed, [(since_us, EVER)]))
            if member.stream is not None:
                self._feeds.rows.touch(member.stream)

    def over(self, identity: FeedIdentity, ended_us: int, info: Mapping[str, Any]) -> None:
        """Note that ingest accepts frames again; `info` says how many it refused."""
        self._counts.refused += int(info["frames"])
        self._feeds.state(identity.feed).is_refusing = False
        for member in self._feeds.all_members(identity):
            if member.activity.coverage is not None:
                self.covered(identity.feed, member, ended_us)
                continue
            member.activity.refused_since_us = None
            self._ended(identity.feed, member, int(info["started_ns"]) // 1_000, ended_us)

    def covered(self, feed: str, member: Member, at_us: int) -> None:
        """Note that a source takes a stream's frames from then on: what one refused until then is missing."""
        since_us, member.activity.refused_since_us = member.activity.refused_since_us, None
        if since_us is not None:
            self._ended(feed, member, since_us, max(at_us, since_us))

    def cut_off(self, feed: str, member: Member, since_us: int, until_us: int) -> None:
        """End a refusal whose ingest was killed before it could say how many frames; the next one began at `until_us`."""
        self._refused(feed, member, since_us, until_us)

    def stop(self, feed: str, now_us: int) -> None:
        """Add rows up to now for a feed whose ingest stopped while refusing; its next ingest continues from here."""
        spoken = [(stream.key, stream.activity) for stream in self._streams if stream.feed == feed]
        for key, activity in [*spoken, *self._feeds.state(feed).unspoken.items()]:
            if activity.refused_since_us is not None:
                self._add_row(feed, key, activity.refused_since_us, now_us)

    def _not_covered(self, feed: str, member: Member, stretches: list[Stretch]) -> None:
        """Note in which stretches all sources refused the frames of a stream, or brought none; the last may last."""
        for since_us, until_us in stretches:
            if until_us == EVER:
                member.activity.refused_since_us = since_us
            else:
                self._ended(feed, member, since_us, until_us)

    def _ended(self, feed: str, member: Member, since_us: int, until_us: int) -> None:
        self._refused(feed, member, since_us, until_us)
        if member.stream is not None and not member.stream.proves_continuity:
            # Where ids prove what is missing, the hole requests the book.
            self._books.refused(member.stream, until_us)

    def _refused(self, feed: str, member: Member, since_us: int, until_us: int) -> None:
        self._feeds.mark_suspect(member, REFUSED)
        self._feeds.note_outage(member, self._add_row(feed, member.key, since_us, until_us))

    def _add_row(self, feed: str, key: StreamKey, since_us: int, until_us: int) -> Gap:
        gap = event_gap(key, "budget", REFUSED, since_us, until_us)
        self._feeds.add_gap(feed, key, gap, until_us)
        return gap
