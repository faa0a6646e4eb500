"""Ids that are known to exist though their messages have not come: that of a book's snapshot, and that of a witness.

Both say how far a stream has come. They are no message's own id, so they are never compared and never make a copy.
"""

from typing import Final

from collector.domain.sequence.exchange_time import note_time
from collector.domain.sequence.stream_holes import StreamHoles
from collector.domain.sequence.stream_progress import StreamProgress
from collector.domain.sequence.verdict import Verdict

SNAPSHOTS: Final = 64
"""Number of newest snapshots kept: more than connections open while the newest ids have to reach back."""


def reach(
    progress: StreamProgress, holes: StreamHoles, message_id: int, exchange_us: int | None, received_us: int
) -> Verdict:
    """Note that the stream has come up to this id, so that the next message follows it.

    The ids up to it that have not come are a hole like any other: another connection may still fill it.
    """
    last = progress.last_id
    verdict = Verdict.NEW
    if last is None:
        progress.known_from_id = message_id + 1
    elif message_id <= last:
        return Verdict.NEW
    else:
        holes.add(last + 1, message_id + 1, received_us)
        verdict = Verdict.AHEAD
    progress.last_id, progress.suspect = message_id, None
    note_time(progress, exchange_us, received_us)
    return verdict


def note_snapshot(progress: StreamProgress, message_id: int, digest: int) -> None:
    """Keep the id and digest of a snapshot, so that its stored row is not taken for the message with that id."""
    progress.snapshots = (*progress.snapshots, (message_id, digest))[-SNAPSHOTS:]


def has_snapshot(progress: StreamProgress, message_id: int) -> bool:
    """Whether one of the newest snapshots goes up to this id."""
    return any(known == message_id for known, _ in progress.snapshots)
