"""The writer's state of a feed; committed with the rows."""

from typing import Final

import msgspec

from collector.domain.gap_stretches import GapStretch
from collector.domain.records import StreamKey
from collector.domain.silence import StreamActivity
from collector.processes.writer.gaps.connection_log import ConnectionLog
from collector.processes.writer.gaps.journal_numbers import JournalNumbers

LOOK_US: Final = 5_000_000
"""Received time between looks for silent streams, finished stretches and old holes."""


class ConnectionMemory(msgspec.Struct, array_like=True):
    """What is known of an open connection from its frames."""

    heard: bytes = b""
    """The state of its decoder, for an exchange whose frames can only be read with what earlier ones said."""
    ticket: int | None = None
    """The number of its newest frame, for an exchange that numbers them; None before the first."""
    ticket_us: int = 0
    """When that frame was received."""
    books_asked_us: int = 0
    """When fresh books were last requested because frames were lost."""
    owes_books: bool = False
    """Whether frames were lost since then."""


class FeedState(msgspec.Struct):
    """The state of one feed. The field names are part of the stored format.

    What concerns a single stream is stored with the stream, or in `unspoken` if it has no message yet.
    """

    links: ConnectionLog = msgspec.field(default_factory=ConnectionLog)
    stretches: dict[str, GapStretch] = {}
    refusing_since_us: int | None = None
    """Written by version 1 of this state only: when ingest began to refuse frames."""
    undecodable_us: int = 0
    """When the newest undecodable frame was received."""
    looked_us: int = 0
    """Received time of the last look for silent streams, finished stretches and old holes."""
    trail: JournalNumbers = msgspec.field(default_factory=JournalNumbers)
    unheard: dict[StreamKey, int] = {}
    """Written by version 1 only: streams without any message that have an open row, and since when."""
    unspoken: dict[StreamKey, StreamActivity] = {}
    """Every stream that the feed subscribes and that has had no message yet."""
    connections: dict[int, ConnectionMemory] = {}
    """By its number in the heads of records; 0 for all records that name none."""
    heard_us: int = 0
    """Of a feed on one of several hosts: the newest time read of any of them when this one was last read."""
    is_gone: bool = False
    """Of such a feed: whether nothing came of it for long while others went on. Then it carries nothing."""
    is_behind: bool = False
    """Of such a feed: whether others are so far ahead that it is read late."""
    first_line: int = -1
    """Of such a feed: the first of its lines; -1 before its first connection."""
    is_refusing: bool = False
    """Of such a feed: whether its ingest refuses frames."""
    ahead_us: int = 0
    """Of such a feed: how far its host's clock is ahead; its messages are stored with times that are as much too late."""
    met_us: int = 0
    """Of such a feed: the newest time read of any of the others when this one was first read: they may have brought what it
    brings of before."""
