"""The ingest process: reads the WebSockets of one feed and appends every frame to the feed's journal."""

import errno
import itertools
import math
import random
from typing import Final

from collector.channel.bell import RingingEvent
from collector.channel.channel import Notice
from collector.config import FeedConfig
from collector.exchanges.adapter import Adapter
from collector.exchanges.registry import adapter
from collector.feed.connection import open_connection
from collector.feed.connection_limit import ConnectionBudget
from collector.feed.live_slots import LiveSlots
from collector.processes.context import Context
from collector.processes.disk_space import MeasureSpace, Space, measure_space
from collector.processes.ingest.books_at_once import BooksAtOnce
from collector.processes.ingest.feed_context import Connect, CounterSet, FeedContext
from collector.processes.ingest.feed_lines import FeedLines
from collector.processes.ingest.feed_plans import FeedPlans
from collector.processes.ingest.first_data import MAX_NAMED, FirstDataWatch
from collector.processes.ingest.fresh_books import FreshBooks
from collector.processes.ingest.fsync_thread import FsyncThread
from collector.processes.ingest.journal_gate import JournalGate
from collector.processes.ingest.line_readers import LineReaders
from collector.processes.ingest.questions import Questions
from collector.processes.ingest.session import CLOSE_SECS
from collector.processes.ingest.symbol_chooser import SymbolChooser
from collector.processes.ingest.writer_notices import WriterNotices
from collector.processes.journals import journal_folder, open_journal
from collector.processes.rest_adapters import repairable_adapters
from collector.processes.roles import feed_of
from collector.processes.worker_threads import WorkerThreads
from collector.reports import IngestReport, JournalReport
from collector.storage.journal.writer import JournalWriter
from collector.storage.request_files import BOOKS_SUFFIX, RequestFolder, aside_folder, request_folder

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
    chooser = begin_choice(context, feed, adapter)
    journal = begin_journal(context, feed, feed.symbols if chooser is None else chooser.symbols)
    if journal is not None:
        run(context, feed, adapter, journal, chooser=chooser)


def begin_choice(context: Context, feed: FeedConfig, adapter: Adapter) -> SymbolChooser | None:
    """Choose the symbols of a feed that has them from the exchange's list; None for a feed that names them all.

    Wait while there is nothing to record, until told to stop.
    """
    if not feed.wanted.needs_list:
        return None
    chooser = SymbolChooser(context.config.data_dir, feed, adapter, context.clock, context.log)
    chooser.look()
    if not chooser.symbols:
        context.log.warning("waiting_for_symbols", reason=chooser.trouble)
    while not (chooser.symbols or context.stopping()):
        context.report(IngestReport(feed=feed.name, symbols_trouble=chooser.trouble))
        context.clock.sleep(REPORT_SECS)
        chooser.look()
    return chooser


def begin_journal(context: Context, feed: FeedConfig, symbols: tuple[str, ...] | None = None) -> JournalWriter | None:
    """As `open_journal`, but wait while the disk is too full for a new file; None if told to stop meanwhile."""
    waited = False
    while not context.stopping():
        try:
            return open_journal(context.config, feed, context.clock.now_ns, symbols)
        except OSError as error:
            if error.errno not in _FULL_DISK:
                raise
            if not waited:
                context.log.warning("no_room_for_journal", error=str(error))
        waited = True
        context.report(IngestReport(feed=feed.name))
        context.clock.sleep(REPORT_SECS)
    return None


def run(
    context: Context,
    feed: FeedConfig,
    adapter: Adapter,
    journal: JournalWriter,
    connect: Connect = open_connection,
    measure: MeasureSpace = measure_space,
    chooser: SymbolChooser | None = None,
) -> None:
    """Record until `context.stopping()`, then close every connection with a close frame, and the journal.

    Raises the OSError of a failed fsync, or whatever broke a thread. The journal then has no `close` record, and the next
    incarnation begins a new one. `chooser` is given if the symbols may change meanwhile; the journal was opened with its
    symbols.
    """
    IngestProcess(context, feed, adapter, journal, connect, measure, chooser).run()


