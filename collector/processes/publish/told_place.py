"""Where storage is in a feed's journal, as it last told through the servers."""

from collections.abc import Callable

from collector.bus.bus import Bus
from collector.bus.names import PLACES, place_key
from collector.bus.places import EdgePlace, decode_place
from collector.bus.slices import SliceHead
from collector.domain.errors import DamagedError
from collector.logs.limited import RateLimited


class ToldPlace:
    """What was told of an earlier journal, which was lost, does not count."""

    def __init__(self, bus: Bus, head: SliceHead, now_us: Callable[[], int], log: RateLimited) -> None:
        """`head` names edge, feed and epoch."""
        self._bus = bus
        self._head = head
        self._now_us = now_us
        self._log = log
        self._revision = 0
        self.place = EdgePlace(head.epoch)
        """Nothing is there before storage has told anything else."""
        self.told_us: int | None = None
        """When it was last told, also if nothing had changed."""

    async def ask(self) -> bool:
        """Whether storage is elsewhere than before. Raises BusError."""
        head = self._head
        entry = await self._bus.get(PLACES, place_key(head.edge, head.feed))
        if entry is None or entry.revision == self._revision:
            return False
        try:
            place = decode_place(entry.value)
        except DamagedError as error:
            self._log.warning("place_unreadable", head.feed, reason=str(error))
            return False
        if place.epoch != head.epoch:
            place = EdgePlace(head.epoch)
        before, self.place = self.place, place
        self._revision, self.told_us = entry.revision, self._now_us()
        return (before.files, before.done_below) != (place.files, place.done_below)
