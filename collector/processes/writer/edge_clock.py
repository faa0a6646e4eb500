"""Takes what edges received by the clock of NATS and of the storage host, so that a clock that is wrong confuses nobody. Pure.

What is stored keeps the time that the edge wrote.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from collector.domain.clock_steps import steps_ahead_ns
from collector.processes.writer.gaps.feed_state import FeedState
from collector.storage.journal.format import Record, RecordKind, event_of
from collector.storage.journal.journal_file import Chunk
from collector.storage.journal.relayed import LINES_OF_SLOT, feed_of_source
from collector.storage.segment.blocks import Messages

TOLD_TIMES: Final = ("alive_ns", "started_ns")
"""What records of connections and of refused frames tell of other times."""


class EdgeClocks:
    """What clocks of edges were last found to be ahead, to read again what was stored with their times."""

    def __init__(self, states: Iterable[FeedState], names: Iterable[str]) -> None:
        """`names` of feeds and sources, and their states."""
        self._ahead_us: dict[str, dict[int, int]] = {}
        for name, state in zip(names, states, strict=True):
            if state.ahead_us and state.first_line >= 0:
                self._ahead_us.setdefault(feed_of_source(name), {})[state.first_line // LINES_OF_SLOT] = state.ahead_us

    def received_us(self, feed: str, messages: Messages) -> list[int]:
        """When stored messages of a feed were received, by the clock of the storage host."""
        ahead_us = self._ahead_us.get(feed)
        if ahead_us is None:
            return messages.received_us
        lines = zip(messages.received_us, messages.lines, strict=True)
        return [at_us - ahead_us.get(line // LINES_OF_SLOT, 0) for at_us, line in lines]

    def most_behind_us(self, feed: str) -> int:
        """How far the feed's slowest clock is behind."""
        return -min(0, *self._ahead_us.get(feed, {0: 0}).values())


def by_storage_clock(chunk: Chunk) -> Chunk:
    """A chunk with all times of its edge as a right clock would have told them; `ahead_us` is by how much they differ.

    Nothing was received after it was appended here, whatever its edge says.
    """
    if chunk.source is None:
        return chunk
    newest_ns = max((record.received_ns for record in chunk.records), default=0)
    ahead_ns = max(chunk.source.ahead_ns, steps_ahead_ns(newest_ns - chunk.appended_ns)) if newest_ns else 0
    if not ahead_ns:
        return chunk
    header = chunk.header._replace(created_ns=chunk.header.created_ns - ahead_ns)
    records = [_earlier(record, ahead_ns) for record in chunk.records]
    return chunk._replace(header=header, records=records, ahead_us=ahead_ns // 1_000)


def _earlier(record: Record, by_ns: int) -> Record:
    moved = record._replace(received_ns=record.received_ns - by_ns)
    if record.kind is RecordKind.FRAMES:
        return moved
    told = {name: at - by_ns if name in TOLD_TIMES else at for name, at in event_of(record).items()}
    return moved._replace(payload=msgspec.json.encode(told))
