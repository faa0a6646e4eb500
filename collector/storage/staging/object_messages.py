"""Messages of one object, column by column."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from collector.storage.segment.blocks import Messages

CHUNK_ROWS: Final = 4_096
CHUNK_BYTES: Final = 1 << 20
"""Messages and bytes of payloads typed at a time: until it is in columns, a message takes many times its size in memory."""


class ObjectMessages(NamedTuple):
    """Messages in their object's order. Each column has one value a message; times in µs."""

    series: list[int]
    ids: list[int]
    rows: list[int]
    received_us: list[int]
    exchange_us: list[int | None]
    lines: list[int]
    payloads: list[bytes]

    @property
    def number(self) -> int:
        """Number of messages."""
        return len(self.payloads)

    def only(self, indexes: Sequence[int]) -> "ObjectMessages":
        """The messages at these indexes."""
        columns: list[Any] = [[column[index] for index in indexes] for column in self]
        return ObjectMessages(*columns)

    def without(self, indexes: Sequence[int]) -> "ObjectMessages":
        """The messages at all other indexes."""
        if not indexes:
            return self
        left_out = set(indexes)
        return self.only([index for index in range(self.number) if index not in left_out])

    def append(self, messages: Messages) -> None:
        """Add messages at the end."""
        self.series.extend([messages.series] * len(messages))
        self.ids.extend(messages.ids)
        self.rows.extend(messages.rows)
        self.received_us.extend(messages.received_us)
        self.exchange_us.extend(messages.exchange_us)
        self.lines.extend(messages.lines)
        self.payloads.extend(messages.payloads)


def of_rows(rows: Sequence[tuple[Any, ...]]) -> ObjectMessages:
    """Messages given as tuples of the fields."""
    columns: list[Any] = [list(column) for column in zip(*rows, strict=True)]
    return ObjectMessages(*(columns or [[] for _ in ObjectMessages._fields]))


class Chunks:
    """Puts messages together until there are enough to be typed."""

    def __init__(self) -> None:
        self._messages = of_rows([])
        self._payload_bytes = 0

    def add(self, messages: Messages) -> Iterator[tuple[ObjectMessages, int]]:
        """Add messages; what is enough comes out, with the bytes of its payloads."""
        for start in range(0, len(messages), CHUNK_ROWS):
            part = messages.part(start, start + CHUNK_ROWS)
            size = sum(map(len, part.payloads))
            if self._messages.number + len(part) > CHUNK_ROWS or self._payload_bytes + size > CHUNK_BYTES:
                yield from self.rest()
            self._messages.append(part)
            self._payload_bytes += size

    def rest(self) -> Iterator[tuple[ObjectMessages, int]]:
        """What is left, if there is anything."""
        if self._messages.number:
            yield self._messages, self._payload_bytes
            self._messages, self._payload_bytes = of_rows([]), 0
