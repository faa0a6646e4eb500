"""Messages that came with other content under a known id: each is stored once, however many connections bring it."""

from typing import Final

from collector.domain.sequence.exchange_time import has_moved_on, older_sent_us
from collector.domain.sequence.recent_ids import Recent
from collector.domain.sequence.stream_progress import StreamProgress

CONFLICTS: Final = 64
"""Number of newest conflicts kept, so that a message whose id has other content is stored once, not once per line."""


def is_conflict(
    progress: StreamProgress, message_id: int, exchange_us: int | None, received_us: int, digest: int
) -> bool:
    """Whether this is other content under a known id of the same series. If time has moved on, the series is new."""
    if has_moved_on(progress, older_sent_us(progress, exchange_us, received_us)):
        return False
    progress.conflicts = (*progress.conflicts, (message_id, digest))[-CONFLICTS:]
    return True


def forget_conflicts(progress: StreamProgress, recent: Recent) -> None:
    """Forget the conflicts whose id is not a recent one any more: messages with that id are not compared."""
    progress.conflicts = tuple(one for one in progress.conflicts if recent.get(one[0]) is not None)
