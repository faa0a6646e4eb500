"""Which object a message belongs to. `collector.domain.names.object_key` gives the key of such an object."""

from collections.abc import Iterator

from collector.domain.names import DAY_US, ObjectPartition, date_of
from collector.domain.records import BACKFILLED_LINE, StreamKey
from collector.domain.times import sound_us
from collector.storage.segment.blocks import Messages


def partition_of(stream: StreamKey, day: int) -> ObjectPartition:
    """The object for the rows of a stream on a day, counted from the epoch."""
    return ObjectPartition(stream.exchange, stream.data_type, stream.symbol, date_of(day))


def by_day(messages: Messages) -> Iterator[tuple[int, Messages]]:
    """Messages parted by day, counted from the epoch, each day's in the order given.

    A message's day is that of its receipt; for a backfilled message, that of the exchange's time if that can be true.
    """
    first, last = min(messages.received_us) // DAY_US, max(messages.received_us) // DAY_US
    if first == last and BACKFILLED_LINE not in messages.lines:
        yield first, messages
        return
    indexes: dict[int, list[int]] = {}
    for index, times in enumerate(zip(messages.received_us, messages.exchange_us, messages.lines, strict=True)):
        indexes.setdefault(_day(*times), []).append(index)
    for day, found in indexes.items():
        yield day, messages.only(found)


def _day(received_us: int, exchange_us: int | None, line: int) -> int:
    time_us = received_us if line != BACKFILLED_LINE else sound_us(exchange_us, received_us) or received_us
    return time_us // DAY_US
