"""Gaps from damaged and missing journal files."""

from collector.domain.gap_stretches import event_gap
from collector.domain.records import UNKNOWN, StreamKey
from collector.processes.writer.gaps.feed_table import FeedTable
from collector.storage.journal.format import JournalHeader
from collector.storage.journal.journal_file import Damage


class DamageRows:
    """A row for each damaged part and each run of missing files. Which streams lost what cannot be known."""

    def __init__(self, feeds: FeedTable) -> None:
        self._feeds = feeds

    def damaged(self, header: JournalHeader, damage: Damage, now_us: int) -> None:
        """Add a row for a damaged part of a file. Nothing says when it was received, so the file's creation time counts."""
        state = self._feeds.state(header.identity.feed)
        if not header.writer_id:
            state.trail.pass_damaged(header.number)
        started_us = header.created_ns // 1_000 or state.links.newest_us or now_us
        self._add_row(header, f"{header.file_id}:{damage.offset}", min(started_us, now_us), now_us)

    def vanished(self, header: JournalHeader, first_missing: int) -> None:
        """Add a row for files before this one, from number `first_missing` on, that are gone without having been read."""
        until_us = header.created_ns // 1_000
        since_us = min(self._feeds.state(header.identity.feed).links.newest_us or until_us, until_us)
        self._add_row(header, f"{header.identity.feed}/{first_missing}", since_us, until_us)

    def _add_row(self, header: JournalHeader, expected_id: str, since_us: int, until_us: int) -> None:
        identity, plans = header.identity, self._feeds.plans
        is_known = header.writer_id and header.sources is None
        streams = plans.streams(identity) if is_known else plans.recorded(identity.feed)
        exchange = identity.exchange if identity.exchange != UNKNOWN or not streams else streams[0].key.exchange
        place = StreamKey(exchange, UNKNOWN, UNKNOWN)
        gap = event_gap(place, "damaged", "disk", since_us, until_us, expected_id=expected_id)
        self._feeds.add_gap(identity.feed, place, gap, until_us)
        for stream in streams:
            stream.dedup.suspect("disk")
            self._feeds.rows.touch(stream)
