"""Messages of one object, column by column."""

from collections.abc import Sequence
from typing import Any, NamedTuple


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


def of_rows(rows: Sequence[tuple[Any, ...]]) -> ObjectMessages:
    """Messages given as tuples of the fields."""
    columns: list[Any] = [list(column) for column in zip(*rows, strict=True)]
    return ObjectMessages(*(columns or [[] for _ in ObjectMessages._fields]))
