"""The state of one stream that is stored with every commit: its newest id, holes, silence and counts."""

import msgspec

from collector.domain.counts import StreamCounts
from collector.domain.gap_stretches import RowAllowance
from collector.domain.sequence.book_unknown import BookUnknown
from collector.domain.sequence.echoes import Echoes
from collector.domain.sequence.hole import Hole
from collector.domain.sequence.line_places import LinePlaces
from collector.domain.silence import StreamActivity


class StreamProgress(msgspec.Struct, array_like=True):
    """The stored state of one stream except its recent ids; committed with the rows."""

    series: int = 0
    last_id: int | None = None
    last_exchange_us: int | None = None
    """When the newest message was sent; an estimate if its own time could not be trusted."""
    last_received_us: int = 0
    known_from_id: int = 0
    """Whether dense ids below this one have come is unknown."""
    holes: list[Hole] = []
    suspect: str | None = None
    """The cause of a hole before the next message, if something happened since the last one that would explain it."""
    allowance: RowAllowance = msgspec.field(default_factory=RowAllowance)
    """Decides which holes get a row of their own."""
    newest: dict[int, int | None] = {}
    """For rising ids: the last one on each line; None while two connections share the line."""
    activity: StreamActivity = msgspec.field(default_factory=StreamActivity)
    restarted_us: int = 0
    """When the series began; 0 for the first series."""
    conflicts: tuple[tuple[int, int], ...] = ()
    """Ids and digests of the newest messages that came with other content under a known id."""
    connection: int = 0
    """The connection that delivered the newest message; 0 before the first."""
    joined_us: int = 0
    """When a connection last opened, or a message came over a connection other than the previous message's."""
    echoes: Echoes = {}
    """For messages without ids: what each connection is still expected to repeat of what others delivered."""
    counts: StreamCounts = StreamCounts()
    ahead_us: int = 0
    """How far the exchange's times are ahead of the receive times, give or take `LEAP_US`."""
    doubted_us: int | None = None
    """The same for the last time that leapt; another message that leaps as far confirms it."""
    snapshots: tuple[tuple[int, int], ...] = ()
    """Ids and digests of the newest snapshots, which are stored under ids that are not their own."""
    content: int = 0
    """Digest of an instrument's newest text; 0 before the first."""
    lines: LinePlaces = msgspec.field(default_factory=LinePlaces)
    """Where each line stands, once several have stood at once."""
    books: tuple[tuple[int, int], ...] = ()
    """When the newest whole books of the series were received, and up to which id they go; 0 where they have none."""
    book_unknown: BookUnknown | None = None
    """Set while updates have no book to apply them to."""
    is_shared: bool = False
    """Whether several sources subscribe it, so that one may lag behind another at any time."""


decode_progress = msgspec.msgpack.Decoder(StreamProgress).decode
"""Raises ValueError or TypeError for what is no stored state."""


def next_series(ended: StreamProgress, first: int, last: int, sent_us: int | None, received_us: int) -> StreamProgress:
    """The progress of a series that begins now, with a message that covers the ids `first` to `last`."""
    return StreamProgress(
        ended.series + 1, last, sent_us, received_us, first, allowance=ended.allowance, activity=ended.activity,
        restarted_us=received_us, connection=ended.connection, joined_us=ended.joined_us, ahead_us=ended.ahead_us,
        snapshots=ended.snapshots, lines=ended.lines.restarted(), book_unknown=ended.book_unknown,
        is_shared=ended.is_shared,
    )  # fmt: skip
