"""A storage host of a test: runs a relay in the test's own loop, against real servers, on a real folder."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from collector.bus import names
from collector.bus.bus import Bus, BusError
from collector.bus.client import NatsBus
from collector.bus.places import EdgePlace, decode_place
from collector.channel.channel import Notice
from collector.config import Config, FeedConfig, JournalConfig
from collector.config.model import RelayConfig
from collector.domain.log import Log
from collector.processes.async_work import Wakes
from collector.processes.context import Context, SystemClock
from collector.processes.disk_space import MeasureSpace, measure_space
from collector.processes.journals import journal_folder, open_relay_journal
from collector.processes.relay.intake import Intake
from collector.processes.relay.relay import Relay
from collector.processes.relay.restore import restored
from collector.reports import RelayReport, Report
from collector.storage.journal.journal_file import Chunk
from tests.bus.servers import bus_at, until
from tests.processes.relay.edge_journal import FEED, chunks_in, frames_in


class RelayWorld:
    """The data directory of a storage host. One relay at a time runs on it."""

    def __init__(self, folder: Path, url: str, *, file_bytes: int = 4 << 10) -> None:
        self.url = url
        self.config = Config(
            data_dir=folder,
            feed=(FeedConfig(name=FEED, exchange="binance"),),
            journal=JournalConfig(file_bytes=file_bytes, min_free_bytes=0),
            relay=RelayConfig(position_interval_secs=0.05),
        )
        self.folder = journal_folder(self.config, FEED)
        self.report = RelayReport()
        self.notices: list[Notice] = []
        self.events: list[str] = []
        self.is_stopping = False

    def context(self) -> Context:
        world = self

        class Channel:
            def offer(self, notice: Notice) -> None:
                world.notices.append(notice)

            def wait(self, _timeout_secs: float) -> Notice | None:
                return None

            def wake(self) -> None:
                pass

            def descriptors(self) -> tuple[int, ...]:
                return ()

        def take(report: Report) -> None:
            assert isinstance(report, RelayReport)
            self.report = report

        return Context(
            role=f"relay:{FEED}", config=self.config, sender=Channel(), receiver=Channel(),
            stopping=lambda: self.is_stopping, report=take,
            log=Log(lambda _level, fields: self.events.append(fields["event"])), clock=SystemClock,
        )  # fmt: skip

    def relay(self, bus: NatsBus, measure: MeasureSpace = measure_space, late_secs: float = 40.0) -> Relay:
        """A new one, as a process makes it."""
        context = self.context()
        intake = Intake(context.clock.now_ns, int(late_secs * 1e9), restored(self.folder))
        feed = self.config.feed[0]
        journal = open_relay_journal(self.config, feed, context.clock.now_ns, lambda: tuple(intake.sources.values()))
        return Relay(context, FEED, bus, journal, intake, measure)

    @asynccontextmanager
    async def running(self, **options: Any) -> AsyncIterator[None]:
        """A relay runs meanwhile, and is stopped in order."""
        self.is_stopping = False
        wakes = Wakes(self.context())
        task = asyncio.create_task(self.relay(bus_at(self.url), **options).run(wakes))
        try:
            yield
        finally:
            self.is_stopping = True
            wakes.ring()
            await task

    def chunks(self) -> list[Chunk]:
        return chunks_in(self.folder)

    def frames(self, edge: str) -> list[bytes]:
        return frames_in(self.chunks(), edge)

    def with_journal(self, **limits: int) -> None:
        self.config = replace(self.config, journal=replace(self.config.journal, **limits))


async def place_of(bus: Bus, edge: str) -> EdgePlace | None:
    try:
        entry = await bus.get(names.PLACES, names.place_key(edge, FEED))
    except BusError:
        return None
    return None if entry is None else decode_place(entry.value)


async def place_where(bus: Bus, edge: str, fits: Callable[[EdgePlace], bool]) -> EdgePlace:
    """Wait for a place; whoever calls bounds it."""
    while True:
        place = await place_of(bus, edge)
        if place is not None and fits(place):
            return place
        await asyncio.sleep(0.02)


async def emptied(bus: Bus, edge: str) -> None:
    """Wait until nothing but the newest message is left; whoever calls bounds it."""
    while (await bus.state(edge, FEED)).messages > 1:  # noqa: ASYNC110 -- the condition is a server's
        await asyncio.sleep(0.02)


async def prepared(bus: NatsBus, *edges: str) -> None:
    await until(lambda: bus.is_connected)
    for edge in edges:
        await bus.make_stream(edge, FEED)
