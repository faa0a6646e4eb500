"""What is stored of one stream with every commit: how far it has come, its holes, its silence and its counts."""

import msgspec

from collector.domain.counts import StreamCounts
from collector.domain.gap_stretches import RowAllowance
from collector.domain.sequence.echoes import Echoes
from collector.domain.sequence.hole import Hole
from collector.domain.silence import StreamActivity


class StreamProgress(msgspec.Struct, array_like=True):
    """The stored state of one stream but for its recent ids; it commits with the rows."""

    series: int = 0
    last_id: int | None = None
    last_exchange_us: int | None = None
    """When the newest message was sent, or must have been where its own time could not be believed."""
    last_received_us: int = 0
    known_from_id: int = 0
    """Nothing is known of dense ids below this: they may have come or not."""
    holes: list[Hole] = []
    suspect: str | None = None
    """What has happened since the last message that would explain a hole before the next one."""
    allowance: RowAllowance = msgspec.field(default_factory=RowAllowance)
    """Decides which holes get a row of their own."""
    newest: dict[int, int | None] = {}
    """Of rising ids, the last one on each line; None while two connections share the line."""
    activity: StreamActivity = msgspec.field(default_factory=StreamActivity)
    restarted_us: int = 0
    """When the series began, if there was one before it."""
    conflicts: tuple[tuple[int, int], ...] = ()
    """Ids and digests of the newest messages whose id was taken by other content."""
    connection: int = 0
    """The connection that brought the newest message; 0 before the first."""
    joined_us: int = 0
    """When a connection last opened, or a message came by another connection than the message before it."""
    echoes: Echoes = {}
    """For messages without ids: what each connection is still expected to repeat of what others brought."""
    counts: StreamCounts = StreamCounts()
    ahead_us: int = 0
    """How far the exchange's times are ahead of their receipt, give or take `LEAP_US`."""
    doubted_us: int | None = None
    """The same for the last time that leapt; another one that leaps as far confirms it."""
