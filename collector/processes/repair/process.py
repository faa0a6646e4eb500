"""Repair: asks the exchanges over REST for what is missing, and appends the answers to journals of its own.

One thread a feed, so that an exchange that is slow holds up no other; the main one reports, rings and leaves.
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
from collector.domain.repair_protocol import BOOK, rest_journal
from collector.exchanges.adapter import Adapter
from collector.exchanges.registry import adapter
from collector.exchanges.rest_adapter import RestAdapter
from collector.feed.request_weight import WeightBudget
from collector.feed.rest import RestClient
from collector.processes.context import Context
from collector.processes.disk_space import measure_space, shortage
from collector.processes.journals import journal_folder, open_rest_journal
from collector.processes.repair.book_checkpoints import BookCheckpoints
from collector.processes.repair.feed_repair import POLL_SECS, FeedRepair
from collector.processes.repair.repair_inbox import Claimed, RepairInbox, claim, misfit_of
from collector.processes.repair.repair_journal import RepairJournal
from collector.processes.repair.request_queue import RequestQueue
from collector.processes.repair.throttled_client import Client, ThrottledClient
from collector.processes.rest_adapters import feeds_of_streams, repairable_feeds
from collector.processes.worker_threads import WorkerThreads, join_all
from collector.reports import RepairReport
from collector.storage.repair_requests import aside_folder, request_folder

LEAVE_SECS: Final = 1.0
"""How long a thread may take to finish when this process leaves; one that waits for an exchange is left behind."""

Connect = Callable[[str], Client]


def main(context: Context) -> None:
    """Be the repair process. Raises StopError and whatever broke a thread."""
    run(context, adapter)


def run(context: Context, adapter_of: Callable[[str], Adapter]) -> None:
    """Mend every feed that can be until told to stop; what still waits, waits on disk.

    Raises whatever broke a thread: the next incarnation asks again for what was not yet durable.
    """
    (context.config.data_dir / "run").mkdir(parents=True, exist_ok=True)
    sides = repairable_feeds(context.config, adapter_of)
    feeds = [feed for feed in context.config.feed if feed.name in sides]
    budgets = {side.limits.budget: _budget(context, side) for side in sides.values()}
    menders = {
        feed.name: make_mender(
            context, feed, sides[feed.name], budgets[sides[feed.name].limits.budget],
            RestClient(feed.rest_url or sides[feed.name].limits.url, context.clock),
        )
        for feed in feeds
    }  # fmt: skip
    _Repair(context, menders, budgets, claim_requests(context, sides)).run()


def claim_requests(context: Context, mended: Collection[str]) -> Claimed:
    """Take over what waits for streams that another feed brought, and set aside what nobody brings.

    Says in the log how many wait for feeds that are not mended: until they are again.
    """
    found = claim(context.config.data_dir, feeds_of_streams(context.config), mended)
    for name, reason in found.misfits:
        context.log.warning("request_set_aside", name=name, reason=reason)
    if found.unclaimed:
        context.log.warning("requests_unclaimed", feeds=found.unclaimed)
    return found


def make_mender(
    context: Context, feed: FeedConfig, side: RestAdapter, budget: WeightBudget, client: Client
) -> FeedRepair:
    """The mender of one feed, on this process's files."""
    config, clock = context.config, context.clock
    logger = context.log.bind(feed=feed.name)
    waiting = request_folder(config.data_dir, feed.name)
    folder = journal_folder(config, rest_journal(feed.name))

    def short() -> str | None:
        return shortage(measure_space(folder if folder.is_dir() else config.data_dir), config.journal, refusing=False)

    symbols = feed.symbols if BOOK in feed.data_types else ()
    checkpoints = BookCheckpoints(
        waiting / "checkpoints.json", symbols, config.book.checkpoint_interval_secs, clock.now_us()
    )
    host = ThrottledClient(client, budget, side.limits.used_header, clock, random.random, logger)
    log = RepairJournal(lambda: open_rest_journal(config, feed, clock.now_ns), short)
    requests = RepairInbox(waiting, aside_folder(config.data_dir), misfit_of(feed, side))
    agenda = RequestQueue(feed.exchange, side, requests, checkpoints, clock, logger)
    return FeedRepair(side, host, log, agenda, checkpoints, clock, logger)


def _budget(context: Context, side: RestAdapter) -> WeightBudget:
    limits = side.limits
    path = context.config.data_dir / "run" / f"weight-{limits.budget}.json"
    share = context.config.repair.weight_share
    return WeightBudget(path, limits.weight, limits.window_secs, share, context.clock.now_ns)


class _Repair:
    def __init__(
        self, context: Context, menders: dict[str, FeedRepair], budgets: dict[str, WeightBudget], claimed: Claimed
    ) -> None:
        unclaimed = sum(claimed.unclaimed.values())
        self._unclaimed = Counter({"unclaimed": unclaimed} if unclaimed else {})
        self._misfits = len(claimed.misfits)
        self._context = context
        self._menders = menders
        self._budgets = budgets
        self._weight: dict[str, int] = {}
        self._stop = threading.Event()
        self._workers = WorkerThreads()
        self._wake = {name: threading.Event() for name in menders}
        self._rung: dict[str, tuple[int, int]] = {}

    def run(self) -> None:
        threads = {
            name: self._workers.start(partial(self._work, name, mender), f"repair {name}")
            for name, mender in self._menders.items()
        }
        while not self._context.stopping():
            self._workers.raise_failure()
            self._ring()
            self._context.report(self._numbers())
            if self._context.receiver.wait(POLL_SECS) is not None:
                self._wake_all()
        self._leave(threads)
        self._ring()
        self._context.report(self._numbers())

    def _work(self, name: str, mender: FeedRepair) -> None:
        wake = self._wake[name]
        while not self._stop.is_set():
            wait_secs = mender.step()
            if wait_secs > 0:
                wake.wait(min(wait_secs, POLL_SECS))
                wake.clear()

    def _leave(self, threads: dict[str, threading.Thread]) -> None:
        self._stop.set()
        self._wake_all()
        join_all(threads.values(), LEAVE_SECS, self._context.clock.monotonic)
        for name, thread in threads.items():
            if not thread.is_alive():
                # Without its end a journal is read as far as it goes once this process is gone.
                with suppress(OSError):
                    self._menders[name].close()
        self._workers.raise_failure()

    def _wake_all(self) -> None:
        for wake in self._wake.values():
            wake.set()

    def _ring(self) -> None:
        for name, mender in self._menders.items():
            position = mender.position
            if position != self._rung.get(name, (0, 0)):
                self._rung[name] = position
                self._context.sender.offer(Notice(self._context.role, "appended", *position))

    def _numbers(self) -> RepairReport:
        for name, budget in self._budgets.items():
            with suppress(OSError):
                spent = budget.spent()
                self._weight[name] = self._weight.get(name, 0) if spent is None else spent
        numbers = {name: mender.numbers for name, mender in self._menders.items()}
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
        )
