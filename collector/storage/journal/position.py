"""How far a journal file was read; a segment stores it in the same transaction as the rows."""

from typing import NamedTuple


class Position(NamedTuple):
    """How far one journal file was read; `ended` once nothing more will be appended to it."""

    file_id: str
    feed: str
    number: int
    offset: int
    ended: bool
