"""How far a journal file was read: what a segment stores beside the rows that came of it."""

from typing import NamedTuple


class Position(NamedTuple):
    """How far one journal file was read; `ended` once there is nothing more in it to come."""

    file_id: str
    feed: str
    number: int
    offset: int
    ended: bool
