"""The cluster process: signs of life, the share of the symbols, and the status of all hosts, through keys of the NATS servers."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from collector.bus.bus import Bus
from collector.bus.client import CAP_SECS
from collector.bus.link import CONNECT_SECS
from collector.bus.names import HOSTS, MEMBERS, token
from collector.domain.sharing import View
from collector.processes.async_work import Wakes, run_async
from collector.processes.cluster.agreement import agreed_copies, copies_trouble
from collector.processes.cluster.bucket import WatchedBucket
from collector.processes.cluster.coverage import Coverage, coverage
from collector.processes.cluster.edge_share import EdgeShare
from collector.processes.cluster.errands import Errands
from collector.processes.cluster.host_board import HostBoard
from collector.processes.cluster.membership import Membership
from collector.processes.cluster.own_feeds import OwnFeeds
from collector.processes.cluster.own_status import OwnStatus
from collector.processes.cluster.values import Member, encode
from collector.processes.context import Context
from collector.processes.nats_bus import open_bus
from collector.processes.stats_place import STATS
from collector.reports import ClusterReport

REPORT_SECS: Final = 1.0
HOSTS_SECS: Final = 2.0
"""How often this host looks at itself and tells the others."""

REGAIN_SECS: Final = CAP_SECS + CONNECT_SECS
"""How much later than this host another one may have a connection again."""

SEEN_SECS: Final = 2.0
"""How long to wait until the servers show what they were told; then they do not answer."""


def main(context: Context) -> None:
    """Run the cluster process. Raises ConfigError where the servers can never be reached."""

    async def program(wakes: Wakes) -> None:
        async with open_bus(context) as bus:
            cluster = Cluster(context, bus)
            await cluster.run(wakes, bus.check)

    run_async(context, program)


class Cluster:
    """One host among others; for one event loop."""

    def __init__(self, context: Context, bus: Bus) -> None:
        config = context.config
        self._context = context
        self._bus = bus
        self._host = config.host_name
        self._key = token(self._host)
        stats = config.data_dir / STATS
        self._feeds = OwnFeeds(config, stats)
        self._status = OwnStatus(config, context.run_id, stats)
        self._members_bucket = WatchedBucket(bus, MEMBERS)
        self._hosts_bucket = WatchedBucket(bus, HOSTS)
        self._membership = Membership(self._host, config.share.dead_secs, REGAIN_SECS)
        self._hosts = HostBoard(self._host, REGAIN_SECS)
        self._share = EdgeShare(config, context.log) if config.role == "edge" else None
        self._errands = Errands(context, bus, self._feeds, self._membership, self._share)
        self._own = Member(uuid.uuid4().hex, 0)
        self._before: View | None = None
        self._trouble = ""
        self._has_quorum = True
        self._covered: tuple[object, Coverage] = (None, Coverage([], 0, [], 0))

    async def run(self, wakes: Wakes, check: Callable[[], None]) -> None:
        """Go on until told to stop; then say so to the others, unless a successor goes on at once."""
        loops = (
            self._members_bucket.follow(),
            self._hosts_bucket.follow(),
            self._beat(),
            self._tell(),
            self._errands.run(),
        )
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            while not self._context.stopping():
                check()
                for task in tasks:
                    if task.done():
                        task.result()  # only a fault ends one
                self._context.report(self.numbers())
                await wakes.pause(REPORT_SECS)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        if not self._context.renewed():
            await self._leave()

    async def _beat(self) -> None:
        """Give signs of life, and look at those of others after each."""
        clock, every_secs = self._context.clock, self._context.config.share.heartbeat_secs
        while True:
            began = clock.monotonic()
            self._own = self._next_own()
            self._has_quorum = await self._members_bucket.put(self._key, encode(self._own), SEEN_SECS)
            if self._has_quorum:
                self._look()
            else:
                self._membership.interrupt()
            await asyncio.sleep(max(0.0, began + every_secs - clock.monotonic()))

    def _next_own(self) -> Member:
        beat, config = self._own.beat + 1, self._context.config
        if self._share is None:
            return Member(self._own.incarnation, beat)
        share = self._share.share
        feeds = self._feeds.states(self._share.since_number, self._context.clock.now_us())
        if share is not None and all(state.is_complete for state in feeds.values()):
            self._before = share.view
        return Member(
            self._own.incarnation, beat, is_edge=True, copies=config.share.copies,
            share=share, before=self._before, feeds=feeds,
        )  # fmt: skip

    def _look(self) -> None:
        """The servers answered."""
        now, before = self._context.clock.monotonic(), set(self._membership.members)
        self._membership.observe(self._members_bucket.of_hosts, self._own, now)
        if not self._membership.is_settled:
            return
        members = self._membership.members
        joined, left = sorted(members.keys() - before), sorted(before - members.keys())
        if joined or left:
            self._context.log.info("members_changed", joined=joined, left=left, members=sorted(members))
        if self._share is not None:
            self._share.follow(members, now)
        self._note_trouble()

    def _note_trouble(self) -> None:
        troubles = [copies_trouble(self._membership.members)]
        if self._share is not None and self._share.unlike:
            names = ", ".join(sorted(self._share.unlike))
            troubles.append(f"edges choose the symbols of {names} differently: all of them are recorded here")
        trouble = "; ".join(filter(None, troubles))
        if trouble != self._trouble and trouble:
            self._context.log.warning("shares_differ", reason=trouble)
        self._trouble = trouble

    async def _tell(self) -> None:
        """Tell the other hosts how this one is, and hear how they are."""
        clock = self._context.clock
        while True:
            value = self._hosts.due(self._status.summary(clock.now_us()), clock.monotonic())
            if value is not None:
                if await self._hosts_bucket.put(self._key, value, SEEN_SECS):
                    for name in self._hosts.observe(self._hosts_bucket.of_hosts, clock.monotonic()):
                        await self._forget(name)
                else:
                    self._hosts.interrupt()
            await asyncio.sleep(HOSTS_SECS)

    async def _forget(self, name: str) -> None:
        self._context.log.info("host_forgotten", host=name)
        await self._hosts_bucket.remove(token(name))
        await self._members_bucket.remove(token(name))
        await self._errands.forget(name)

    async def _leave(self) -> None:
        """Say good-bye, so that nobody waits before it takes over."""
        farewell = replace(self._own, beat=self._own.beat + 1, leaving=True)
        await self._members_bucket.tell(self._key, encode(farewell))
        if (value := self._hosts.farewell()) is not None:
            await self._hosts_bucket.tell(self._key, value)

    def numbers(self) -> ClusterReport:
        """As of now."""
        members, share = self._membership.members, self._share
        covered = self._coverage()
        return ClusterReport(
            is_connected=self._bus.is_connected,
            has_quorum=self._has_quorum,
            hosts=self._hosts.shown(self._context.clock.monotonic()),
            members=sorted(members),
            changes=self._membership.changes,
            copies=agreed_copies(members) if members else self._context.config.share.copies,
            share_number=0 if share is None else share.number,
            is_moving=share is not None and share.share is not None and bool(share.share.held),
            **covered._asdict(),
            trouble=self._trouble,
            last_error=self._bus.last_error or self._members_bucket.error or self._hosts_bucket.error,
        )

    def _coverage(self) -> Coverage:
        """Worked out again only if something that it follows from has changed."""
        if not self._membership.is_settled:
            return Coverage([], 0, [], 0)
        members, symbols = self._membership.members, self._feeds.symbols()
        states = [(name, m.share, m.before, m.feeds) for name, m in sorted(members.items())]
        known: Sequence[object] = [states, symbols]
        if known != self._covered[0]:
            copies = agreed_copies(members) if members else self._context.config.share.copies
            self._covered = known, coverage(symbols, members, copies)
        return self._covered[1]
