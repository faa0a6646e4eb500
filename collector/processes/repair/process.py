"""The repair process: fetches over REST what is missing, and appends the answers to journals of its own.

What it may touch, on disk and on the network, is listed in this folder's `__init__.py`.
Each feed has a thread, so that a slow exchange holds up no other feed, and each request that is under way. The main thread reports and notifies the writer.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from typing import Final

from collector.channel.channel import Notice
from collector.config import FeedConfig
from collector.domain.records import INSTRUMENT
from collector.domain.repair_protocol import BOOK, rest_journal
from collector.exchanges.adapter import Adapter
from collector.exchanges.registry import adapter
from collector.exchanges.rest_adapter import RestAdapter
from collector.feed.request_weight import WeightBudget
from collector.feed.rest import RestClient
from collector.logs import RateLimited
from collector.processes.context import Context
from collector.processes.disk_space import measure_space, shortage
from collector.processes.feed_symbols import FeedSymbols
from collector.processes.journals import journal_folder, open_rest_journal
from collector.processes.repair.answer_intake import AnswerIntake
from collector.processes.repair.book_checkpoints import BookCheckpoints
from collector.processes.repair.book_choice import BookChoice
from collector.processes.repair.busy_streams import BusyStreams
from collector.processes.repair.feed_repair import POLL_SECS, FeedRepair
from collector.processes.repair.instrument_lists import InstrumentLists
from collector.processes.repair.lanes import Lanes
from collector.processes.repair.polled_answers import PolledAnswers
from collector.processes.repair.polls import Polls
from collector.processes.repair.repair_inbox import Claimed, RepairInbox, claim, misfit_of
from collector.processes.repair.repair_journal import RepairJournal
from collector.processes.repair.request_queue import RequestQueue
from collector.processes.repair.throttled_client import Client, ThrottledClient
from collector.processes.repair.under_way import AT_ONCE, UnderWay
from collector.processes.rest_adapters import asked_adapters, feeds_of_streams
from collector.processes.worker_threads import WorkerThreads, join_all
from collector.reports import RepairReport
from collector.storage.instrument_files import read_instruments, write_instruments
from collector.storage.request_files import aside_folder, request_folder

STOP_SECS: Final = 1.0
"""How long to wait for the threads to end. One that still waits for an exchange ends with the process."""

Connect = Callable[[str], Client]


def main(context: Context) -> None:
    """Run the repair process. Raises StopError and whatever broke a thread."""
    run(context, adapter)


def run(context: Context, adapter_of: Callable[[str], Adapter]) -> None:
    """Repair every feed whose exchange has a REST interface, until told to stop. Requests that wait stay on disk.

    On an edge it only fetches the exchange's lists: what is missing is asked for where the rows are stored.

    Raises whatever broke a thread: the next incarnation asks again for what was not durable yet.
    """
    (context.config.data_dir / "run").mkdir(parents=True, exist_ok=True)
    rest_adapters = asked_adapters(context.config, adapter_of)
    feeds = [feed for feed in context.config.feed if feed.name in rest_adapters]
    budgets = {rest_adapter.limits.budget: _budget(context, rest_adapter) for rest_adapter in rest_adapters.values()}
    feed_repairs = {}
    workers = WorkerThreads(context.receiver.wake)
    for feed in feeds:
        rest_adapter = rest_adapters[feed.name]
        client = RestClient(feed.rest_url or rest_adapter.limits.url, context.clock, AT_ONCE)
        budget = budgets[rest_adapter.limits.budget]
        under_way = UnderWay(client, Lanes(workers.start, f"rest {feed.name}").run)
        feed_repairs[feed.name] = make_feed_repair(context, feed, rest_adapter, budget, client, under_way)
    claimed = claim_requests(context, rest_adapters) if context.config.role != "edge" else Claimed({}, [])
    RepairProcess(context, feed_repairs, budgets, claimed, workers).run()


def claim_requests(context: Context, repaired_feeds: Collection[str]) -> Claimed:
    """Move waiting requests to the feeds that bring their streams now, and set aside those that no feed brings.

    Logs what was set aside, and how many requests wait for feeds that are not among `repaired_feeds`.
    """
    found = claim(context.config.data_dir, feeds_of_streams(context.config), repaired_feeds)
    for name, reason in found.misfits:
        context.log.warning("request_set_aside", name=name, reason=reason)
    if found.unclaimed:
        context.log.warning("requests_unclaimed", feeds=found.unclaimed)
    return found


def make_feed_repair(
    context: Context,
    feed: FeedConfig,
    rest_adapter: RestAdapter,
    budget: WeightBudget,
    client: Client,
    under_way: UnderWay,
) -> FeedRepair:
    """Make the FeedRepair of one feed, with the files it works on. `under_way` sends by that client."""
    config, clock = context.config, context.clock
    log = context.log.bind(feed=feed.name)
    requests = request_folder(config.data_dir, feed.name)
    folder = journal_folder(config, rest_journal(feed.name))

    def space_shortage() -> str | None:
        return shortage(measure_space(folder if folder.is_dir() else config.data_dir), config.journal, refusing=False)

    fetches_lists_alone = config.role == "edge"
    symbols = FeedSymbols(config.data_dir, feed).now if not fetches_lists_alone else tuple
    checkpoints = BookCheckpoints(
        requests / "checkpoints.json", symbols if BOOK in feed.data_types else tuple,
        config.book.checkpoint_interval_secs, clock.now_us(),
    )  # fmt: skip
    throttled_client = ThrottledClient(client, budget, rest_adapter, clock, random.random, log)
    polls = Polls(feed.exchange, rest_adapter.polls, feed.data_types, symbols)
    lists = _lists(context, feed, rest_adapter)
    journal = RepairJournal(lambda: open_rest_journal(config, feed, clock.now_ns), space_shortage)
    inbox = None
    if not fetches_lists_alone:
        inbox = RepairInbox(requests, aside_folder(config.data_dir), misfit_of(feed, rest_adapter))
    busy = BusyStreams(config.data_dir / "run/stats/writer.json", clock.monotonic)
    books = BookChoice(
        rest_adapter, symbols if BOOK in feed.data_types else tuple, budget.spare, budget.allowed, busy.messages
    )
    queue = RequestQueue(feed.exchange, rest_adapter, inbox, checkpoints, polls, lists, clock, log, books=books)
    known = read_instruments(config.data_dir, feed.exchange) if lists else None
    polled = PolledAnswers(
        rest_adapter, journal, polls, lists, symbols if INSTRUMENT in feed.data_types else tuple,
        lambda found: write_instruments(config.data_dir, found, feed.name), known.asked_us if known else None,
    )  # fmt: skip
    intake = AnswerIntake(
        rest_adapter, throttled_client, journal, queue, checkpoints, polled, clock, RateLimited(log, clock.monotonic)
    )
    return FeedRepair(throttled_client, journal, queue, checkpoints, intake, under_way, clock)


def _lists(context: Context, feed: FeedConfig, rest_adapter: RestAdapter) -> InstrumentLists | None:
    """The list of instruments, if the feed needs it: with volumes where any feed, which has the same list, does."""
    is_recorded = INSTRUMENT in feed.data_types and context.config.role != "edge"
    if not rest_adapter.lists() or not (feed.wanted.needs_list or is_recorded):
        return None
    config = context.config
    with_volumes = any(other.wanted.top for other in config.feed if other.exchange == feed.exchange)
    return InstrumentLists(
        feed.exchange, rest_adapter, context.clock, refresh_secs=config.ingest.symbols_refresh_secs,
        with_volumes=with_volumes,
    )  # fmt: skip


def _budget(context: Context, rest_adapter: RestAdapter) -> WeightBudget:
    limits = rest_adapter.limits
    path = context.config.data_dir / "run" / f"weight-{limits.budget}.json"
    share = context.config.repair.weight_share
    return WeightBudget(path, limits.weight, limits.window_secs, share, context.clock.now_ns)


class RepairProcess:
    def __init__(
        self,
        context: Context,
        feed_repairs: dict[str, FeedRepair],
        budgets: dict[str, WeightBudget],
        claimed: Claimed,
        workers: WorkerThreads,
    ) -> None:
        unclaimed = sum(claimed.unclaimed.values())
        self._unclaimed = Counter({"unclaimed": unclaimed} if unclaimed else {})
        self._misfits = len(claimed.misfits)
        self._context = context
        self._feed_repairs = feed_repairs
        self._budgets = budgets
        self._weight: dict[str, int] = {}
        self._stop = threading.Event()
        self._workers = workers
        self._notified: dict[str, tuple[int, int]] = {}

    def run(self) -> None:
        threads = {
            name: self._workers.start(partial(self._work, feed_repair), f"repair {name}")
            for name, feed_repair in self._feed_repairs.items()
        }
        while not self._context.stopping():
            self._workers.raise_failure()
            self._notify_writer()
            self._context.report(self._numbers())
            if self._context.receiver.wait(POLL_SECS) is not None:
                self._wake_all()
        self._stop_threads(threads)
        self._notify_writer()
        self._context.report(self._numbers())

    def _work(self, feed_repair: FeedRepair) -> None:
        while not self._stop.is_set():
            wait_secs = feed_repair.step()
            if wait_secs > 0:
                feed_repair.wake.wait(min(wait_secs, POLL_SECS))
                feed_repair.wake.clear()

    def _stop_threads(self, threads: dict[str, threading.Thread]) -> None:
        self._stop.set()
        self._wake_all()
        join_all(threads.values(), STOP_SECS, self._context.clock.monotonic)
        for name, thread in threads.items():
            if not thread.is_alive():
                # A journal without its `close` record is read to its last whole record once this process is gone.
                with suppress(OSError):
                    self._feed_repairs[name].close()
        self._workers.raise_failure()

    def _wake_all(self) -> None:
        for feed_repair in self._feed_repairs.values():
            feed_repair.wake.set()

    def _notify_writer(self) -> None:
        for name, feed_repair in self._feed_repairs.items():
            position = feed_repair.position
            if position != self._notified.get(name, (0, 0)):
                self._notified[name] = position
                self._context.sender.offer(Notice(self._context.role, "appended", *position))

    def _numbers(self) -> RepairReport:
        for name, budget in self._budgets.items():
            with suppress(OSError):
                spent = budget.spent()
                self._weight[name] = self._weight.get(name, 0) if spent is None else spent
        numbers = {name: feed_repair.numbers for name, feed_repair in self._feed_repairs.items()}
        answers: Counter[str] = Counter()
        failures: Counter[tuple[str, str]] = Counter({("request", "misfit"): self._misfits} if self._misfits else {})
        waiting: Counter[str] = Counter(self._unclaimed)
        for feed in numbers.values():
            answers.update(feed.answers)
            waiting.update(feed.waiting)
            failures.update({(kind, reason): count for kind, reason, count in feed.failures})
        return RepairReport(
            waiting=dict(waiting),
            answers=list(answers.items()),
            requests_failed=[(*labels, count) for labels, count in failures.items()],
            weight=dict(self._weight),
            clocks={name: feed.clock for name, feed in numbers.items() if feed.clock is not None},
            listed_us={name: feed.listed_us for name, feed in numbers.items() if feed.listed_us is not None},
        )
