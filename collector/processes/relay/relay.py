"""Takes the slices of all edges of one feed, one after another, until the process is to stop."""

import asyncio
import random
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

from collector.bus.client import NatsBus
from collector.domain.clock import Every
from collector.domain.disk_waits import disk_wait
from collector.logs.limited import RateLimited
from collector.processes.async_work import Wakes
from collector.processes.context import Context
from collector.processes.disk_space import MeasureSpace, Space, measure_space, shortage
from collector.processes.journals import journal_folder
from collector.processes.relay.edges import Edges
from collector.processes.relay.intake import Intake
from collector.processes.relay.places import Places, Reached
from collector.processes.relay.report import report_of
from collector.processes.relay.taker import Taker, taker_of
from collector.processes.relay.turns import PATIENCE_SECS, next_edge
from collector.processes.writer_notices import WriterNotices
from collector.storage.journal.writer import JournalWriter

REPORT_SECS: Final = 1.0
ANEW_SECS: Final = 10.0
"""A stream is read again from its beginning after so long with something missing and nothing coming."""

LAST_SECS: Final = 3.0
"""So long the servers may take at a stop to note how far the edges' journals are; else the next relay tells them."""

_TAKEN_AT_ONCE: Final = 16
"""So many slices are appended before other work has its turn."""


class Relay:
    """`run` it once. The journal is closed at the end."""

    def __init__(
        self,
        context: Context,
        feed: str,
        bus: NatsBus,
        journal: JournalWriter,
        intake: Intake,
        measure: MeasureSpace = measure_space,
    ) -> None:
        self._context = context
        self._feed = feed
        self._bus = bus
        self._journal = journal
        self._intake = intake
        self._measure = measure
        self._limited = RateLimited(context.log, context.clock.monotonic)
        self._arrived = asyncio.Event()
        self._told = asyncio.Event()
        """Something is to be told at once."""
        self._edges = Edges(bus, feed, intake, self._arrived.set, random.random, context.log)
        folder = journal_folder(context.config, feed)
        monotonic = context.clock.monotonic
        self._taker = Taker(bus, feed, taker_of(folder), context.config.host_name, monotonic, self._arrived.set)
        self._places = Places(bus, feed, journal, self._reached, monotonic, self._taker.holds)
        self._space = Space(0, 0, 0)
        self._short: str | None = None
        """Why nothing is appended now."""
        self._idle_since = 0.0

    async def run(self, wakes: Wakes) -> None:
        """Work until told to stop. Raises OSError if what was appended cannot be made durable."""
        context = self._context
        notices = WriterNotices(
            self._journal, context.role, context.sender, wakes.ring, context.config.writer.batch_interval_secs
        )
        self._note_appended = notices.note_appended
        async with self._bus:
            await self._check_space()
            tasks = [asyncio.create_task(task) for task in self._tasks()]
            try:
                await self._watch(wakes, notices, tasks)
            finally:
                await _cancelled(tasks)
                await self._edges.close()
            await self._leave(notices)

    def _tasks(self) -> list[Coroutine[Any, Any, None]]:
        return [self._edges.keep_looking(), self._take_all(), self._keep_places(), self._taker.keep()]

    async def _watch(self, wakes: Wakes, notices: WriterNotices, tasks: "list[asyncio.Task[None]]") -> None:
        clock = self._context.clock
        reports, anew = Every(REPORT_SECS, clock.monotonic), Every(ANEW_SECS, clock.monotonic, at_once=False)
        while not self._context.stopping():
            wait_secs = notices.step(clock.monotonic())
            await wakes.pause(min(wait_secs, reports.wait_secs()))
            for task in tasks:
                if task.done():
                    task.result()
            self._edges.check()
            self._bus.check()
            if reports.due():
                await self._check_space()
                self._report()
            if anew.due():
                self._edges.read_anew(self._intake.holes)

    async def _take_all(self) -> None:
        while True:
            self._arrived.clear()
            taken = next((taken for taken in range(_TAKEN_AT_ONCE) if not self._take_one()), _TAKEN_AT_ONCE)
            await (asyncio.sleep(0) if taken == _TAKEN_AT_ONCE else self._pause())

    async def _pause(self) -> None:
        is_patient = not self._is_held_back and any(turn.first_ns is not None for turn in self._edges.turns())
        await _comes(self._arrived, PATIENCE_SECS if is_patient else None)

    @property
    def _is_held_back(self) -> bool:
        return self._short is not None or not self._taker.is_ours

    def _take_one(self) -> bool:
        """Judge what is next, if there is anything; whether there was."""
        clock = self._context.clock
        turns = self._edges.turns()
        if self._is_held_back or all(turn.first_ns is None for turn in turns):
            self._idle_since = clock.monotonic()
            return False
        edge = next_edge(turns, clock.now_ns(), clock.monotonic() - self._idle_since)
        if edge is None:
            return False
        self._idle_since = clock.monotonic()
        try:
            self._edges.take(edge, self._journal)
        except OSError as error:
            self._pause_because(f"write failed: {error}")
            return False
        self._note_appended()
        if self._edges.has_news():
            self._told.set()
        return True

    async def _keep_places(self) -> None:
        while True:
            await self._places.step()
            await _comes(self._told, self._context.config.relay.position_interval_secs)
            self._told.clear()

    def _reached(self) -> list[Reached]:
        return self._edges.reached()

    async def _check_space(self) -> None:
        folder = journal_folder(self._context.config, self._feed)
        self._space = await asyncio.get_running_loop().run_in_executor(None, self._measure, folder)
        was_short = self._short
        self._short = shortage(self._space, self._context.config.journal, refusing=was_short is not None)
        if self._short is not None and was_short is None:
            self._pause_because(self._short)
        elif self._short is None and was_short is not None:
            self._limited.warning("relay_resumed", "", reason=was_short)
            self._arrived.set()
        if self._journal.keep():
            self._context.log.error("journal_removed", goes_on_in=self._journal.number)

    def _pause_because(self, reason: str) -> None:
        self._short = reason
        self._limited.warning("relay_paused", "", reason=reason)

    def _report(self) -> None:
        if self._taker.trouble:
            self._limited.warning("feed_taken_elsewhere", self._feed, reason=self._taker.trouble)
        why = self._short or self._taker.trouble
        self._context.report(
            report_of(self._feed, self._bus, self._edges, self._places, self._journal, self._space, why)
        )

    async def _leave(self, notices: WriterNotices) -> None:
        try:
            async with asyncio.timeout(LAST_SECS):
                await self._places.step()
                await self._taker.leave()
        except TimeoutError:
            self._context.log.info("places_not_told")
        try:
            self._journal.append_close()
        except OSError as error:
            # Only the `close` record is missing: the writer takes this for a torn tail.
            self._context.log.warning("journal_not_closed", error=str(error))
        with disk_wait():
            self._journal.sync()
        notices.tell(self._context.clock.monotonic())
        self._report()


async def _comes(event: asyncio.Event, secs: float | None) -> None:
    """Wait for it, at most so long."""
    # Unlike `wait_for` of Python 3.11 this never swallows the end of its task.
    with suppress(TimeoutError):
        async with asyncio.timeout(secs):
            await event.wait()


async def _cancelled(tasks: "list[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
