"""The messages of a sealed segment, stream by stream, each stream's in order."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Final

from collector.domain.errors import DamagedError
from collector.storage.segment.blocks import SHARED_TEXT_BYTES, Messages
from collector.storage.segment.sealed_blocks import OwnBlock, SealedBlocks
from collector.storage.segment.sealed_segment import SealedSegment
from collector.storage.staging.gathered import Gathered
from collector.storage.staging.order import MESSAGE_BYTES, Run, in_order
from collector.storage.staging.scratch import Scratch

Tick = Callable[[], None]
"""Progress callback for long work."""

GROUP_BYTES: Final = 32 << 20
"""Streams that share blocks are read together, as far as their messages take so much memory by estimate."""

SHARED_BYTES: Final = 40 << 20
"""What they take at most; beyond it, because they are longer than others in their blocks, messages go to the scratch file."""


def by_stream(
    segment: SealedSegment, blocks: SealedBlocks, scratch: Scratch, tick: Tick
) -> Iterator[tuple[int, Iterator[Messages]]]:
    """Each stream that has messages, by id, and its messages, to be used up before the next stream is asked for.

    Raises DamagedError for a segment that contradicts itself, OSError for a full or failing disk.
    """
    shared = _Shared(segment, blocks, scratch, tick)
    own = groupby(blocks.own(), key=attrgetter("stream_id"))
    with_own = blocks.streams_with_own()
    for stream_id in sorted(with_own.union(shared.streams)):
        if stream_id not in segment.streams:
            raise DamagedError(
                f"segment {segment.meta.segment_id} has messages of stream {stream_id}, but no such stream"
            )
        has_ids = segment.streams[stream_id].has_ids
        _, found = next(own) if stream_id in with_own else (stream_id, iter(()))
        runs = (_run_of(blocks, block, tick, has_ids=has_ids) for block in found)
        yield stream_id, map(blocks.used, in_order(runs, shared.take(stream_id), scratch, has_ids=has_ids))
    blocks.require_whole()


class _Shared:
    """The messages in blocks that streams share.

    Such blocks hold streams of neighbouring ids. So they are read for a group of streams at a time, of consecutive ids:
    reading them for each stream alone would read each dozens of times.
    """

    def __init__(self, segment: SealedSegment, blocks: SealedBlocks, scratch: Scratch, tick: Tick) -> None:
        self._segment = segment
        self._blocks = blocks
        self._tick = tick
        self._index = blocks.shared()
        self._gathered = Gathered[int](scratch, SHARED_BYTES)
        self._left = sorted(self._index.rows, reverse=True)
        """Streams of later groups, the next one last."""
        text_bytes = SHARED_TEXT_BYTES * len(self._index) // max(1, sum(self._index.rows.values()))
        self._row_bytes = text_bytes + MESSAGE_BYTES

    @property
    def streams(self) -> list[int]:
        """The streams that have such messages."""
        return list(self._index.rows)

    def take(self, stream_id: int) -> list[Run]:
        """A stream's messages, as runs. Streams are to be asked for by rising id."""
        if self._left and self._left[-1] == stream_id:
            self._read(self._next_group())
        return self._gathered.take(stream_id)

    def _next_group(self) -> set[int]:
        group = {self._left.pop()}
        size = self._row_bytes * sum(map(self._index.rows.__getitem__, group))
        while self._left and size < GROUP_BYTES:
            size += self._row_bytes * self._index.rows[self._left[-1]]
            group.add(self._left.pop())
        return group

    def _read(self, group: set[int]) -> None:
        found = dict.fromkeys(group, 0)
        for block in self._index.holding(min(group), max(group)):
            for messages in self._blocks.read_shared(block, group):
                stream_id = messages.stream_id
                found[stream_id] += len(messages)
                self._gathered.add(stream_id, messages, has_ids=self._has_ids(stream_id))
            self._tick()
        if any(self._index.rows[stream_id] != count for stream_id, count in found.items()):
            raise DamagedError(f"shared blocks of {self._segment.meta.segment_id} do not hold what the table says")

    def _has_ids(self, stream_id: int) -> bool:
        stream = self._segment.streams.get(stream_id)
        return stream is not None and stream.has_ids


def _run_of(blocks: SealedBlocks, block: OwnBlock, tick: Tick, *, has_ids: bool) -> Run:
    first = (block.series, block.id_min) if has_ids else (block.first_row,)
    return Run(first, partial(_load, blocks, block, tick))


def _load(blocks: SealedBlocks, block: OwnBlock, tick: Tick) -> Messages:
    tick()
    return blocks.read_own(block)
