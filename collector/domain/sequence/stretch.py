"""What proves at once that all messages of a stretch are new: pure rules, in lists instead of message by message.

Each is true only if judging the messages one by one would find every one new and in its place; where one is false,
nothing is said, and they are judged one by one.
"""

from collections.abc import Sequence
from operator import le, lt
from typing import NamedTuple

from collector.domain.sequence.exchange_time import LEAP_US
from collector.domain.times import EARLIEST_US, LONGEST_AHEAD_US


class Stretch(NamedTuple):
    """Messages of one stream that one connection of one line delivered one after another, column by column."""

    ids: list[int]
    first_ids: list[int]
    """The first id that each covers."""
    exchange_us: list[int | None]
    received_us: list[int]
    """Never falls."""
    payloads: list[bytes]
    line: int
    connection: int


def continues(last: int, stretch: Stretch) -> bool:
    """Whether each message begins with the id after the previous one's; the first one with that after `last`."""
    ids, first_ids = stretch.ids, stretch.first_ids
    if first_ids is ids:
        return ids == list(range(last + 1, last + 1 + len(ids)))
    return first_ids == [last + 1, *[message_id + 1 for message_id in ids[:-1]]] and all(map(le, first_ids, ids))


def rises(last: int, ids: Sequence[int]) -> bool:
    """Whether the ids rise, from above `last`."""
    return ids[0] > last and all(map(lt, ids, ids[1:]))


def times_fit(stretch: Stretch, ahead_us: int) -> bool:
    """Whether all exchange times are plausible and within `LEAP_US` of what `ahead_us` says."""
    sent_us = [sent for sent in stretch.exchange_us if sent is not None]
    if len(sent_us) != len(stretch.exchange_us):
        return False
    earliest_us, latest_us = min(sent_us), max(sent_us)
    since_us, until_us = stretch.received_us[0], stretch.received_us[-1]
    is_sound = earliest_us >= EARLIEST_US and latest_us <= since_us + LONGEST_AHEAD_US
    return is_sound and earliest_us - until_us - ahead_us >= -LEAP_US and latest_us - since_us - ahead_us <= LEAP_US
