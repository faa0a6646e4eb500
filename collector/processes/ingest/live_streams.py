"""Takes up and drops streams while the feed is recorded; the journal is told before any connection changes."""

from collector.domain.clock import Clock
from collector.domain.log import Log
from collector.domain.records import StreamKey
from collector.processes.ingest.feed_lines import FeedLines
from collector.processes.ingest.feed_plans import FeedPlans, Selection
from collector.processes.ingest.first_data import MAX_NAMED, FirstDataWatch
from collector.processes.ingest.line_readers import LineReaders
from collector.processes.ingest.orders import Orders
from collector.storage.journal.writer import JournalWriter


class LiveStreams:
    """Brings what is recorded into line with the feed's orders. For the main thread."""

    def __init__(
        self,
        plans: FeedPlans,
        lines: FeedLines,
        readers: LineReaders,
        journal: JournalWriter,
        first_data: FirstDataWatch,
        clock: Clock,
        log: Log,
    ) -> None:
        self._plans = plans
        self._lines = lines
        self._readers = readers
        self._journal = journal
        self._first_data = first_data
        self._clock = clock
        self._log = log
        self._unwanted: frozenset[StreamKey] = frozenset()
        """Streams that the configuration has dropped or another edge has taken over, and that a connection may still bring."""

    def follow(self, orders: Orders) -> bool:
        """Record what is ordered; false while the disk does not take it, or a stream has to wait. Then to be called again."""
        if self._unwanted and self._readers.let_go(self._unwanted):
            self._unwanted = frozenset()
        selection = Selection(orders.subscription, orders.feed.ws_url)
        if selection != self._plans.selection:
            held, left = self._plans.returning(selection.subscription)
            if held and not self._readers.let_go(left):
                selection = selection._replace(held=held)
        if selection != self._plans.selection and not self._change(selection, orders):
            return False
        return not selection.held

    def end(self) -> None:
        """Say in the journal that nothing is wanted any more; what connections bring until they are closed is stored."""
        try:
            self._journal.resubscribe(self._plans.identity(self._plans.end(), self._clock.monotonic()))
        except OSError as error:
            # If the feed returns, its streams have rows as after any restart.
            self._log.warning("symbols_not_changed", error=str(error))

    def _change(self, selection: Selection, orders: Orders) -> bool:
        now = self._clock.monotonic()
        change = self._plans.change(selection, self._first_data.next_number)
        try:
            self._journal.resubscribe(self._plans.identity(change, now))
        except OSError as error:
            self._log.warning("symbols_not_changed", error=str(error))
            return False
        before = self._plans.selection
        self._plans.take(change, now)
        self._note(before, selection)
        # What an exchange has delisted may only be halted: its connection stays.
        away = orders.given_away() if change.left else frozenset()
        dropped = {key for key in change.left if key.symbol in away or not orders.feed.may_bring(key)}
        self._unwanted = (self._unwanted | dropped) - self._plans.carried()
        self._lines.change(change)
        return True

    def _note(self, before: Selection, after: Selection) -> None:
        earlier, recorded = _symbols(before), _symbols(after)
        joined, left = sorted(recorded - earlier), sorted(earlier - recorded)
        if joined or left:
            about = {"joined": joined[:MAX_NAMED], "left": left[:MAX_NAMED]}
            self._log.info("symbols_changed", joined_count=len(joined), left_count=len(left), **about)


def _symbols(selection: Selection) -> set[str]:
    return set(selection.subscription.symbols).difference(key.symbol for key in selection.held)
