"""Puts the messages of an object in order: by series and id where their stream has ids, else as they were received.

They come in *runs*. A run is loaded when its first message is next. Where runs do not overlap
they are passed on as they are; where they do, what has been loaded is merged. If it becomes too much for memory, it goes
to the scratch file as runs that do not overlap one another, and these are merged with the runs that are still to come.
"""

import heapq
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby, repeat
from typing import Any, Final, NamedTuple

from collector.storage.segment.blocks import Messages
from collector.storage.staging.scratch import Scratch

MESSAGE_BYTES: Final = 250
"""Memory of a message besides its text, while it is in columns."""

MERGE_BYTES: Final = 24 << 20
"""Memory for messages that are being merged."""

_TUPLE_BYTES: Final = 400
"""Memory of a message besides its text, while it is being merged."""

Position = tuple[int, ...]
"""Series, id and row of a message where its stream has ids, else the row; a part of them is before all that begin with it."""


class Run(NamedTuple):
    """Messages of one stream and series."""

    first: Position
    """The least position among them, or the beginning of it."""
    load: Callable[[], Messages]


def sorted_messages(messages: Messages, *, has_ids: bool) -> Messages:
    """Messages of one stream and series in order."""
    rows_ascend = sorted(messages.rows) == messages.rows
    if rows_ascend and (not has_ids or sorted(messages.ids) == messages.ids):
        return messages
    keys = list(zip(messages.ids, messages.rows, strict=True)) if has_ids else messages.rows
    return messages.only(sorted(range(len(messages)), key=keys.__getitem__))


def run_of(messages: Messages, load: Callable[[], Messages], *, has_ids: bool) -> Run:
    """The run of messages that are in order and can be loaded again."""
    return Run(_position(messages, 0, has_ids=has_ids), load)


def in_order(ascending: Iterable[Run], others: Iterable[Run], scratch: Scratch, *, has_ids: bool) -> Iterator[Messages]:
    """The messages of all runs in order, each result of one stream and series. `ascending` is sorted by `first`.

    Raises what loading raises, and OSError.
    """
    runs = _Runs(ascending, others)
    merge = _Merge(scratch, has_ids=has_ids)
    while (run := runs.pop()) is not None:
        messages, following = sorted_messages(run.load(), has_ids=has_ids), runs.first
        if not merge.waits and (following is None or _position(messages, -1, has_ids=has_ids) < following):
            yield messages
            continue
        merge.add(messages)
        yield from merge.before(following)
        if merge.memory_bytes > MERGE_BYTES and following is not None:
            runs.push(merge.spilled())


class _Runs:
    """Runs by their first messages."""

    def __init__(self, ascending: Iterable[Run], others: Iterable[Run]) -> None:
        self._heap: list[tuple[Position, int, Run]] = []
        self._pushed = 0
        self._ascending = iter(ascending)
        self._next = next(self._ascending, None)
        self.push(others)

    @property
    def first(self) -> Position | None:
        """Where the next run begins."""
        firsts = [self._heap[0][0]] if self._heap else []
        if self._next is not None:
            firsts.append(self._next.first)
        return min(firsts, default=None)

    def push(self, runs: Iterable[Run]) -> None:
        for run in runs:
            self._pushed += 1
            heapq.heappush(self._heap, (run.first, self._pushed, run))

    def pop(self) -> Run | None:
        run = self._next
        if self._heap and (run is None or self._heap[0][0] <= run.first):
            return heapq.heappop(self._heap)[2]
        self._next = next(self._ascending, None)
        return run


class _Merge:
    """Messages of runs that overlap, as tuples that sort as their positions do."""

    def __init__(self, scratch: Scratch, *, has_ids: bool) -> None:
        self._scratch = scratch
        self._has_ids = has_ids
        self._sorted: list[tuple[Any, ...]] = []
        self._fresh: list[tuple[Any, ...]] = []
        self.memory_bytes = 0

    @property
    def waits(self) -> bool:
        return bool(self._sorted or self._fresh)

    def add(self, messages: Messages) -> None:
        self._fresh += _tuples(messages, has_ids=self._has_ids)
        self.memory_bytes += sum(map(len, messages.payloads)) + _TUPLE_BYTES * len(messages)

    def before(self, end: Position | None) -> Iterator[Messages]:
        """What comes before `end`, where that is worth the sorting: what waits is sorted again when it has doubled."""
        if end is not None and len(self._fresh) < len(self._sorted):
            return
        self._sort()
        index = len(self._sorted) if end is None else bisect_left(self._sorted, end)
        ready = self._sorted[:index]
        del self._sorted[:index]
        for messages in _messages(ready, has_ids=self._has_ids):
            self.memory_bytes -= sum(map(len, messages.payloads)) + _TUPLE_BYTES * len(messages)
            yield messages

    def spilled(self) -> Iterator[Run]:
        """Everything that waits, as runs in the scratch file."""
        self._sort()
        waiting, self._sorted, self.memory_bytes = self._sorted, [], 0
        for messages in _messages(waiting, has_ids=self._has_ids):
            for part, place in self._scratch.write(messages):
                yield run_of(part, partial(self._scratch.read, place), has_ids=self._has_ids)

    def _sort(self) -> None:
        self._sorted += self._fresh
        self._fresh = []
        self._sorted.sort()


def _position(messages: Messages, index: int, *, has_ids: bool) -> Position:
    row = messages.rows[index]
    return (messages.series, messages.ids[index], row) if has_ids else (row,)


def _tuples(messages: Messages, *, has_ids: bool) -> Iterator[tuple[Any, ...]]:
    series, stream_id = repeat(messages.series), repeat(messages.stream_id)
    first = (series, messages.ids, messages.rows) if has_ids else (messages.rows, series, messages.ids)
    # No two have the same position, so nothing behind it is ever compared.
    return zip(
        *first, stream_id, messages.received_us, messages.exchange_us, messages.lines, messages.payloads, strict=False
    )


def _messages(tuples: list[tuple[Any, ...]], *, has_ids: bool) -> Iterator[Messages]:
    series_at = 0 if has_ids else 1
    for (series, stream_id), group in groupby(tuples, key=lambda message: (message[series_at], message[3])):
        columns = list(map(list, zip(*group, strict=True)))
        ids, rows = columns[1:3] if has_ids else (columns[2], columns[0])
        yield Messages(stream_id, series, rows, ids, *columns[4:])
