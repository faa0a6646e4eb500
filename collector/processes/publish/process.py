"""The process that publishes a feed's journal. At a stop it publishes the rest; what it cannot, waits on disk."""

import random
from typing import Final

from collector.bus.bus import Bus
from collector.domain.clock import Every
from collector.processes.async_work import Wakes, run_async
from collector.processes.context import Context
from collector.processes.nats_bus import open_bus
from collector.processes.publish.publisher import Publisher
from collector.processes.roles import feed_of

REPORT_SECS: Final = 1.0
STOP_SHARE: Final = 0.8
"""So much of `supervisor.stop_timeout_secs` it may take to publish the rest."""

AWAY_SECS: Final = 3.0
"""A stop waits no longer for servers that are away."""


def main(context: Context) -> None:
    """Publish until told to stop, and then what is left."""

    async def program(wakes: Wakes) -> None:
        async with open_bus(context, wakes.ring) as bus:
            await publish(context, wakes, bus)

    run_async(context, program)


async def publish(context: Context, wakes: Wakes, bus: Bus) -> None:
    """Publish through that client. Raises OSError, ConfigError, NewerDataError."""
    feed = next(feed for feed in context.config.feed if feed.name == feed_of(context.role))
    publisher = Publisher(context, feed, bus, random.random, wakes.ring)
    leaving = Leaving(context, publisher, bus)
    reports = Every(REPORT_SECS, context.clock.monotonic)
    try:
        while not leaving.is_over():
            bus.check()
            if wakes.take_notice() is not None:
                publisher.notice()
            await publisher.turn()
            if reports.due():
                context.report(publisher.report())
            await wakes.pause(min(publisher.wait_secs(), reports.wait_secs()))
        context.report(publisher.report())
    finally:
        publisher.close()


class Leaving:
    """Says when the process is to leave."""

    def __init__(self, context: Context, publisher: Publisher, bus: Bus) -> None:
        self._context = context
        self._publisher = publisher
        self._bus = bus
        self._asked_at: float | None = None

    def is_over(self) -> bool:
        """Whether a stop was asked for, and the rest is published, or is to wait on disk; the log then says how much."""
        if not self._context.stopping():
            return False
        if self._context.renewed():
            return True
        now = self._context.clock.monotonic()
        if self._asked_at is not None and self._publisher.is_done:
            return True
        # Whoever appends is dead by now: the next looks find the journal's end.
        self._publisher.notice()
        if self._asked_at is None:
            self._asked_at = now
        if not self._context.hurried() and not self._is_in_vain(now - self._asked_at):
            return False
        left = self._publisher.report()
        self._context.log.warning("journal_left_waiting", bytes=left.unpublished_bytes, error=left.last_error)
        return True

    def _is_in_vain(self, secs: float) -> bool:
        longest = self._context.config.supervisor.stop_timeout_secs * STOP_SHARE
        return secs > (longest if self._bus.is_connected else min(AWAY_SECS, longest))
