"""A table of ids in the order in which they came, each with a value: 16 bytes an id where a dict takes a hundred.

There are thousands of streams with hundreds of ids each. Ids nearly always rise, and are then found by bisection; a
table into which an id comes out of order gets an index.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from operator import lt


class IdTable:
    """Ids below 2**63 in size, and values from 0 to below 2**64."""

    __slots__ = ("_index", "_values", "ids")

    def __init__(self, items: Iterable[tuple[int, int]] = ()) -> None:
        """No id may come twice in `items`."""
        pairs = list(items)
        self.ids = array("q", [message_id for message_id, _ in pairs])
        """In order of arrival; only to be read."""
        self._values = array("Q", [value for _, value in pairs])
        self._index: dict[int, int] | None = None
        """The place of each id; None while they rise."""
        if not _rise(self.ids):
            self._index = {message_id: place for place, message_id in enumerate(self.ids)}

    def __len__(self) -> int:
        """Number of ids."""
        return len(self.ids)

    def __contains__(self, message_id: int) -> bool:
        """Whether the table has the id."""
        return self._place(message_id) is not None

    def __setitem__(self, message_id: int, value: int) -> None:
        """Add an id at the end, or change the value of one that is there."""
        ids = self.ids
        if self._index is not None or (ids and message_id <= ids[-1]):
            place = self._place(message_id)
            if place is not None:
                self._values[place] = value
                return
            if self._index is None:
                self._index = {known: place for place, known in enumerate(ids)}
            self._index[message_id] = len(ids)
        ids.append(message_id)
        self._values.append(value)

    def get(self, message_id: int) -> int | None:
        """The id's value; None if the table does not have it."""
        place = self._place(message_id)
        return None if place is None else self._values[place]

    def extend(self, ids: Sequence[int], values: Iterable[int]) -> None:
        """Add ids that are not in the table; none may come twice."""
        first = len(self.ids)
        rises = _rise(ids) and (not first or not ids or self.ids[-1] < ids[0])
        self.ids.extend(ids)
        self._values.extend(values)
        if self._index is not None:
            self._index.update(zip(ids, range(first, len(self.ids)), strict=True))
        elif not rises:
            self._index = {known: place for place, known in enumerate(self.ids)}

    def isdisjoint(self, ids: Sequence[int]) -> bool:
        """Whether the table has none of these ids."""
        if self._index is not None:
            return self._index.keys().isdisjoint(ids)
        return not self.ids or not ids or min(ids) > self.ids[-1] or not any(known in self for known in ids)

    def count_from(self, first_id: int) -> int:
        """How many ids are not below `first_id`."""
        if self._index is not None:
            return sum(map(first_id.__le__, self.ids))
        return len(self.ids) - bisect_left(self.ids, first_id)

    def items(self) -> Iterator[tuple[int, int]]:
        """Ids and values, in order of arrival."""
        return zip(self.ids, self._values, strict=True)

    def first_value(self) -> int | None:
        """The value of the id that came first; None if there is none."""
        return self._values[0] if self._values else None

    def _place(self, message_id: int) -> int | None:
        if self._index is not None:
            return self._index.get(message_id)
        ids = self.ids
        place = bisect_left(ids, message_id)
        return place if place < len(ids) and ids[place] == message_id else None


def _rise(ids: Sequence[int]) -> bool:
    return all(map(lt, ids, ids[1:]))
