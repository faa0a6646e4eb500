"""The ingest process: reads the WebSockets of one feed and appends every frame to the feed's journal."""

import errno
from typing import Final

from collector.channel.bell import RingingEvent
from collector.channel.channel import CONFIG, Notice
from collector.config import Config, FeedConfig
from collector.config.change import difference
from collector.exchanges.adapter import Adapter
from collector.exchanges.registry import adapter
from collector.feed.connection import open_connection
from collector.processes.context import Context
from collector.processes.disk_space import MeasureSpace, measure_space
from collector.processes.ingest.feed_context import Connect, make_feed_context
from collector.processes.ingest.feed_lines import FeedLines
from collector.processes.ingest.feed_plans import FeedPlans
from collector.processes.ingest.feed_report import FeedReport
from collector.processes.ingest.first_data import FirstDataWatch
from collector.processes.ingest.fsync_thread import FsyncThread
from collector.processes.ingest.journal_gate import JournalGate
from collector.processes.ingest.line_readers import LineReaders
from collector.processes.ingest.live_streams import LiveStreams
from collector.processes.ingest.orders import Orders
from collector.processes.ingest.session import CLOSE_SECS
from collector.processes.journals import journal_folder, open_journal
from collector.processes.roles import feed_of, role_of
from collector.processes.worker_threads import WorkerThreads
from collector.processes.writer_notices import WriterNotices
from collector.reports import IngestReport
from collector.storage.journal.format import JournalHeader
from collector.storage.journal.incarnations import living_beside
from collector.storage.journal.writer import JournalWriter

REPORT_SECS: Final = 1.0
"""How often the process reports and measures the disk."""

STOP_SECS: Final = CLOSE_SECS + 1.5
"""How long to wait for the line readers to end. One that has not ended by then hangs in a handshake, before any data."""

REMOVED_SECS: Final = 600.0
"""How long the report says that the journal file being written was removed by somebody."""

_FULL_DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def main(context: Context) -> None:
    """Run the ingest process of the feed that the role names."""
    name = feed_of(context.role)
    feed = next(feed for feed in context.config.feed if feed.name == name)
    record(context, feed, adapter(feed.exchange))


def record(context: Context, feed: FeedConfig, adapter: Adapter) -> None:
    """Record the feed as soon as there is something to record and room for it, until told to stop; raises as `run`."""
    orders = begin_orders(context, feed, adapter)
    other = other_ingest(context, feed)
    journal = begin_journal(context, orders, other)
    if journal is not None:
        run(context, orders, adapter, journal, other=other)


def begin_orders(context: Context, feed: FeedConfig, adapter: Adapter) -> Orders:
    """The feed's orders once there is something to record, or once told to stop."""
    orders = Orders(context, feed, adapter)
    if not orders.symbols:
        context.log.warning("waiting_for_symbols", reason=orders.waits_for)
    while not (orders.symbols or context.stopping()):
        context.report(
            IngestReport(
                feed=feed.name,
                symbols_trouble=orders.trouble,
                config_number=orders.number,
                share_number=orders.share_number,
            )
        )
        orders.save()
        context.clock.sleep(REPORT_SECS)
        orders.look()
    return orders


def other_ingest(context: Context, feed: FeedConfig) -> JournalHeader | None:
    """The newest journal of the ingest beside which this one begins; None if it is to begin alone."""
    return living_beside(journal_folder(context.config, feed.name), "") if context.first_connection > 1 else None


def begin_journal(context: Context, orders: Orders, other: JournalHeader | None = None) -> JournalWriter | None:
    """As `open_journal`, but wait while the disk is too full for a new file; None if told to stop meanwhile."""
    waited = False
    while not context.stopping():
        try:
            return open_journal(orders.config, orders.feed, context.clock.now_ns, orders.symbols, other)
        except OSError as error:
            if error.errno not in _FULL_DISK:
                raise
            if not waited:
                context.log.warning("no_room_for_journal", error=str(error))
        waited = True
        context.report(IngestReport(feed=orders.feed.name, config_number=orders.number))
        context.clock.sleep(REPORT_SECS)
    return None


def run(
    context: Context,
    orders: Orders,
    adapter: Adapter,
    journal: JournalWriter,
    connect: Connect = open_connection,
    measure: MeasureSpace = measure_space,
    other: JournalHeader | None = None,
) -> None:
    """Record until `context.stopping()`, then close every connection with a close frame, and the journal.

    `other` is the journal of the ingest beside which this one begins: it brings the same streams by the same plans.

    Raises the OSError of a failed fsync, or whatever broke a thread. The journal then has no `close` record, and the next
    incarnation begins a new one. The journal was opened by `orders`.
    """
    IngestProcess(context, orders, adapter, journal, connect, measure, other).run()


