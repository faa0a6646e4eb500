"""The edges that bring a feed, as far as a relay finds them: every stream of the feed that the servers have."""

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import Final

from collector.backoff import delays
from collector.bus.bus import Bus, BusError, StreamState
from collector.domain.log import Log
from collector.processes.relay.edge_stream import BASE_SECS, EdgeStream, newest_ns
from collector.processes.relay.intake import Intake
from collector.processes.relay.places import Reached
from collector.processes.relay.turns import Turn
from collector.storage.journal.writer import JournalWriter

LOOK_SECS: Final = 3.0
"""How often the servers are asked for streams."""

MOST_STREAMS: Final = 64
"""So many streams are looked into for edges that have no slot yet."""


class Edges:
    """A reader for each stream; an edge has a slot from its first slice on."""

    def __init__(
        self,
        bus: Bus,
        feed: str,
        intake: Intake,
        arrived: Callable[[], None],
        random: Callable[[], float],
        log: Log,
    ) -> None:
        """`arrived` is called when a slice waits."""
        self._bus = bus
        self._feed = feed
        self.intake = intake
        self._arrived = arrived
        self._random = random
        self._log = log
        self.streams: dict[str, EdgeStream] = {}
        self.states: dict[str, StreamState] = {}
        """What the stream of each edge held when it was last looked at."""
        self.last_error: str | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._holes: frozenset[str] = frozenset()

    async def keep_looking(self) -> None:
        """Find edges until cancelled."""
        pauses = delays(BASE_SECS, LOOK_SECS, self._random)
        while True:
            try:
                await self._look()
            except BusError as error:
                self.last_error = str(error)
                await asyncio.sleep(next(pauses))
            else:
                self.last_error = None
                pauses = delays(BASE_SECS, LOOK_SECS, self._random)
                await asyncio.sleep(LOOK_SECS)

    def check(self) -> None:
        """Raise what ended a reader, which only a fault of this program does."""
        for task in self._tasks.values():
            if task.done():
                task.result()

    async def close(self) -> None:
        """Stop reading."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def turns(self) -> list[Turn]:
        """What waits of each edge that is taken, and which others may still bring something."""
        self._admit()
        return [
            self._turn(edge, stream)
            for edge, stream in self.streams.items()
            if edge in self.intake.sources or stream.first() is None
        ]

    def take(self, edge: str, journal: JournalWriter) -> None:
        """Judge what waits first of an edge. Raises OSError, and leaves it waiting, if the journal does not take it."""
        stream = self.streams[edge]
        first = stream.first()
        if first is None:
            return
        if first.found is not None:
            self.intake.take(journal, edge, first.found)
        elif first.problem:
            self.intake.miss(edge, first.problem)
        stream.take()

    def has_news(self) -> bool:
        """Whether an edge is to send something again that it was not told to when this was last asked."""
        known, self._holes = self._holes, frozenset(self.intake.holes)
        for edge in self._holes - known:
            self._log.warning("slices_missing", edge=edge, reason=self.intake.holes[edge])
        return bool(self._holes - known)

    def reached(self) -> list[Reached]:
        """How far the edges are that have sent anything."""
        return [
            Reached(edge, self.intake.place(edge), stream.handled)
            for edge, stream in self.streams.items()
            if edge in self.intake.sources and self.intake.sources[edge].epoch
        ]

    def read_anew(self, edges: Iterable[str]) -> None:
        """Read the streams of these edges again, if nothing comes of them."""
        for edge in edges:
            if edge in self.streams and self.streams[edge].is_quiet:
                self.streams[edge].begin_anew()

    async def _look(self) -> None:
        found = sorted(edge for edge, feed in await self._bus.streams() if feed == self._feed)
        for edge in found:
            if edge not in self.streams and (edge in self.intake.sources or len(self.streams) < MOST_STREAMS):
                self._begin(edge)
        await self._without_stream(found)
        for edge in self.streams.keys() & set(found):
            self.states[edge] = await self._bus.state(edge, self._feed)

    def _admit(self) -> None:
        """Give a slot to each edge of which a slice came, if one is free; what is no slice needs none."""
        for edge, stream in self.streams.items():
            while edge not in self.intake.sources and (first := stream.first()) is not None:
                if first.found is None:
                    stream.take()
                elif self.intake.knows(edge):
                    self._log.info("edge_found", edge=edge, slot=self.intake.sources[edge].slot)
                else:
                    break

    async def _without_stream(self, found: Collection[str]) -> None:
        """Forget those that are gone and have no slot, or gave it to another."""
        self.intake.forget_refused(found)
        for edge in [edge for edge in self.streams if edge not in self.intake.sources and edge not in found]:
            del self.streams[edge]
            self.states.pop(edge, None)
            task = self._tasks.pop(edge)
            task.cancel()
            await asyncio.wait([task])

    def _begin(self, edge: str) -> None:
        stream = EdgeStream(self._bus, edge, self._feed, self._arrived, self._random)
        self.streams[edge] = stream
        self._tasks[edge] = asyncio.create_task(stream.run())

    def _turn(self, edge: str, stream: EdgeStream) -> Turn:
        first = stream.first()
        first_ns = None if first is None else newest_ns(first)
        source = self.intake.sources.get(edge)
        return Turn(edge, first_ns, 0 if source is None else source.newest_ns, stream.is_quiet)
