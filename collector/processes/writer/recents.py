"""Stores the newest ids of slow streams now and then, so that a start need not look for them far back in the segment."""

from collections.abc import Iterable
from typing import Final

import msgspec

from collector.domain.records import IdRule
from collector.processes.writer.streams import StreamState

INTERVAL_ROWS: Final = 1_000_000
"""Rows between two looks. A start reads back at most twice as many to count a stream's newest messages."""

_encode = msgspec.msgpack.Encoder().encode


class SlowStreams:
    """Which streams had too few messages since the last look to be restored from those alone."""

    def __init__(self, streams: Iterable[StreamState], last_row: int) -> None:
        """`last_row` is the number of the newest message in the open segment."""
        self._looked_at_row = last_row
        self._messages = {stream.stream_id: stream.messages for stream in streams}
        """How many messages each stream had at the last look."""

    def due(self, last_row: int) -> bool:
        """Whether it is time to look, after so many rows of the open segment."""
        if last_row < self._looked_at_row:  # another segment has begun, and holds the newest ids of all streams
            self._looked_at_row = 0
        return last_row >= self._looked_at_row + INTERVAL_ROWS

    def recents(self, streams: Iterable[StreamState], last_row: int) -> dict[int, bytes]:
        """The newest ids of the slow streams that had any message in the open segment since the last look."""
        found = {}
        for stream in streams:
            new = stream.messages - self._messages.get(stream.stream_id, 0)
            self._messages[stream.stream_id] = stream.messages
            has_news = (stream.last_row or 0) > self._looked_at_row
            if has_news and stream.rule is not IdRule.NONE and new < stream.dedup.min_kept:
                found[stream.stream_id] = _encode(stream.dedup.recent)
        self._looked_at_row = last_row
        return found
