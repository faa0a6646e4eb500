"""Tells each edge how far its journal is here: durable first, then told, and only then removed from its stream."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from collector.bus import names
from collector.bus.bus import Bus, BusError, MissingError
from collector.bus.places import EdgePlace, encode_place
from collector.storage.journal.writer import JournalWriter

AGAIN_SECS: Final = 10.0
"""A place is told again after so long, though it is the same: the servers may have lost it."""


class Reached(NamedTuple):
    """How far an edge's journal is in the file being written, and its stream up to which message."""

    edge: str
    place: EdgePlace
    sequence: int


class _Told(NamedTuple):
    place: EdgePlace
    at: float


class Places:
    """`step` as often as places are to be told."""

    def __init__(
        self,
        bus: Bus,
        feed: str,
        journal: JournalWriter,
        reached: Callable[[], list[Reached]],
        monotonic: Callable[[], float],
        may_tell: Callable[[], Awaitable[bool]],
    ) -> None:
        """`may_tell` says whether it is for this relay to tell the edges; it may raise BusError."""
        self._bus = bus
        self._feed = feed
        self._journal = journal
        self._reached = reached
        self._monotonic = monotonic
        self._may_tell = may_tell
        self._told: dict[str, _Told] = {}
        self._purged: dict[str, int] = {}
        self.last_error: str | None = None

    async def step(self) -> None:
        """Make durable what was appended, tell the edges, and remove it from their streams. Raises OSError of a failed sync."""
        reached = self._reached()
        # Not `to_thread`: a wait for the disk there is none of the process.
        await asyncio.get_running_loop().run_in_executor(None, self._journal.sync)
        self.last_error = None
        try:
            if not await self._may_tell():
                return
        except BusError as error:
            self.last_error = str(error)
            return
        for one in reached:
            try:
                await self._tell(one)
                await self._purge(one)
            except BusError as error:
                self.last_error = str(error)

    async def _tell(self, one: Reached) -> None:
        now, told = self._monotonic(), self._told.get(one.edge)
        if told is not None and told.place == one.place and now - told.at < AGAIN_SECS:
            return
        key, value = names.place_key(one.edge, self._feed), encode_place(one.place)
        try:
            await self._bus.put(names.PLACES, key, value)
        except MissingError:
            await self._bus.make_bucket(names.PLACES)
            await self._bus.put(names.PLACES, key, value)
        self._told[one.edge] = _Told(one.place, now)

    async def _purge(self, one: Reached) -> None:
        if one.sequence == self._purged.get(one.edge, 0):
            return
        if one.sequence:
            await self._bus.purge(one.edge, self._feed, one.sequence)
        self._purged[one.edge] = one.sequence
