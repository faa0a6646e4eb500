"""What each row of a book does to it, told from ids and nulls alone: the rules of `collector.read.books.book` without levels.

`fates` is plain Python over indexable columns, and numba compiles it as it stands.
"""

from typing import Any, Final, NamedTuple

IGNORED: Final = 0
"""The book contains the row already, or there is none to change."""
CHANGED: Final = 1
REPLACED: Final = 2
LOST: Final = 3
"""There is no book behind the row."""

NO_BOOK: Final = 0
WITHOUT_ID: Final = 1
WITH_ID: Final = 2
"""How a book is known: not at all, without an id, up to an id."""


class Rows(NamedTuple):
    """Columns of rows, in the order of ids."""

    snapshots: Any
    """Whether the row is a whole book."""
    unread: Any
    """Whether a number in it is null."""
    behind_gap: Any
    """Whether a gap lies between it and the row before it."""
    numbered: Any
    """Whether it has an id."""
    begins: Any
    """The first id that it covers."""
    ids: Any
    """Its last id."""


class Behind(NamedTuple):
    """What is found: what each row does, and how the book is known behind it. The last two begin with that before."""

    fates: Any
    known: Any
    ids: Any


def fates(rows: Rows, behind: Behind) -> None:
    """Fill in `behind`; its first `known` and `ids` are those before the first row."""
    snapshots, ids, numbered = rows.snapshots, rows.ids, rows.numbered
    state, last_id = behind.known[0], behind.ids[0]
    for row in range(len(snapshots)):
        fate = IGNORED
        if rows.behind_gap[row] and not snapshots[row]:
            state, fate = NO_BOOK, LOST
        if snapshots[row]:
            if not (state == WITH_ID and numbered[row] and ids[row] < last_id):
                fate = LOST if rows.unread[row] else REPLACED
        elif state == WITHOUT_ID or (state == WITH_ID and numbered[row] and ids[row] > last_id):
            is_broken = rows.unread[row] or (state == WITH_ID and rows.begins[row] > last_id + 1)
            fate = LOST if is_broken else CHANGED
        if fate == LOST:
            state = NO_BOOK
        elif fate != IGNORED:
            state, last_id = (WITH_ID, ids[row]) if numbered[row] else (WITHOUT_ID, 0)
        behind.fates[row], behind.known[row + 1], behind.ids[row + 1] = fate, state, last_id