class IngestProcess:
    def __init__(
        self,
        context: Context,
        orders: Orders,
        adapter: Adapter,
        journal: JournalWriter,
        connect: Connect,
        measure: MeasureSpace,
        other: JournalHeader | None,
    ) -> None:
        config, feed = orders.config, orders.feed
        self._context = context
        self._orders = orders
        self._config = config
        """The one that it works by."""
        self._config_number = orders.number
        self._settings = config
        """The one whose settings it has taken; the streams may still have to follow."""
        self._journal = journal
        self._other = other
        """The ingest beside which this one began, as long as it runs."""
        self._measure = measure
        self._folder = journal_folder(config, feed.name)
        self._stop = RingingEvent()
        self._workers = WorkerThreads(context.receiver.wake)
        self._fsync = FsyncThread(journal, config.journal.fsync_interval_secs)
        self._notices = WriterNotices(
            journal, context.role, context.sender, context.receiver.wake, config.writer.batch_interval_secs
        )
        self._gate = JournalGate(
            journal, config.journal, context.clock.now_ns, context.log, self._notices.note_appended
        )
        plans = FeedPlans(adapter, feed, orders.symbols)
        if other is not None:
            plans = FeedPlans.continued(adapter, feed, other.identity)
        self._first_data = FirstDataWatch(plans.numbered, config.ingest.first_data_timeout_secs)
        self._feed_context = make_feed_context(
            context, config, feed, adapter, self._gate, self._first_data, connect, self._stop
        )
        self._readers = LineReaders(self._workers)
        self._lines = FeedLines(self._feed_context, feed, plans.numbered, config.silence.bounds, self._readers)
        self._streams = LiveStreams(
            plans, self._lines, self._readers, journal, self._first_data, context.clock, context.log
        )
        self._report = FeedReport(
            feed.name, journal, self._gate, self._feed_context.counters, self._first_data, self._readers
        )
        self._share_number = 0
        """The newest share of the symbols that the streams have followed."""
        self._removed_at: float | None = None
        self._journal_removed = False
        self._report_at = context.clock.monotonic()

    def run(self) -> None:
        self._check_space_and_report()  # a full disk must be known before the first frame
        self._fsync.start(self._workers, self._context.log)
        self._feed_context.fresh_books.refresh()
        self._lines.start_missing()
        try:
            while not self._context.stopping():
                notice = self._context.receiver.wait(self._tick())
                if notice is not None and notice.kind == CONFIG:
                    self._follow_orders()
            self._end_unwanted()
        finally:
            self._stop_readers()
            self._fsync.stop()
        self._workers.raise_failure()
        self._gate.finish()
        self._close_journal()
        self._notices.tell(self._context.clock.monotonic())
        self._check_space_and_report()

    def _tick(self) -> float:
        """Do what is due; returns how long there is nothing to do if nothing happens."""
        self._workers.raise_failure()
        if self._feed_context.books_at_once.put():
            self._context.sender.offer(Notice(self._context.role, "asked", 0, 0))
        now = self._context.clock.monotonic()
        if now >= self._report_at:
            self._lines.check_first_data(REPORT_SECS + now - self._report_at)
            self._report_at = now + REPORT_SECS
            self._keep_lines()
            self._follow_orders()
            self._feed_context.fresh_books.refresh()
            self._check_space_and_report()
            self._notices.tell(now)  # it is awake: a wake-up of its own for the notice would cost more
        return min(self._notices.step(now), self._report_at - now)

    def _keep_lines(self) -> None:
        """A line that lost its reader would lose all its streams; none ever should."""
        for line, plan in self._lines.keep():
            self._context.log.error("line_without_reader", line=line, plan=plan)

    def _follow_orders(self) -> None:
        """Work by the newest configuration, and record what the exchange's newest list gives.

        While two ingests bring the feed's streams these stay what they are: each plan means the same for both.
        """
        if self._is_beside_another():
            return
        orders = self._orders
        orders.look()
        if orders.config is not self._settings:
            self._settings = orders.config
            self._take_settings(orders.config, orders.feed)
        if not self._streams.follow(orders):
            return
        self._share_number = orders.share_number
        orders.save()
        if orders.number != self._config_number:
            differing = difference(self._config, orders.config).keys(orders.feed.name)
            self._config, self._config_number = orders.config, orders.number
            changed = role_of(self._context.role).settings_among(differing)
            self._context.log.info("config_taken", number=orders.number, changed=changed)

    def _end_unwanted(self) -> None:
        """Say so in the journal, before any connection ends, if it stops because the feed is not wanted any more."""
        self._orders.look()
        if not self._orders.is_wanted:
            self._streams.end()

    def _is_beside_another(self) -> bool:
        other = living_beside(self._folder, self._journal.incarnation)
        if self._other is not None and other is not None and other.identity != self._other.identity:
            raise RuntimeError("the streams of the other ingest changed as this one began beside it")
        self._other = self._other and other
        return other is not None

    def _take_settings(self, config: Config, feed: FeedConfig) -> None:
        """Let everything that runs go by these settings."""
        self._gate.limits = config.journal
        self._journal.file_bytes = config.journal.file_bytes
        self._fsync.change_interval(config.journal.fsync_interval_secs)
        self._notices.note_commit_secs(config.writer.batch_interval_secs)
        self._first_data.timeout_secs = config.ingest.first_data_timeout_secs
        self._feed_context.take(config, feed)
        self._lines.take(feed, config.silence.bounds)

    def _check_space_and_report(self) -> None:
        self._keep_journal()
        space = self._measure(self._folder)
        self._gate.check(space)
        self._context.report(
            self._report.numbers(
                space,
                journal_removed=self._journal_removed,
                symbols_trouble=self._orders.trouble,
                config_number=self._config_number,
                share_number=self._share_number if self._lines.bring_all() else 0,
                unheard=() if self._other is None else self._lines.unheard(),
            )
        )

    def _keep_journal(self) -> None:
        now = self._context.clock.monotonic()
        if self._journal.keep():
            self._removed_at = now
            self._context.log.error("journal_removed", goes_on_in=self._journal.number)
        self._journal_removed = self._removed_at is not None and now - self._removed_at < REMOVED_SECS

    def _stop_readers(self) -> None:
        self._stop.set()
        still_running = self._readers.join(STOP_SECS, self._context.clock.monotonic)
        if still_running:
            self._context.log.warning("threads_left_behind", count=still_running)

    def _close_journal(self) -> None:
        try:
            self._journal.append_close()
        except OSError as error:
            # Only the `close` record is missing: the writer treats this as a torn tail and loses no frame.
            self._context.log.warning("journal_not_closed", error=str(error))
        self._journal.sync()
