"""Gathers messages by key: in memory up to a limit, beyond it in the scratch file."""

from collections.abc import Iterator
from functools import partial
from typing import Generic, TypeVar

from collector.storage.segment.blocks import Messages
from collector.storage.staging.order import MESSAGE_BYTES, Run, run_of, sorted_messages
from collector.storage.staging.scratch import Scratch

_RUN_ROWS = 1_024
"""Messages in memory are runs of so many: a merge begins with the first of them, and not with all."""

_PIECE_BYTES = 800
"""Memory of the columns of a stream and series, besides what is in them."""

Key = TypeVar("Key")


class Gathered(Generic[Key]):
    """Messages by key. Raises OSError where the scratch file cannot be written."""

    def __init__(self, scratch: Scratch, limit_bytes: int) -> None:
        self._scratch = scratch
        self._limit_bytes = limit_bytes
        self._memory_bytes = 0
        self._pieces: dict[Key, list[Messages]] = {}
        self._runs: dict[Key, list[Run]] = {}
        self._has_ids: dict[Key, bool] = {}

    def keys(self) -> list[Key]:
        """Every key that has messages."""
        return list(self._has_ids)

    def add(self, key: Key, messages: Messages, *, has_ids: bool) -> None:
        """Add messages to those of a key. `has_ids`: they will be asked for by series and id, not in order of receipt."""
        pieces = self._pieces.get(key)
        if pieces is None:
            pieces = self._pieces[key] = []
            self._has_ids[key] = has_ids
        if pieces and pieces[-1].stream_id == messages.stream_id and pieces[-1].series == messages.series:
            pieces[-1].extend(messages)
        else:
            pieces.append(messages.part(0, len(messages)))
            self._memory_bytes += _PIECE_BYTES
        self._memory_bytes += sum(map(len, messages.payloads)) + MESSAGE_BYTES * len(messages)
        if self._memory_bytes > self._limit_bytes:
            self._spill()

    def take(self, key: Key) -> list[Run]:
        """The messages of a key, as runs. It is forgotten; the memory is free when its runs are."""
        has_ids = self._has_ids.pop(key, False)
        runs = self._runs.pop(key, [])
        for messages in self._pieces.pop(key, []):
            runs += self._in_memory(sorted_messages(messages, has_ids=has_ids), has_ids=has_ids)
        if not self._pieces:
            self._memory_bytes = 0
        return runs

    @staticmethod
    def _in_memory(messages: Messages, *, has_ids: bool) -> Iterator[Run]:
        for start in range(0, len(messages), _RUN_ROWS):
            part = messages.part(start, start + _RUN_ROWS)
            yield run_of(part, partial(_same, part), has_ids=has_ids)

    def _spill(self) -> None:
        for key, pieces in self._pieces.items():
            has_ids = self._has_ids[key]
            runs = self._runs.setdefault(key, [])
            for messages in pieces:
                for part, place in self._scratch.write(sorted_messages(messages, has_ids=has_ids)):
                    runs.append(run_of(part, partial(self._scratch.read, place), has_ids=has_ids))
        self._pieces.clear()
        self._memory_bytes = 0


def _same(messages: Messages) -> Messages:
    return messages