class IngestProcess:
    def __init__(
        self,
        context: Context,
        feed: FeedConfig,
        adapter: Adapter,
        journal: JournalWriter,
        connect: Connect,
        measure: MeasureSpace,
        chooser: SymbolChooser | None,
    ) -> None:
        self._context = context
        self._feed = feed
        self._adapter = adapter
        self._journal = journal
        self._measure = measure
        self._folder = journal_folder(context.config, feed.name)
        self._stop = RingingEvent()
        self._workers = WorkerThreads(context.receiver.wake)
        self._readers = LineReaders(self._workers)
        self._counters = CounterSet()
        self._notices = WriterNotices(
            journal, context.role, context.sender, context.receiver.wake, context.config.writer.batch_interval_secs
        )
        self._gate = JournalGate(
            journal, context.config.journal, context.clock.now_ns, context.log, self._notices.note_appended
        )
        self._chooser = chooser
        self._plans = FeedPlans(adapter, feed, feed.symbols if chooser is None else chooser.symbols)
        plans = self._plans.numbered
        timeout_secs = context.config.ingest.first_data_timeout_secs
        self._first_data = FirstDataWatch(plans, timeout_secs)
        self._fresh_books = FreshBooks(
            request_folder(context.config.data_dir, f"{feed.name}{BOOKS_SUFFIX}"),
            aside_folder(context.config.data_dir),
            context.log,
        )
        self._books_at_once = BooksAtOnce(
            adapter,
            repairable_adapters(context.config, lambda _exchange: adapter).get(feed.name),
            RequestFolder(request_folder(context.config.data_dir, feed.name)),
            context.receiver.wake,
            context.log,
        )
        self._lines = FeedLines(
            self._make_feed_context(connect), feed, plans, context.config.silence.bounds, self._readers
        )
        self._removed_at: float | None = None
        self._journal_removed = False
        self._report_at = context.clock.monotonic()

    def run(self) -> None:
        fsync_thread = FsyncThread(self._journal, self._context.config.journal.fsync_interval_secs)
        self._check_space_and_report()  # a full disk must be known before the first frame
        fsync_thread.start(self._workers, self._context.log)
        self._fresh_books.refresh()
        self._lines.start_missing()
        try:
            while not self._context.stopping():
                self._context.receiver.wait(self._tick())
        finally:
            self._stop_readers()
            fsync_thread.stop()
        self._workers.raise_failure()
        self._gate.finish()
        self._close_journal()
        self._notices.tell(self._context.clock.monotonic())
        self._check_space_and_report()

    def _tick(self) -> float:
        """Do what is due; returns how long there is nothing to do if nothing happens."""
        self._workers.raise_failure()
        if self._books_at_once.put():
            self._context.sender.offer(Notice(self._context.role, "asked", 0, 0))
        now = self._context.clock.monotonic()
        if now >= self._report_at:
            self._lines.check_first_data(REPORT_SECS + now - self._report_at)
            self._report_at = now + REPORT_SECS
            self._replace_lost_readers()
            self._follow_choice(now)
            self._fresh_books.refresh()
            self._check_space_and_report()
            self._notices.tell(now)  # it is awake: a wake-up of its own for the notice would cost more
        return min(self._notices.step(now), self._report_at - now)

    def _replace_lost_readers(self) -> None:
        """A line without a reader would lose all its streams; none should ever be missing."""
        for line, plan in self._lines.start_missing():
            self._context.log.error("line_without_reader", line=line, plan=plan)

    def _follow_choice(self, now: float) -> None:
        """Record the symbols that the exchange's newest list gives, if it gives others than before."""
        chooser = self._chooser
        if chooser is None:
            return
        chooser.look()
        symbols = self._free(chooser.symbols)
        if (symbols == self._plans.symbols or self._resubscribe(symbols, now)) and symbols == chooser.symbols:
            chooser.save()

    def _free(self, symbols: tuple[str, ...]) -> tuple[str, ...]:
        """Without symbols that return while an old connection still brings them: two would bring copies of each message."""
        returning = self._plans.returning(symbols)
        if not returning or self._readers.let_go(returning):
            return symbols
        still_brought = {key.symbol for key in returning}
        return tuple(symbol for symbol in symbols if symbol not in still_brought)

    def _resubscribe(self, symbols: tuple[str, ...], now: float) -> bool:
        """Take up and drop streams; false if the disk does not take what the writer must know of it first."""
        before = set(self._plans.symbols)
        change = self._plans.change(symbols, self._first_data.next_number)
        try:
            self._journal.resubscribe(self._plans.identity(change, now))
        except OSError as error:
            self._context.log.warning("symbols_not_changed", error=str(error))
            return False
        self._plans.take(change, now)
        joined, left = sorted(set(symbols) - before), sorted(before.difference(symbols))
        about = {"joined": joined[:MAX_NAMED], "left": left[:MAX_NAMED]}
        self._context.log.info("symbols_changed", joined_count=len(joined), left_count=len(left), **about)
        self._lines.change(change)
        return True

    def _check_space_and_report(self) -> None:
        self._keep_journal()
        space = self._measure(self._folder)
        self._gate.check(space)
        self._context.report(self._numbers(space))

    def _keep_journal(self) -> None:
        now = self._context.clock.monotonic()
        if self._journal.keep():
            self._removed_at = now
            self._context.log.error("journal_removed", goes_on_in=self._journal.number)
        self._journal_removed = self._removed_at is not None and now - self._removed_at < REMOVED_SECS

    def _numbers(self, space: Space) -> IngestReport:
        journal = self._journal
        return IngestReport(
            feed=self._feed.name,
            frames=self._gate.frames,
            bytes=self._gate.bytes,
            refused=self._gate.refused,
            refused_bytes=self._gate.refused_bytes,
            journal_removed=self._journal_removed,
            control=self._counters["control"],
            subscriptions_refused=self._counters["subscriptions_refused"],
            reconnects=self._counters["reconnects"],
            connect_failures=self._counters["connect_failures"],
            never_spoke=self._first_data.never_spoke,
            symbols_trouble=self._chooser.trouble if self._chooser is not None else "",
            disconnects=self._counters.by_label("disconnects"),
            lines=self._readers.states(),
            journal=JournalReport(
                number=journal.number, position=journal.position, files=space.journal_files, bytes=space.journal_bytes
            ),
        )

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

    def _make_feed_context(self, connect: Connect) -> FeedContext:
        context, limits = self._context, self._adapter.limits
        run_folder = context.config.data_dir / "run"
        run_folder.mkdir(parents=True, exist_ok=True)
        name = f"connections-{limits.budget or self._adapter.exchange}"
        return FeedContext(
            adapter=self._adapter,
            config=context.config.ingest,
            budget=ConnectionBudget(
                run_folder / f"{name}.json", limits.connections, limits.window_secs, context.clock.now_ns
            ),
            slots=LiveSlots(run_folder / name, limits.live),
            questions=Questions(self._adapter, self._feed, run_folder, context.clock),
            gate=self._gate,
            clock=context.clock,
            log=context.log,
            random=random.random,
            connect=connect,
            stop=self._stop,
            pause=self._stop.wait,
            connection_numbers=itertools.count(1),
            counters=self._counters,
            first_data=self._first_data,
            fresh_books=self._fresh_books,
            books_at_once=self._books_at_once,
            checkpoint_secs=context.config.book.checkpoint_interval_secs or math.inf,
        )
