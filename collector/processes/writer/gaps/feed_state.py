"""What the writer remembers of a feed; it commits with the rows."""

import msgspec

from collector.domain.gap_stretches import GapStretch
from collector.domain.records import StreamKey
from collector.domain.silence import StreamActivity
from collector.processes.writer.gaps.connection_log import ConnectionLog
from collector.processes.writer.gaps.journal_numbers import JournalNumbers


class FeedState(msgspec.Struct):
    """One feed's. Trouble of a stream stands with the stream, or in `unspoken`."""

    links: ConnectionLog = msgspec.field(default_factory=ConnectionLog)
    stretches: dict[str, GapStretch] = {}
    refusing_since_us: int | None = None
    """Only version 1 of this state wrote it."""
    undecodable_us: int = 0
    """When the newest frame came that could not be read."""
    looked_us: int = 0
    trail: JournalNumbers = msgspec.field(default_factory=JournalNumbers)
    unheard: dict[StreamKey, int] = {}
    """Only version 1 wrote it: streams that never spoke and have a row that says so, since when."""
    unspoken: dict[StreamKey, StreamActivity] = {}
    """Every stream that the feed subscribes and that has never spoken."""
