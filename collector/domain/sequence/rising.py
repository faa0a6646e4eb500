"""Ids that only rise are compared line by line, because one line may lag behind the other."""

from collections.abc import Sequence

from collector.domain.sequence.stretch import rises

Newest = dict[int, int | None]
"""The newest id of each line; None while two connections share the line."""


def begin_rising_line(newest: Newest, line: int, *, alone: bool) -> bool:
    """Note that a connection of the line has opened or ended; `alone` means that at most one is open now.

    Returns whether anything is other than before.
    """
    if alone:
        return newest.pop(line, 0) != 0
    newest[line] = None
    return True


def stepped_back_from(newest: Newest, line: int, message_id: int) -> int | None:
    """Note an id of the line; returns the one before it, if it is not above that."""
    last = newest.get(line, -1)
    if last is None:
        return None
    newest[line] = message_id
    return None if message_id > last else last


def note_rising(newest: Newest, line: int, ids: Sequence[int]) -> bool:
    """As `stepped_back_from` for each of these; if they do not all rise on the line, nothing changes. Returns whether they do."""
    last = newest.get(line, -1)
    if last is None or not rises(last, ids):
        return False
    newest[line] = ids[-1]
    return True
