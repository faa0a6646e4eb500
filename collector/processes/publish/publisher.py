"""Publishes one feed's journal: reads it, keeps slices under way, follows where storage is."""

import asyncio
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from collector.bus.bus import Bus, BusError, MissingError
from collector.bus.names import PLACES
from collector.bus.slices import SliceHead
from collector.config import FeedConfig
from collector.domain.clock import Every
from collector.logs.limited import RateLimited
from collector.processes.context import Context
from collector.processes.journals import journal_folder
from collector.processes.publish.epoch import begin_epoch, epoch_of
from collector.processes.publish.journal_slices import JournalSlices
from collector.processes.publish.own_files import OwnFiles
from collector.processes.publish.rewinding import Rewinds
from collector.processes.publish.sending import Sending
from collector.processes.publish.storage_place import OwnFile, is_another_journal, is_there
from collector.processes.publish.told_place import ToldPlace
from collector.reports import PublishReport

PLACE_SECS: Final = 1.0
"""How often it asks where storage is."""

LOOK_SECS: Final = 1.0
"""How often it looks for records without a notice."""


class Publisher:
    """`turn` does what is due, `wait_secs` says when the next turn is; to be called when woken, too."""

    def __init__(
        self, context: Context, feed: FeedConfig, bus: Bus, random: Callable[[], float], ring: Callable[[], None]
    ) -> None:
        """`ring` is called when the servers have answered. Raises OSError."""
        config, clock = context.config, context.clock
        self._context = context
        self._feed = feed
        self._bus = bus
        self._now = clock.monotonic
        self._log = context.log
        self._limited = RateLimited(context.log, clock.monotonic)
        self._edge = config.edge
        self._folder = journal_folder(config, feed.name)
        self._head = SliceHead(config.host_name, feed.name, epoch_of(self._folder), "", 0, 0, 0)
        self._files = OwnFiles(self._folder, feed.name, context.log)
        self._sending = Sending(bus, config.edge.in_flight_bytes, clock.monotonic, clock.now_ns, random, ring)
        self._rewinds = Rewinds(config.edge.rewind_secs)
        self._told = ToldPlace(bus, self._head, clock.now_us, self._limited)
        self._slices: JournalSlices | None = None
        self._prepared = 0
        """The connection on which stream and bucket were last found to be there."""
        self._kept = ""
        """Why the stream keeps other settings than it should have."""
        self._asks = Every(PLACE_SECS, clock.monotonic)
        self._looks = Every(LOOK_SECS, clock.monotonic)
        self._read_at = clock.monotonic()
        self._is_noticed = True
        self._has_more = False
        self._rewound = self._told_failures = 0

    @property
    def is_done(self) -> bool:
        """Whether everything that was read is confirmed, and there was nothing more to read at the last look."""
        return self._slices is not None and self._slices.is_at_end and self._sending.is_empty and not self._is_noticed

    def notice(self) -> None:
        """There may be new records."""
        self._is_noticed = True

    async def turn(self) -> None:
        """Do what is due. Raises OSError."""
        if not self._bus.is_connected:
            return
        try:
            await self._prepare()
        except BusError as error:
            self._sending.fail(error)
        if self._asks.due():
            await self._ask()
        await self._send()
        self._tell_of_failures()

    def wait_secs(self) -> float:
        """Seconds until something is due without being woken."""
        if not self._bus.is_connected:
            return LOOK_SECS
        due = [
            self._asks.wait_secs(),
            self._looks.wait_secs(),
            *([self._sending.hold_secs()] if self._sending.hold_secs() else []),
        ]
        if self._is_prepared and self._is_noticed and self._sending.has_room:
            due.append(self._linger_secs())
        return min(due)

    def close(self) -> None:
        """Close the files."""
        if self._slices is not None:
            self._slices.close()

    def report(self) -> PublishReport:
        """What was done until now. Raises OSError."""
        files = self._files.look()
        lag = self._files.lag(self._told.place, files)
        sending = self._sending
        unread = self._slices.lag().bytes if self._slices is not None else lag.bytes
        now_ns = self._context.clock.now_ns()
        return PublishReport(
            feed=self._feed.name,
            is_connected=self._bus.is_connected,
            slices=sending.slices,
            bytes=sending.journal_bytes,
            sent_bytes=sending.sent_bytes,
            rewinds=self._rewound,
            failures=sending.failures,
            lag_bytes=lag.bytes,
            lag_secs=0.0 if lag.since_ns is None else max(0.0, (now_ns - lag.since_ns) / 1e9),
            unpublished_bytes=unread + sending.waiting_bytes,
            journal_bytes=sum(file.size for file in files),
            place_us=self._told.told_us,
            last_error=self._bus.last_error or sending.last_error or self._kept_error,
        )

    @property
    def _is_prepared(self) -> bool:
        return self._prepared == self._bus.connection

    @property
    def _kept_error(self) -> str | None:
        return f"the stream keeps the settings that it has: {self._kept}" if self._kept else None

    async def _prepare(self) -> None:
        """Make the stream and the bucket if this connection has not found them yet, and begin where storage is."""
        if not self._is_prepared or self._sending.is_stream_missing:
            connection = self._bus.connection
            if self._sending.hold_secs():
                return
            self._kept = await self._bus.make_stream(self._head.edge, self._feed.name)
            if self._kept:
                self._limited.warning("stream_not_changed", self._feed.name, reason=self._kept)
            await self._bus.make_bucket(PLACES)
            self._prepared, self._sending.is_stream_missing = connection, False
        if self._slices is None:
            await self._told.ask()
            self._begin(self._own_files())

    async def _ask(self) -> None:
        """Ask how far storage is; what is not answered is asked again the next time, and holds nothing up."""
        if not self._is_prepared or self._sending.is_stream_missing:
            return
        try:
            await self._follow_storage()
        except MissingError as error:
            self._sending.fail(error)
        except BusError as error:
            self._limited.warning("place_not_told", self._feed.name, reason=str(error))

    async def _follow_storage(self) -> None:
        has_moved = await self._told.ask()
        files = self._own_files()
        if self._slices is None:
            self._begin(files)
        elif has_moved:
            self._rewinds.moved()
            self._files.remove_behind(self._told.place, files)
        if await self._is_behind_for_good() and self._rewinds.may_begin(self._now()):
            self._rewind()

    async def _is_behind_for_good(self) -> bool:
        """Whether storage lacks what the servers confirmed, and they will not bring it."""
        confirmed = self._sending.confirmed
        if self._sending.is_stream_lost:
            return True
        if confirmed is None or is_there(self._told.place, confirmed):
            self._rewinds.moved()
            return False
        if self._told.place.hole:
            return True
        if not self._rewinds.stands_still(self._now()):
            return False
        sequence = self._sending.sequence  # as of now: it goes on while the servers answer
        state = await self._bus.state(self._head.edge, self._feed.name)
        return state.last < sequence

    def _rewind(self) -> None:
        self._rewinds.begun(self._now())
        self._rewound += 1
        self._limited.warning("publish_rewound", self._feed.name, has_hole=self._told.place.hole)
        self._begin(self._own_files())

    def _own_files(self) -> list[OwnFile]:
        """The files that are there; if they are not of the journal that storage knows, another epoch begins with them."""
        files = self._files.look()
        if is_another_journal(self._told.place, self._feed.name, files):
            self._begin_epoch()
        return files

    def _begin_epoch(self) -> None:
        self.close()
        self._slices = None
        self._head = replace(self._head, epoch=begin_epoch(self._folder), lost=True)
        self._told = ToldPlace(self._bus, self._head, self._context.clock.now_us, self._limited)
        self._log.error("journal_replaced", feed=self._feed.name)

    def _begin(self, files: list[OwnFile]) -> None:
        self.close()
        self._sending.begin_again()
        self._slices = JournalSlices(
            self._folder,
            self._told.place,
            files,
            self._head,
            self._feed.exchange,
            self._edge.slice_bytes,
        )
        self._is_noticed = True

    def _tell_of_failures(self) -> None:
        if self._sending.failures != self._told_failures:
            self._told_failures = self._sending.failures
            self._limited.warning("nats_refused", self._feed.name, reason=self._sending.last_error)

    async def _send(self) -> None:
        self._is_noticed |= self._looks.due()
        if not self._is_prepared:
            return
        if self._slices is not None and (self._has_more or (self._is_noticed and not self._linger_secs())):
            await self._read(self._slices)
        await self._sending.send()

    async def _read(self, slices: JournalSlices) -> None:
        self._is_noticed, self._has_more = False, True
        while self._sending.has_room:
            found = slices.next()
            if found is None:
                self._has_more = False
                if slices.is_replaced:
                    self._begin_epoch()
                    self._begin(self._own_files())
                break
            self._sending.add(*found)
            await self._sending.send()
            await asyncio.sleep(0)  # answers are taken meanwhile
        self._read_at = self._now()

    def _linger_secs(self) -> float:
        """Seconds until the next look for records: what comes meanwhile shares a slice."""
        return max(0.0, self._read_at + self._edge.linger_secs - self._now())
