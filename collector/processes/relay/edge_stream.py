"""Reads one edge's stream of slices, anew from its beginning after every doubt: what is here already is only dropped."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from msgspec.structs import replace

from collector.backoff import delays
from collector.bus.bus import Bus, BusError, Stored
from collector.bus.slices import Joiner, SliceHead, decode_slice
from collector.domain.clock_steps import steps_ahead_ns
from collector.domain.errors import DamagedError
from collector.processes.relay.intake import Slice

WAITING_SLICES: Final = 32
"""So many slices of an edge wait in memory for their turn."""

BASE_SECS: Final = 0.2
CAP_SECS: Final = 5.0


class Arrived(NamedTuple):
    """A message in its turn."""

    sequence: int
    found: Slice | None
    """None of a message that brings no slice, as any part but the last of a long one."""
    problem: str = ""
    """Why nothing can be made of it."""


class EdgeStream:
    """`run` reads until it is cancelled; `first` and `take` are for whoever appends."""

    def __init__(
        self, bus: Bus, edge: str, feed: str, arrived: Callable[[], None], random: Callable[[], float]
    ) -> None:
        """`arrived` is called when something waits, and `random` gives numbers in [0, 1)."""
        self.edge = edge
        self._feed = feed
        self._bus = bus
        self._arrived = arrived
        self._random = random
        self._waiting: deque[Arrived] = deque()
        self._room = asyncio.Event()
        self._anew = False
        self.is_quiet = False
        """Whether the stream had nothing more when it was last asked."""
        self.handled = 0
        """The sequence up to which everything was judged since reading last began."""
        self.last_error: str | None = None

    async def run(self) -> None:
        """Read, and begin anew after any error."""
        pauses = delays(BASE_SECS, CAP_SECS, self._random)
        while True:
            self._waiting.clear()
            self.handled, self._anew, joiner = 0, False, Joiner()
            try:
                async for messages in self._bus.read(self.edge, self._feed):
                    self.last_error = None
                    self.is_quiet = not messages
                    for message in messages:
                        await self._has_room()
                        self._add(message, joiner)
                        pauses = delays(BASE_SECS, CAP_SECS, self._random)
                    if self._anew:
                        break
            except BusError as error:
                self.last_error = str(error)
            self.is_quiet = True
            await asyncio.sleep(next(pauses))

    def begin_anew(self) -> None:
        """Read again from the beginning: something is missing, and nothing comes."""
        self._anew = True

    def first(self) -> Arrived | None:
        """What waits first, if anything does."""
        return self._waiting[0] if self._waiting else None

    def take(self) -> None:
        """Drop what waits first, which was judged."""
        self.handled = self._waiting.popleft().sequence
        self._room.set()

    @property
    def waiting(self) -> int:
        """How many messages wait."""
        return len(self._waiting)

    async def _has_room(self) -> None:
        while len(self._waiting) >= WAITING_SLICES:
            self._room.clear()
            await self._room.wait()

    def _add(self, message: Stored, joiner: Joiner) -> None:
        try:
            whole = joiner.take(*self._decoded(message))
        except DamagedError as error:
            self._waiting.append(Arrived(message.sequence, None, str(error)))
        else:
            found = None if whole is None else by_servers_clock(*whole, message.at_ns)
            self._waiting.append(Arrived(message.sequence, found))
        self._arrived()

    def _decoded(self, message: Stored) -> tuple[SliceHead, bytes]:
        head, body = decode_slice(message.data)
        if (head.edge, head.feed) != (self.edge, self._feed):
            raise DamagedError(f"a slice of {head.feed} on {head.edge} in another stream")
        return head, body


def newest_ns(arrived: Arrived) -> int:
    """The time that a message's turn goes by; 0 of one that is not to wait for others."""
    head: SliceHead | None = None if arrived.found is None else arrived.found.head
    return 0 if head is None else head.newest_ns


def by_servers_clock(head: SliceHead, body: bytes, stored_ns: int) -> Slice:
    """A slice with the time of its newest record as the servers would have told it, which stored it then."""
    ahead_ns = steps_ahead_ns(head.sent_ns - stored_ns) if head.sent_ns else 0
    if ahead_ns and head.newest_ns:
        head = replace(head, newest_ns=head.newest_ns - ahead_ns)
    return Slice(head, body, ahead_ns)
