"""Counts and logs the frames of one connection: each is either sent or dropped."""

from collections.abc import Iterable

from collector.simulator.connection_settings import Tally
from collector.simulator.frames import Frame
from collector.simulator.outbox import Half, Item, Note
from collector.simulator.sent_log import SentLog


class FrameAccount:
    """Accounts for the frames of one connection."""

    def __init__(self, connection: int, tally: Tally, log: SentLog) -> None:
        """Add to `tally` and `log` for the connection of this number."""
        self._connection = connection
        self._tally = tally
        self._log = log

    def sent(self, frames: list[Frame]) -> None:
        """Count and log frames that the kernel has taken."""
        self._tally.sent.update([frame.stream for frame in frames])
        self._log.frames(self._connection, frames)

    def cut_off(self, frames: list[Frame], written_bytes: int) -> None:
        """The connection ended after this many bytes of the frames: those taken whole are sent, the others dropped."""
        whole = _whole(frames, written_bytes)
        self.sent(frames[:whole])
        self.discard(frames[whole:])

    def discard(self, items: Iterable[Item]) -> None:
        """Drop the frames among items that the connection can no longer send."""
        for item in items:
            frame = item.frame if isinstance(item, (Note, Half)) else item
            if isinstance(frame, Frame):
                self.drop(frame, "closed")

    def drop(self, frame: Frame, why: str) -> None:
        """Count and log a frame that is not sent; see SentLog.dropped."""
        self._tally.dropped += 1
        self._log.dropped(self._connection, frame, why)


def _whole(frames: list[Frame], written_bytes: int) -> int:
    for count, frame in enumerate(frames):
        written_bytes -= len(frame.wire)
        if written_bytes < 0:
            return count
    return len(frames)
